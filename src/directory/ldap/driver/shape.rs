//! An entry as a resource in the directory's words.

use serde_json::{Map, Value, json};

use super::home::{Home, is_read, is_wanted};
use super::values;
use crate::directory::DirectoryError;
use crate::directory::ldap::Entry;
use crate::scim::Resource;
use crate::scim::operation::Projection;

/// A resource, and its version as an entity tag.
#[derive(Debug)]
pub(super) struct Shaped {
    pub(super) resource: Resource,
    pub(super) etag: Option<String>,
}

impl Home {
    /// The resource of an entry, of what was wanted; of references nothing: see [`super::references`].
    pub(super) fn shape(
        &self,
        entry: &Entry,
        projection: &Projection,
    ) -> Result<Shaped, DirectoryError> {
        let id = entry.values(self.place.id.as_str()).first();
        let id = id.and_then(|bytes| self.shown_id(bytes)).ok_or_else(|| {
            let text = format!("an entry has no usable {}", self.place.id.as_str());
            DirectoryError::Malformed(text)
        })?;
        let mut map = Map::new();
        for attribute in self.place.attributes.iter().filter(|a| is_read(a)) {
            let name = attribute.name.as_str();
            if attribute.reference.is_none()
                && is_wanted(projection, name)
                && let Some(value) = values::read(attribute, entry.values(name))
            {
                map.insert(name.to_owned(), value);
            }
        }
        map.insert(self.place.id.as_str().to_owned(), Value::String(id));
        // The rule knows what these say; a version only we know.
        let stamps = self.stamps();
        for name in [stamps.created, stamps.modified] {
            if let Some(text) = entry.text(name) {
                map.insert(name.to_owned(), Value::String(text.to_owned()));
            }
        }
        let etag = self.etag(entry, projection);
        if let Some(etag) = &etag {
            map.insert("meta".to_owned(), json!({"version": etag}));
        }
        Ok(Shaped {
            resource: map.into(),
            etag,
        })
    }
}
