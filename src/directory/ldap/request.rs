//! What a client says (RFC 4511 §4.2 to §4.12), and its bytes.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::control::Control;
use crate::ldap::ber::{BOOLEAN, ENUMERATED, INTEGER, OCTETS, SEQUENCE, SET, Writer};
use crate::ldap::dn::{Dn, Rdn};
use crate::ldap::filter::Filter;
use crate::net::secret::Secret;

/// One operation of the protocol.
#[derive(Debug, Clone)]
pub enum Request {
    /// Says who we are, by name and password.
    BindSimple {
        /// The name.
        dn: Dn,
        /// The password.
        password: Secret,
    },
    /// Says that we are whom the certificate, or the socket's other end, shows.
    BindExternal,
    /// Goodbye. Nothing answers.
    Unbind,
    /// Asks for entries.
    Search(Search),
    /// Makes, changes or removes an entry.
    Write(Write),
    /// Whether an entry has a value.
    Compare {
        /// The entry.
        dn: Dn,
        /// The attribute.
        attribute: Arc<str>,
        /// The value.
        value: Bytes,
    },
    /// Gives an operation up, by the id of its message. Nothing answers.
    Abandon(i32),
    /// Something beyond the protocol, by its oid.
    Extended {
        /// Which.
        oid: &'static str,
        /// What for.
        value: Option<Bytes>,
    },
}

/// What changes a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Makes an entry.
    Add {
        /// Its name.
        dn: Dn,
        /// What it has; each attribute once, with at least one value.
        attributes: Vec<Attribute>,
    },
    /// Changes an entry, wholly or not at all.
    Modify {
        /// Which.
        dn: Dn,
        /// In this order.
        changes: Vec<Change>,
    },
    /// Removes an entry that has none below.
    Delete {
        /// Which.
        dn: Dn,
    },
    /// Gives an entry another name.
    Rename {
        /// Which.
        dn: Dn,
        /// Its own part of the name from now on.
        rdn: Rdn,
        /// Whether the values of the old part go.
        delete_old: bool,
        /// The entry below which it is from now on; where it was if `None`.
        above: Option<Dn>,
    },
}

/// An attribute with values.
#[derive(Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name, with options.
    pub name: Arc<str>,
    /// Its values.
    pub values: Vec<Bytes>,
}

/// One change of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Of what kind.
    pub kind: ChangeKind,
    /// The attribute, with the values that are added, removed or left.
    pub attribute: Attribute,
}

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Adds values.
    Add,
    /// Removes values; without any, the attribute.
    Delete,
    /// Sets all values; without any, removes the attribute if it is there.
    Replace,
    /// Adds to a number (RFC 4525).
    Increment,
}

/// Asks for entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Where to begin.
    pub base: Dn,
    /// How far to go.
    pub scope: Scope,
    /// Which.
    pub filter: Filter,
    /// What to tell of them: names, `*` for all of users, `+` for all operational ones; nothing
    /// but the entries' names where empty.
    pub attributes: Vec<Arc<str>>,
    /// At most so many; 0: as many as the server gives.
    pub size_limit: u32,
    /// In at most so many seconds; 0: in as many as the server likes.
    pub time_limit: u32,
}

/// How far a search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The entry itself.
    Base,
    /// Those right below it.
    One,
    /// It and all below it.
    Sub,
}

impl Request {
    /// The bytes of the message.
    #[must_use]
    pub fn encode(&self, id: i32, controls: &[Control]) -> Vec<u8> {
        let mut out = Writer::new();
        out.nested(SEQUENCE, |out| {
            out.integer(INTEGER, i64::from(id));
            self.encode_operation(out);
            if !controls.is_empty() {
                out.nested(0xa0, |out| {
                    for control in controls {
                        control.encode(out);
                    }
                });
            }
        });
        out.finish()
    }

    /// The tag that the last answer has; `None` where nothing answers.
    #[must_use]
    pub fn answered_by(&self) -> Option<u8> {
        match self {
            Self::BindSimple { .. } | Self::BindExternal => Some(0x61),
            Self::Unbind | Self::Abandon(_) => None,
            Self::Search(_) => Some(0x65),
            Self::Write(Write::Modify { .. }) => Some(0x67),
            Self::Write(Write::Add { .. }) => Some(0x69),
            Self::Write(Write::Delete { .. }) => Some(0x6b),
            Self::Write(Write::Rename { .. }) => Some(0x6d),
            Self::Compare { .. } => Some(0x6f),
            Self::Extended { .. } => Some(0x78),
        }
    }

