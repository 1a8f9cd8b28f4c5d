//! One resource: a JSON object whose attribute names are compared without regard to case.

use std::fmt;

use serde_json::{Map, Value};

use super::name::{AttrName, SchemaUri};
use super::path::AttrPath;

/// A SCIM resource, or a directory's record in the same shape. Order, numbers of any size and
/// unknown attributes are kept. Its `Debug` shows names only, never values.
#[derive(Clone, Default, PartialEq)]
pub struct Resource(Map<String, Value>);

impl Resource {
    /// An empty resource.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of an attribute of the base schema.
    #[must_use]
    pub fn get(&self, name: &AttrName) -> Option<&Value> {
        get(&self.0, name.as_str())
    }

    /// The value of an attribute, by a name known to be one.
    #[must_use]
    pub fn attr(&self, name: &str) -> Option<&Value> {
        get(&self.0, name)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, name: &AttrName) -> Option<&mut Value> {
        get_mut(&mut self.0, name.as_str())
    }

    /// The attributes of an extension, where the resource has it.
    #[must_use]
    pub fn extension(&self, uri: &SchemaUri) -> Option<&Map<String, Value>> {
        get(&self.0, uri.as_str()).and_then(Value::as_object)
    }

    /// What `path` points at. A sub-attribute of a multi-valued attribute is not resolved here:
    /// the answer is `None`.
    #[must_use]
    pub fn at(&self, path: &AttrPath) -> Option<&Value> {
        let home = match &path.uri {
            Some(uri) => self.extension(uri)?,
            None => &self.0,
        };
        let value = get(home, path.name.as_str())?;
        match &path.sub {
            Some(sub) => get(value.as_object()?, sub.as_str()),
            None => Some(value),
        }
    }

    /// Sets an attribute of the base schema, under the name that it already has where it is there.
    pub fn insert(&mut self, name: &AttrName, value: Value) {
        insert(&mut self.0, name.as_str(), value);
    }

    /// Takes an attribute of the base schema out; the order of the rest is kept.
    pub fn remove(&mut self, name: &AttrName) -> Option<Value> {
        remove(&mut self.0, name.as_str())
    }

    /// The attributes in their order.
    #[must_use]
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The attributes, to change them.
    pub fn as_map_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.0
    }

    /// The attributes, as a map of one's own.
    #[must_use]
    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }
}

impl From<Map<String, Value>> for Resource {
    fn from(map: Map<String, Value>) -> Self {
        Self(map)
    }
}

impl From<Resource> for Value {
    fn from(resource: Resource) -> Self {
        Self::Object(resource.0)
    }
}

impl serde::Serialize for Resource {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A member of a JSON object by attribute name: the exact spelling first, then any case.
#[must_use]
pub fn get<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    map.get(name).or_else(|| {
        map.iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
    })
}

/// [`get`], to change the member.
pub fn get_mut<'a>(map: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Value> {
    let key = spelling(map, name)?;
    map.get_mut(&key)
}

/// Sets a member under the spelling that the object already has for it.
pub fn insert(map: &mut Map<String, Value>, name: &str, value: Value) {
    match get_mut(map, name) {
        Some(place) => *place = value,
        None => {
            map.insert(name.to_owned(), value);
        }
    }
}

/// Takes a member out by attribute name; the order of the rest is kept.
pub fn remove(map: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let key = spelling(map, name)?;
    map.shift_remove(&key)
}

fn spelling(map: &Map<String, Value>, name: &str) -> Option<String> {
    if map.contains_key(name) {
        return Some(name.to_owned());
    }
    map.keys()
        .find(|key| key.eq_ignore_ascii_case(name))
        .cloned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resource(value: &Value) -> Resource {
        value.as_object().cloned().unwrap().into()
    }

    fn path(uri: Option<&str>, name: &str, sub: Option<&str>) -> AttrPath {
        AttrPath {
            uri: uri.map(|uri| uri.parse().unwrap()),
            name: name.parse().unwrap(),
            sub: sub.map(|sub| sub.parse().unwrap()),
        }
    }

    #[test]
    fn names_are_found_in_any_case_the_exact_one_first() {
        let resource = resource(&json!({"TITLE": 1, "title": 2, "NickName": 3}));
        assert_eq!(resource.attr("title"), Some(&json!(2)));
        assert_eq!(resource.attr("TITLE"), Some(&json!(1)));
        assert_eq!(resource.attr("nickname"), Some(&json!(3)));
        assert_eq!(resource.attr("nick"), None);
    }

    #[test]
    fn changes_keep_spelling_and_order() {
        let mut resource = resource(&json!({"A": 1, "b": 2, "c": 3}));
        resource.insert(&"a".parse().unwrap(), json!(4));
        assert_eq!(resource.remove(&"B".parse().unwrap()), Some(json!(2)));
        resource.insert(&"d".parse().unwrap(), json!(5));
        assert_eq!(
            serde_json::to_string(&resource).unwrap(),
            r#"{"A":4,"c":3,"d":5}"#
        );
        assert_eq!(format!("{resource:?}"), r#"{"A", "c", "d"}"#);
    }

    #[test]
    fn paths_lead_into_objects_and_extensions() {
        let resource = resource(&json!({
            "name": {"FamilyName": "x"}, "emails": [{"value": "y"}],
            "URN:Ext:2.0:User": {"department": "z", "manager": {"value": "1"}},
        }));
        let at = |uri, name, sub| resource.at(&path(uri, name, sub));
        assert_eq!(at(None, "name", Some("familyName")), Some(&json!("x")));
        assert_eq!(at(None, "emails", Some("value")), None);
        assert_eq!(at(None, "department", None), None);
        assert_eq!(
            at(Some("urn:ext:2.0:User"), "department", None),
            Some(&json!("z"))
        );
        assert_eq!(
            at(Some("urn:ext:2.0:User"), "manager", Some("value")),
            Some(&json!("1"))
        );
        assert_eq!(at(Some("urn:other"), "manager", None), None);
    }
}
