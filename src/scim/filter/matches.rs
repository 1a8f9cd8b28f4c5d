//! Whether a resource, or an element of a multi-valued attribute, matches a filter
//! (RFC 7644 §3.4.2.2).
//!
//! An attribute of several values matches if any of them does. An attribute that is absent, null
//! or an empty array is unassigned (RFC 7643 §2.5): it equals null, and differs from all else. A
//! complex attribute compared as a whole is compared by its `value`. Strings are compared without
//! case unless the schema says otherwise, times by the instant.

use std::cmp::Ordering;

use serde_json::Value;

use super::{CompareOp, Comparison, Filter};
use crate::scim::name::AttrName;
use crate::scim::path::AttrPath;
use crate::scim::resource::{self, Resource};
use crate::scim::schema::{Attribute, Kind, TypeSchema};
use crate::scim::value::{self, Instant};

impl Filter {
    /// Whether `resource`, of the type that `schema` defines, matches.
    #[must_use]
    pub fn matches(&self, resource: &Resource, schema: &TypeSchema) -> bool {
        Subject::Resource(resource, schema).matches(self)
    }
}

/// Whether an element of a multi-valued attribute matches the filter between the brackets of a
/// value path, whose paths are names of sub-attributes. `attribute` is the definition of the
/// multi-valued attribute, where there is one. An element that is not an object is its own
/// `value`.
#[must_use]
pub fn element_matches(filter: &Filter, element: &Value, attribute: Option<&Attribute>) -> bool {
    Subject::Element(element, attribute).matches(filter)
}

/// Whether a value is there at all: not null, and not empty.
#[must_use]
pub fn present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => elements.iter().any(present),
        Value::Object(members) => members.values().any(present),
    }
}

/// What a filter is asked about.
#[derive(Clone, Copy)]
enum Subject<'a> {
    Resource(&'a Resource, &'a TypeSchema),
    Element(&'a Value, Option<&'a Attribute>),
}

impl<'a> Subject<'a> {
    fn matches(self, filter: &Filter) -> bool {
        match filter {
            Filter::And(parts) => parts.iter().all(|part| self.matches(part)),
            Filter::Or(parts) => parts.iter().any(|part| self.matches(part)),
            Filter::Not(inner) => !self.matches(inner),
            Filter::Present(path) => self.values(path).into_iter().any(present),
            Filter::Element(path, inner) => {
                let attribute = self.definition(path);
                let mut elements = self.values(path).into_iter();
                elements.any(|element| element_matches(inner, element, attribute))
            }
            Filter::Compare(comparison) => self.compares(comparison),
        }
    }

    fn compares(self, comparison: &Comparison) -> bool {
        let value_name = AttrName::known("value");
        let definition = self
            .definition(&comparison.path)
            .and_then(Attribute::compared);
        let values = self.values(&comparison.path);
        let mut scalars = values
            .into_iter()
            .filter_map(|value| part(value, &value_name))
            .filter(|value| !value.is_null())
            .peekable();
        match (comparison.op, &comparison.value) {
            (CompareOp::Eq, Value::Null) => scalars.peek().is_none(),
            (CompareOp::Ne, Value::Null) => scalars.peek().is_some(),
            (CompareOp::Ne, _) if scalars.peek().is_none() => true,
            (op, wanted) => scalars.any(|value| holds(value, op, wanted, definition)),
        }
    }

    /// The values that a path leads to, elements of arrays one by one.
    fn values(self, path: &AttrPath) -> Vec<&'a Value> {
        let found = match self {
            Self::Resource(resource, _) => match &path.uri {
                Some(uri) => resource
                    .extension(uri)
                    .and_then(|members| resource::get(members, path.name.as_str())),
                None => resource.get(&path.name),
            },
            Self::Element(element, _) => part(element, &path.name),
        };
        let elements = match found {
            Some(Value::Array(elements)) => elements.iter().collect(),
            Some(value) => vec![value],
            None => Vec::new(),
        };
        match &path.sub {
            None => elements,
            Some(sub) => elements
                .into_iter()
                .filter_map(|element| part(element, sub))
                .flat_map(|value| match value {
                    Value::Array(values) => values.iter().collect(),
                    value => vec![value],
                })
                .collect(),
        }
    }

    fn definition(self, path: &AttrPath) -> Option<&'a Attribute> {
        match self {
            Self::Resource(_, schema) => schema.find(path),
            Self::Element(_, attribute) => attribute?.sub(&path.name),
        }
    }
}

/// A sub-attribute of an element; an element that is not an object is its own `value`.
fn part<'a>(element: &'a Value, name: &AttrName) -> Option<&'a Value> {
    match element {
        Value::Object(members) => resource::get(members, name.as_str()),
        other => name.is("value").then_some(other),
    }
}