    /// Whether it may change the directory.
    #[must_use]
    pub fn writes(&self) -> bool {
        match self {
            Self::Write(_) => true,
            Self::Extended { oid, .. } => *oid == PASSWORD_MODIFY,
            Self::BindSimple { .. }
            | Self::BindExternal
            | Self::Unbind
            | Self::Search(_)
            | Self::Compare { .. }
            | Self::Abandon(_) => false,
        }
    }

    /// Asks for TLS on this connection.
    #[must_use]
    pub fn start_tls() -> Self {
        Self::Extended {
            oid: START_TLS,
            value: None,
        }
    }

    /// Asks who we are (RFC 4532).
    #[must_use]
    pub fn who_am_i() -> Self {
        Self::Extended {
            oid: WHO_AM_I,
            value: None,
        }
    }

    /// Sets a password (RFC 3062).
    #[must_use]
    pub fn password_modify(dn: &Dn, password: &Secret) -> Self {
        let mut out = Writer::new();
        out.nested(SEQUENCE, |out| {
            out.octets(0x80, dn.to_string().as_bytes());
            out.octets(0x82, password.expose().as_bytes());
        });
        Self::Extended {
            oid: PASSWORD_MODIFY,
            value: Some(out.finish().into()),
        }
    }

    fn encode_operation(&self, out: &mut Writer) {
        match self {
            Self::BindSimple { dn, password } => out.nested(0x60, |out| {
                out.integer(INTEGER, 3);
                out.octets(OCTETS, dn.to_string().as_bytes());
                out.octets(0x80, password.expose().as_bytes());
            }),
            Self::BindExternal => out.nested(0x60, |out| {
                out.integer(INTEGER, 3);
                out.octets(OCTETS, b"");
                out.nested(0xa3, |out| {
                    out.octets(OCTETS, b"EXTERNAL");
                    out.octets(OCTETS, b"");
                });
            }),
            Self::Unbind => out.octets(0x42, b""),
            Self::Search(search) => search.encode(out),
            Self::Write(write) => write.encode(out),
            Self::Compare {
                dn,
                attribute,
                value,
            } => out.nested(0x6e, |out| {
                out.octets(OCTETS, dn.to_string().as_bytes());
                out.nested(SEQUENCE, |out| {
                    out.octets(OCTETS, attribute.as_bytes());
                    out.octets(OCTETS, value);
                });
            }),
            Self::Abandon(id) => out.integer(0x50, i64::from(*id)),
            Self::Extended { oid, value } => out.nested(0x77, |out| {
                out.octets(0x80, oid.as_bytes());
                if let Some(value) = value {
                    out.octets(0x81, value);
                }
            }),
        }
    }
}

impl Write {
    /// The entry that it is about.
    #[must_use]
    pub fn dn(&self) -> &Dn {
        match self {
            Self::Add { dn, .. }
            | Self::Modify { dn, .. }
            | Self::Delete { dn }
            | Self::Rename { dn, .. } => dn,
        }
    }

    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Add { dn, attributes } => out.nested(0x68, |out| {
                out.octets(OCTETS, dn.to_string().as_bytes());
                out.nested(SEQUENCE, |out| {
                    attributes.iter().for_each(|one| one.encode(out));
                });
            }),
            Self::Modify { dn, changes } => out.nested(0x66, |out| {
                out.octets(OCTETS, dn.to_string().as_bytes());
                out.nested(SEQUENCE, |out| {
                    for change in changes {
                        out.nested(SEQUENCE, |out| {
                            out.integer(ENUMERATED, change.kind.number());
                            change.attribute.encode(out);
                        });
                    }
                });
            }),
            Self::Delete { dn } => out.octets(0x4a, dn.to_string().as_bytes()),
            Self::Rename {
                dn,
                rdn,
                delete_old,
                above,
            } => out.nested(0x6c, |out| {
                out.octets(OCTETS, dn.to_string().as_bytes());
                out.octets(OCTETS, rdn.to_string().as_bytes());
                out.boolean(BOOLEAN, *delete_old);
                if let Some(above) = above {
                    out.octets(0x80, above.to_string().as_bytes());
                }
            }),
        }
    }
}

impl Search {
    /// The entry `base` itself, with these attributes.
    #[must_use]
    pub fn entry(base: Dn, attributes: &[&str]) -> Self {
        Self {
            scope: Scope::Base,
            ..Self::below(base, Filter::everything(), attributes)
        }
    }

    /// Everything under `base` that the filter fits, with these attributes.
    #[must_use]
    pub fn below(base: Dn, filter: Filter, attributes: &[&str]) -> Self {
        Self {
            base,
            scope: Scope::Sub,
            filter,
            attributes: attributes.iter().map(|name| Arc::from(*name)).collect(),
            size_limit: 0,
            time_limit: 0,
        }
    }

