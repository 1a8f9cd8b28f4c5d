//! Most documents have no accent at all: a look tells so, and nothing needs to be made anew.

use crate::scim::json::{Members, Node, Sort};
use crate::scim::name::AttrName;
use crate::scim::schema::{Attribute, Kind, Mutability, Schema, TypeSchema};

/// Whether `accent::document` would leave this as it is, but for `$ref`, and without anything to
/// note. A no may be wrong, a yes never is.
#[must_use]
pub fn is_plain(document: &mut Members<'_>, schema: &TypeSchema) -> bool {
    document.iter_mut().all(|(name, value)| {
        let mut extensions = schema.extensions.iter();
        match extensions.find(|extension| extension.id.is(name)) {
            Some(extension) => {
                name == extension.id.as_str()
                    && value.object().is_some_and(|members| {
                        !members.is_empty()
                            && members
                                .iter_mut()
                                .all(|(name, value)| in_extension(name, value, extension))
                    })
            }
            None => in_base(name, value, schema),
        }
    })
}

fn in_base(name: &str, value: &mut Node<'_>, schema: &TypeSchema) -> bool {
    if name.eq_ignore_ascii_case("schemas") {
        return value.array().is_some_and(|uris| {
            let known = |text: &str| schema.uris().any(|uri| uri.is(text));
            uris.iter()
                .all(|uri| uri.as_str().is_some_and(|text| known(&text)))
        });
    }
    if says_nothing(value) || !AttrName::fits(name) {
        return false;
    }
    match schema.named(name) {
        Some(known) => attribute(known, value),
        // It may be the enterprise extension's.
        None => !name.eq_ignore_ascii_case("manager"),
    }
}

fn in_extension(name: &str, value: &mut Node<'_>, extension: &Schema) -> bool {
    if says_nothing(value) || !AttrName::fits(name) {
        return false;
    }
    let mut attributes = extension.attributes.iter();
    match attributes.find(|attribute| attribute.name.is(name)) {
        Some(known) => attribute(known, value),
        None => true,
    }
}

fn attribute(known: &Attribute, value: &mut Node<'_>) -> bool {
    if known.mutability == Mutability::ReadOnly {
        return true;
    }
    whole(known, value)
}

fn whole(known: &Attribute, value: &mut Node<'_>) -> bool {
    if known.multi_valued {
        value
            .array()
            .is_some_and(|items| items.iter_mut().all(|item| one(known, item)))
    } else {
        one(known, value)
    }
}

fn one(known: &Attribute, value: &mut Node<'_>) -> bool {
    if says_nothing(value) {
        return false;
    }
    if known.kind != Kind::Complex {
        return match value.sort() {
            Sort::Object | Sort::Array => false,
            Sort::String => known.kind != Kind::Boolean,
            Sort::Null | Sort::Bool | Sort::Number => true,
        };
    }
    value.object().is_some_and(|parts| {
        // `$ref` is dropped without a word, and whoever is left with nothing is looked at closer.
        let is_ref = |name: &str| name.eq_ignore_ascii_case("$ref");
        parts.iter().any(|(name, _)| !is_ref(name))
            && parts.iter_mut().all(|(name, value)| {
                let plain = |value| known.sub_named(name).is_none_or(|sub| whole(sub, value));
                is_ref(name) || (!says_nothing(value) && plain(value))
            })
    })
}

/// Null, or empty of whatever kind.
fn says_nothing(value: &Node<'_>) -> bool {
    value.is_absent() || value.as_str().is_some_and(|text| text.is_empty())
}
