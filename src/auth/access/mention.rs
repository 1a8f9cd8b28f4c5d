//! What may be meant by an attribute that a built-in type does not have.

use crate::scim::AttrPath;
use crate::scim::schema::TypeSchema;
use crate::yaml::suggest;

/// The attribute of the type that is most likely meant.
pub(super) fn meant(schema: &TypeSchema, path: &AttrPath) -> Option<String> {
    // The name alone, of what stands in an extension.
    for extension in &schema.extensions {
        let within = AttrPath {
            uri: Some(extension.id.clone()),
            ..path.clone()
        };
        if schema.find(&within).is_some() {
            return Some(within.to_string());
        }
    }
    let names = crate::auth::mentions::names(schema);
    suggest(&path.to_string(), names.iter().map(String::as_str)).map(str::to_owned)
}