    fn encode(&self, out: &mut Writer) {
        out.nested(0x63, |out| {
            out.octets(OCTETS, self.base.to_string().as_bytes());
            out.integer(ENUMERATED, self.scope.number());
            // Aliases are never followed: they lead out of a tenant's base.
            out.integer(ENUMERATED, 0);
            out.integer(INTEGER, limit(self.size_limit));
            out.integer(INTEGER, limit(self.time_limit));
            out.boolean(BOOLEAN, false);
            self.filter.encode(out);
            out.nested(SEQUENCE, |out| {
                if self.attributes.is_empty() {
                    // RFC 4511 §4.5.1.8: no list would mean all of them.
                    out.octets(OCTETS, b"1.1");
                }
                for name in &self.attributes {
                    out.octets(OCTETS, name.as_bytes());
                }
            });
        });
    }
}

impl Attribute {
    /// An attribute with one value.
    #[must_use]
    pub fn one(name: impl Into<Arc<str>>, value: impl Into<Bytes>) -> Self {
        Self {
            name: name.into(),
            values: vec![value.into()],
        }
    }

    /// An attribute with values.
    #[must_use]
    pub fn many<V: Into<Bytes>>(
        name: impl Into<Arc<str>>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        Self {
            name: name.into(),
            values: values.into_iter().map(Into::into).collect(),
        }
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        out.nested(SEQUENCE, |out| {
            out.octets(OCTETS, self.name.as_bytes());
            out.nested(SET, |out| {
                for value in &self.values {
                    out.octets(OCTETS, value);
                }
            });
        });
    }
}

impl Change {
    /// A change of this kind.
    #[must_use]
    pub fn new(kind: ChangeKind, attribute: Attribute) -> Self {
        Self { kind, attribute }
    }
}

impl ChangeKind {
    fn number(self) -> i64 {
        match self {
            Self::Add => 0,
            Self::Delete => 1,
            Self::Replace => 2,
            Self::Increment => 3,
        }
    }
}

impl Scope {
    fn number(self) -> i64 {
        match self {
            Self::Base => 0,
            Self::One => 1,
            Self::Sub => 2,
        }
    }
}

/// A value may be a password: how many there are is all that is shown.
impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ({} values)", self.name, self.values.len())
    }
}

/// The protocol has no more than 31 bits for it.
fn limit(number: u32) -> i64 {
    i64::from(number.min(0x7fff_ffff))
}

/// StartTLS (RFC 4511 §4.14).
pub const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
/// Who am I (RFC 4532).
pub const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";
/// Password modify (RFC 3062).
pub const PASSWORD_MODIFY: &str = "1.3.6.1.4.1.4203.1.11.1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_those_of_other_clients() {
        // As ldapsearch and ldapdelete of OpenLDAP send them.
        let search = Search {
            attributes: vec!["cn".into()],
            ..Search::entry("dc=x".parse().unwrap(), &[])
        };
        assert_eq!(
            Request::Search(search).encode(2, &[]),
            b"\x30\x2d\x02\x01\x02\x63\x28\x04\x04dc=x\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\x87\x0bobjectClass\x30\x04\x04\x02cn"
        );
        let delete = Write::Delete {
            dn: "dc=x".parse().unwrap(),
        };
        assert_eq!(
            Request::Write(delete).encode(3, &[]),
            b"\x30\x09\x02\x01\x03\x4a\x04dc=x"
        );
        assert_eq!(
            Request::Unbind.encode(4, &[]),
            b"\x30\x05\x02\x01\x04\x42\x00"
        );
        assert_eq!(
            Request::Abandon(300).encode(5, &[]),
            b"\x30\x07\x02\x01\x05\x50\x02\x01\x2c"
        );
    }

    #[test]
    fn a_search_without_attributes_asks_for_none() {
        let bytes = Request::Search(Search::entry(Dn::root(), &[])).encode(1, &[]);
        assert!(bytes.ends_with(b"\x30\x05\x04\x031.1"));
    }

    #[test]
    fn nothing_of_people_is_shown() {
        let dn: Dn = "uid=alice,dc=x".parse().unwrap();
        let password = Secret::new("hunter2".to_owned());
        let requests = [
            Request::BindSimple {
                dn: dn.clone(),
                password,
            },
            Request::Write(Write::Add {
                dn: dn.clone(),
                attributes: vec![Attribute::one("sn", "alice")],
            }),
            Request::Search(Search::below(dn, Filter::equal("uid", "alice"), &["sn"])),
        ];
        let shown = format!("{requests:?}");
        assert!(
            !shown.contains("alice") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
