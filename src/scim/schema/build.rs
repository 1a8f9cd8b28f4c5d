//! Making definitions: builder methods for attributes, and copies of schemas that hold only a part.

use std::sync::Arc;

use super::{Attribute, Kind, Mutability, Returned, Schema, TypeSchema, Uniqueness};
use crate::scim::name::{AttrName, SchemaUri};
use crate::scim::path::AttrPath;

impl Attribute {
    /// A single-valued optional attribute that can be read and written. References and binaries
    /// are compared with case (RFC 7643 §2.3.6, §2.3.7), strings without.
    #[must_use]
    pub fn new(name: AttrName, kind: Kind) -> Self {
        Self {
            name,
            kind,
            multi_valued: false,
            description: String::new(),
            required: false,
            case_exact: matches!(kind, Kind::Reference | Kind::Binary),
            mutability: Mutability::ReadWrite,
            returned: Returned::Default,
            uniqueness: Uniqueness::None,
            canonical_values: Vec::new(),
            reference_types: Vec::new(),
            sub_attributes: Vec::new(),
        }
    }

    /// The same with a description.
    #[must_use]
    pub fn described(self, description: &str) -> Self {
        Self {
            description: description.to_owned(),
            ..self
        }
    }

    /// The same, holding several values.
    #[must_use]
    pub fn many(self) -> Self {
        Self {
            multi_valued: true,
            ..self
        }
    }

    /// The same, required.
    #[must_use]
    pub fn required(self) -> Self {
        Self {
            required: true,
            ..self
        }
    }

    /// The same, compared with case.
    #[must_use]
    pub fn exact(self) -> Self {
        Self {
            case_exact: true,
            ..self
        }
    }

    /// The same with a mutability.
    #[must_use]
    pub fn mutable(self, mutability: Mutability) -> Self {
        Self { mutability, ..self }
    }

    /// The same, read-only, sub-attributes included.
    #[must_use]
    pub fn read_only(self) -> Self {
        Self {
            mutability: Mutability::ReadOnly,
            sub_attributes: self
                .sub_attributes
                .into_iter()
                .map(Self::read_only)
                .collect(),
            ..self
        }
    }

    /// The same, returned at other times.
    #[must_use]
    pub fn returned(self, returned: Returned) -> Self {
        Self { returned, ..self }
    }

    /// The same with a uniqueness.
    #[must_use]
    pub fn unique(self, uniqueness: Uniqueness) -> Self {
        Self { uniqueness, ..self }
    }

    /// The same with its usual values.
    #[must_use]
    pub fn canonical(self, values: &[&str]) -> Self {
        Self {
            canonical_values: values.iter().map(|&v| v.to_owned()).collect(),
            ..self
        }
    }

    /// The same, pointing to resource types, `external` or `uri`.
    #[must_use]
    pub fn pointing_to(self, types: &[&str]) -> Self {
        Self {
            reference_types: types.iter().map(|&t| t.to_owned()).collect(),
            ..self
        }
    }

    /// The same with sub-attributes.
    #[must_use]
    pub fn with(self, sub_attributes: Vec<Self>) -> Self {
        Self {
            sub_attributes,
            ..self
        }
    }
}

impl Schema {
    /// A schema.
    #[must_use]
    pub fn new(id: SchemaUri, name: &str, description: &str, attributes: Vec<Attribute>) -> Self {
        Self {
            id,
            name: name.to_owned(),
            description: description.to_owned(),
            attributes,
        }
    }

    /// A copy with those attributes and sub-attributes only that `keep` says yes to. It is asked
    /// about each sub-attribute of a complex attribute, which stays while any of them does, and
    /// about any other attribute as a whole (`None`).
    #[must_use]
    pub fn reduced(&self, keep: impl Fn(&AttrName, Option<&AttrName>) -> bool) -> Self {
        let reduce = |attribute: &Attribute| {
            if attribute.sub_attributes.is_empty() {
                return keep(&attribute.name, None).then(|| attribute.clone());
            }
            let left: Vec<_> = attribute
                .sub_attributes
                .iter()
                .filter(|sub| keep(&attribute.name, Some(&sub.name)))
                .cloned()
                .collect();
            (!left.is_empty()).then(|| attribute.clone().with(left))
        };
        Self {
            attributes: self.attributes.iter().filter_map(reduce).collect(),
            ..self.clone()
        }
    }
}

impl TypeSchema {
    /// A copy with those attributes only that `keep` says yes to, as [`Schema::reduced`] asks;
    /// an extension of which nothing is left goes.
    #[must_use]
    pub fn reduced(&self, keep: impl Fn(&AttrPath) -> bool) -> Self {
        let part = |schema: &Schema, uri: Option<&SchemaUri>| {
            Arc::new(schema.reduced(|name, sub| {
                keep(&AttrPath {
                    uri: uri.cloned(),
                    name: name.clone(),
                    sub: sub.cloned(),
                })
            }))
        };
        Self {
            base: part(&self.base, None),
            extensions: self
                .extensions
                .iter()
                .map(|extension| part(extension, Some(&extension.id)))
                .filter(|extension| !extension.attributes.is_empty())
                .collect(),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::scim::schema::user;

    #[test]
    fn a_reduced_type_has_what_was_kept_and_nothing_else() {
        let kept = ["userName", "name.familyName", "emails.value", "emails.type"];
        let small = user().reduced(|path| kept.contains(&path.to_string().as_str()));
        let names = |attributes: &[super::Attribute]| {
            attributes
                .iter()
                .map(|a| a.name.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(&small.base.attributes),
            ["userName", "name", "emails"]
        );
        assert_eq!(
            names(&small.base.attributes[1].sub_attributes),
            ["familyName"]
        );
        assert_eq!(
            names(&small.base.attributes[2].sub_attributes),
            ["value", "type"]
        );
        assert!(small.extensions.is_empty());

        let manager = user().reduced(|path| path.sub.as_ref().is_some_and(|s| s.is("$ref")));
        assert_eq!(names(&manager.base.attributes), ["groups"]);
        assert_eq!(names(&manager.extensions[0].attributes), ["manager"]);
    }
}