fn holds(value: &Value, op: CompareOp, wanted: &Value, definition: Option<&Attribute>) -> bool {
    let exact = definition.is_some_and(|attribute| attribute.case_exact);
    let order = match definition.map(|attribute| attribute.kind) {
        Some(Kind::DateTime) => order_times(value, wanted),
        _ => None,
    };
    let order = || order.or_else(|| value::order(value, wanted, exact));
    let text = |test: fn(&str, &str) -> bool| match (value.as_str(), wanted.as_str()) {
        (Some(a), Some(b)) if exact => test(a, b),
        (Some(a), Some(b)) => test(&folded(a), &folded(b)),
        _ => false,
    };
    match op {
        CompareOp::Eq => order() == Some(Ordering::Equal),
        CompareOp::Ne => order() != Some(Ordering::Equal),
        CompareOp::Gt => order() == Some(Ordering::Greater),
        CompareOp::Ge => order().is_some_and(Ordering::is_ge),
        CompareOp::Lt => order() == Some(Ordering::Less),
        CompareOp::Le => order().is_some_and(Ordering::is_le),
        CompareOp::Co => text(|a, b| a.contains(b)),
        CompareOp::Sw => text(|a, b| a.starts_with(b)),
        CompareOp::Ew => text(|a, b| a.ends_with(b)),
    }
}

fn order_times(a: &Value, b: &Value) -> Option<Ordering> {
    let (a, b) = (Instant::parse(a.as_str()?)?, Instant::parse(b.as_str()?)?);
    Some(a.cmp(&b))
}

fn folded(text: &str) -> String {
    value::fold(text).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scim::accent::Accents;
    use crate::scim::{parse, schema};

    fn barbara() -> Resource {
        let value = json!({
            "schemas": [schema::USER, schema::ENTERPRISE_USER],
            "id": "2819c223",
            "userName": "bJensen@Example.com",
            "nickName": "",
            "title": null,
            "ims": [],
            "name": {"familyName": "Jensen", "givenName": "Ärgün"},
            "active": false,
            "emails": [
                {"value": "bjensen@example.com", "type": "work", "primary": true},
                {"value": "babs@jensen.org", "type": "home"}
            ],
            "roles": ["admin", "user"],
            "badge": 41,
            "meta": {"lastModified": "2011-05-13T04:42:34Z", "resourceType": "User"},
            schema::ENTERPRISE_USER: {"department": "Tour Operations", "manager": {"value": "26118915"}}
        });
        Resource::from(value.as_object().unwrap().clone())
    }

    fn matches(text: &str) -> bool {
        let mut accents = Accents::accepted();
        let user = schema::user();
        let filter = parse::filter(text, &user, &mut accents).unwrap();
        filter.matches(&barbara(), &user)
    }

    #[test]
    fn filters_that_match() {
        for text in [
            "userName eq \"BJENSEN@example.COM\"",
            "userName ne \"x\"",
            "userName co \"JENSEN\"",
            "userName sw \"bj\"",
            "userName ew \".COM\"",
            "name.givenName eq \"äRGÜN\"",
            "id eq \"2819c223\"",
            "active eq false",
            "active pr",
            "emails co \"jensen.org\"",
            "emails.type eq \"home\"",
            "emails ne \"babs@jensen.org\"",
            "emails[type eq \"home\" and value ew \".org\"]",
            "emails[type eq \"work\"].value eq \"bjensen@example.com\"",
            "emails[not (primary eq true)]",
            "emails[primary eq null]",
            "roles eq \"USER\"",
            "roles[value eq \"admin\"]",
            "roles.value eq \"admin\"",
            "badge eq 41.0 and badge gt 4e1 and badge le 41",
            "title eq null",
            "ims eq null and photos eq null and not (ims pr)",
            "title ne \"x\" and photos ne \"x\"",
            "userName ne null",
            "not (nickName pr) and nickName eq \"\"",
            "meta.lastModified eq \"2011-05-13T06:42:34.000+02:00\"",
            "meta.lastModified gt \"2011-05-13T04:42:33.999Z\"",
            "meta.lastModified lt \"2011-05-13T04:42:34.1Z\"",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department sw \"tour\"",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq \"26118915\"",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value pr",
            "schemas eq \"urn:ietf:params:scim:schemas:core:2.0:User\"",
            "name pr and emails pr",
            "userName eq \"x\" or active eq \"False\" and id pr",
        ] {
            assert!(matches(text), "{text}");
            assert!(!matches(&format!("not ({text})")), "not ({text})");
        }
    }

    #[test]
    fn filters_that_do_not() {
        for text in [
            "id eq \"2819C223\"",
            "userName eq null",
            "nickName eq null",
            "title pr",
            "title eq \"x\"",
            "title co \"\"",
            "department pr",
            "active eq \"no\"",
            "active co \"a\"",
            "badge eq \"41\"",
            "badge gt \"1\"",
            "badge co \"4\"",
            "emails[type eq \"home\" and value ew \".com\"]",
            "name.middleName pr",
            "urn:acme:2.0:User:badge pr",
            "meta.lastModified lt \"2011-05-13T06:42:34+02:00\"",
            "(userName eq \"x\" or active eq false) and title pr",
        ] {
            assert!(!matches(text), "{text}");
        }
    }

    #[test]
    fn elements_match_with_and_without_a_definition() {
        let user = schema::user();
        let mut accents = Accents::accepted();
        let path = parse::patch_path(
            "groups[value eq \"Abc\" and display sw \"ADM\"]",
            &user,
            &mut accents,
        );
        let crate::scim::PatchPath::Attribute {
            filter: Some(filter),
            name,
            ..
        } = path.unwrap()
        else {
            panic!("no filter")
        };
        let groups = user.find(&AttrPath::of(name));
        let admins = json!({"VALUE": "Abc", "display": "admins"});
        let others = json!({"value": "abc", "display": "admins"});
        assert!(element_matches(&filter, &admins, groups));
        assert!(!element_matches(&filter, &others, groups));
        assert!(element_matches(&filter, &others, None));
    }
}
