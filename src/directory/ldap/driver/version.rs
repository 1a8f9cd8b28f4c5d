//! Versions of entries as entity tags: what the server keeps, or a hash of what was read where it
//! keeps nothing that a write can be held to.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::home::Home;
use crate::directory::ldap::{Control, Entry, Filter};
use crate::scim::operation::{Precondition, Projection};

impl Home {
    /// The version of an entry of which so much was read.
    pub(super) fn etag(&self, entry: &Entry, read: &Projection) -> Option<String> {
        let Some(kept) = self.stamps().version else {
            // Of a part of an entry only the version of that part could be told.
            return (*read == Projection::All).then(|| hashed(entry, &self.wanted(read)))?;
        };
        let version = entry.text(kept)?;
        let plain = |c: char| c.is_ascii_graphic() && c != '"';
        if !version.chars().all(plain) {
            return None;
        }
        if !self.stamps().is_own {
            return Some(format!("W/\"{version}\""));
        }
        // What another server counted is another version.
        let mut digits = digits(&Sha256::digest(self.server()?));
        digits.truncate(8);
        Some(format!("W/\"{digits}-{version}\""))
    }

    /// What of an entry must be read to know its version.
    pub(super) fn version_names(&self) -> Vec<Arc<str>> {
        match self.stamps().version {
            Some(kept) => vec![self.place.id.as_str().into(), kept.into()],
            None => self.wanted(&Projection::All),
        }
    }

    /// What holds a write to the versions that a client names, where the server does that.
    pub(super) fn held_to(&self, precondition: &Precondition) -> Option<Control> {
        let version = self.stamps().version?;
        let tags = named(precondition)?;
        let parts = tags
            .filter_map(opaque)
            .map(|text| Filter::equal(version, text.to_owned()));
        Some(Control::assertion(&Filter::Or(parts.collect())))
    }

    /// Whether an entry, read whole where its version is a hash, has one of the versions that a
    /// client names.
    pub(super) fn has_version(&self, entry: &Entry, precondition: &Precondition) -> bool {
        let Some(mut tags) = named(precondition) else {
            return true;
        };
        let own = self.etag(entry, &Projection::All);
        let own = own.as_deref().and_then(opaque);
        own.is_some() && tags.any(|tag| opaque(tag) == own)
    }
}

/// Whether a client names a version; `*` only says that there must be some.
pub(super) fn names_one(precondition: &Precondition) -> bool {
    named(precondition).is_some()
}

fn named(precondition: &Precondition) -> Option<impl Iterator<Item = &str>> {
    let tags = precondition.if_match.as_ref()?;
    let any = tags.iter().any(|tag| tag == "*");
    (!any).then(|| tags.iter().map(String::as_str))
}

fn opaque(tag: &str) -> Option<&str> {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    tag.strip_prefix('"')?.strip_suffix('"')
}

/// The same for the same values of these attributes, in whatever order a server gives them.
fn hashed(entry: &Entry, names: &[Arc<str>]) -> Option<String> {
    let mut lines: Vec<(String, &[u8])> = Vec::new();
    for attribute in &entry.attributes {
        let name = attribute.name.to_ascii_lowercase();
        let plain = name.split(';').next().unwrap_or_default();
        if !names.iter().any(|own| own.eq_ignore_ascii_case(plain)) {
            continue;
        }
        if name.contains(";range=") && !name.ends_with("-*") {
            // The other values are not here.
            return None;
        }
        lines.extend(attribute.values.iter().map(|v| (name.clone(), &**v)));
    }
    lines.sort_unstable();
    let mut hash = Sha256::new();
    for (name, value) in lines {
        for part in [name.as_bytes(), value] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
    }
    let mut digits = digits(&hash.finalize());
    digits.truncate(24);
    Some(format!("W/\"{digits}\""))
}

fn digits(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::ldap::Attribute;

    fn entry(attributes: &[(&str, &[&str])]) -> Entry {
        let attributes = attributes.iter();
        Entry {
            dn: "uid=a,dc=x".to_owned(),
            attributes: attributes
                .map(|(name, values)| {
                    Attribute::many(*name, values.iter().map(|v| (*v).to_owned()))
                })
                .collect(),
        }
    }

    #[test]
    fn a_hash_knows_values_and_not_their_order() {
        let names = ["cn", "SN", "member"].map(Arc::from);
        let hashed = |entry: &Entry| hashed(entry, &names);
        let one = hashed(&entry(&[("cn", &["a", "b"]), ("sn", &["c"])]));
        assert_eq!(one, hashed(&entry(&[("SN", &["c"]), ("cn", &["b", "a"])])));
        for other in [
            entry(&[("cn", &["a"]), ("sn", &["c"])]),
            entry(&[("cn", &["a", "bc"]), ("sn", &[])]),
            entry(&[("cn", &["ab"]), ("sn", &["c"])]),
        ] {
            assert_ne!(one, hashed(&other));
        }
        assert_eq!(hashed(&entry(&[("member;range=0-1499", &["a"])])), None);
        // What was read for another reason is no part of it.
        let more = entry(&[("cn", &["a", "b"]), ("sn", &["c"]), ("ou", &["d"])]);
        assert_eq!(one, hashed(&more));
    }

    #[test]
    fn any_version_will_do_where_none_is_named() {
        let tags = |tags: &[&str]| Precondition {
            if_match: Some(tags.iter().map(|tag| (*tag).to_owned()).collect()),
            if_none_match: None,
        };
        assert!(!names_one(&tags(&["*"])) && !names_one(&Precondition::default()));
        assert!(names_one(&tags(&["W/\"a\""])));
        assert_eq!(opaque("W/\"a\""), Some("a"));
        assert_eq!(opaque("a"), None);
    }
}
