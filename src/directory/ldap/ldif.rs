//! Entries and operations as LDIF (RFC 2849), as `ldapmodify` takes it. Values of secret attributes
//! are left out: who prints says which those are. What would carry one is a comment, so that nobody
//! sets a password to the text that stands for it.

mod read;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::control::Control;
use super::request::{Attribute, Change, ChangeKind, Write};
use super::response::Entry;
use crate::ldap::dn::Dn;

pub use read::{LdifError, entries};

/// Prints LDIF.
///
/// ```
/// use postern::directory::ldap::{Attribute, Write, ldif::Ldif};
/// let add = Write::Add {
///     dn: "uid=alice,dc=example".parse().unwrap(),
///     attributes: vec![Attribute::one("sn", "Åse"), Attribute::one("userPassword", "x")],
/// };
/// let text = Ldif::hiding(|name| name.eq_ignore_ascii_case("userPassword")).write(&add, &[]);
/// assert_eq!(text, "\
/// dn: uid=alice,dc=example
/// changetype: add
/// sn:: w4VzZQ==
/// ## userPassword: (secret, 1 characters)
/// ");
/// ```
pub struct Ldif<F> {
    secret: F,
}

impl<F: Fn(&str) -> bool> Ldif<F> {
    /// Prints no value of attributes for which `secret` is true; it is asked for their names
    /// without options.
    pub fn hiding(secret: F) -> Self {
        Self { secret }
    }

    /// An entry.
    #[must_use]
    pub fn entry(&self, entry: &Entry) -> String {
        let mut out = String::new();
        line(&mut out, "dn", entry.dn.as_bytes());
        for attribute in &entry.attributes {
            self.attribute(&mut out, attribute);
        }
        out
    }

    /// A change, with what is asked for beside it. Where nothing but secrets would change, all of it
    /// is a comment; so are all controls but the first, since OpenLDAP's `ldapmodify` takes no more.
    #[must_use]
    pub fn write(&self, write: &Write, controls: &[Control]) -> String {
        let mut out = String::new();
        line(&mut out, "dn", write.dn().to_string().as_bytes());
        for (index, control) in controls.iter().enumerate() {
            let critical = if control.critical { " true" } else { "" };
            let mut text = format!("control: {}{critical}", control.oid);
            if let Some(value) = &control.value {
                // It is BER: the base64 form, whatever it holds.
                text += &format!(":: {}", BASE64_STANDARD.encode(value));
            }
            if index == 0 {
                fold(&mut out, &text);
            } else {
                out.push_str(&comment(&text));
            }
        }
        match write {
            Write::Add { attributes, .. } => {
                out.push_str("changetype: add\n");
                for attribute in attributes {
                    self.attribute(&mut out, attribute);
                }
            }
            Write::Delete { .. } => out.push_str("changetype: delete\n"),
            Write::Modify { changes, .. } => {
                out.push_str("changetype: modify\n");
                for change in changes {
                    self.change(&mut out, change);
                }
                if changes.iter().all(|change| self.hides(&change.attribute)) {
                    return comment(&out);
                }
            }
            Write::Rename {
                rdn,
                delete_old,
                above,
                ..
            } => {
                out.push_str("changetype: modrdn\n");
                line(&mut out, "newrdn", rdn.to_string().as_bytes());
                out.push_str(if *delete_old {
                    "deleteoldrdn: 1\n"
                } else {
                    "deleteoldrdn: 0\n"
                });
                if let Some(above) = above.as_ref().map(Dn::to_string) {
                    line(&mut out, "newsuperior", above.as_bytes());
                }
            }
        }
        out
    }

    fn change(&self, out: &mut String, change: &Change) {
        let kind = match change.kind {
            ChangeKind::Add => "add",
            ChangeKind::Delete => "delete",
            ChangeKind::Replace => "replace",
            ChangeKind::Increment => "increment",
        };
        let mut own = String::new();
        line(&mut own, kind, change.attribute.name.as_bytes());
        self.attribute(&mut own, &change.attribute);
        own.push_str("-\n");
        if self.hides(&change.attribute) {
            own = comment(&own);
        }
        out.push_str(&own);
    }

    fn attribute(&self, out: &mut String, attribute: &Attribute) {
        let hidden = self.hides(attribute);
        for value in &attribute.values {
            if hidden {
                let name = &attribute.name;
                let length = characters(value);
                out.push_str(&format!("# {name}: (secret, {length} characters)\n"));
            } else {
                line(out, &attribute.name, value);
            }
        }
    }

    /// Whether values would be left out.
    fn hides(&self, attribute: &Attribute) -> bool {
        let name = crate::ldap::attribute::base(&attribute.name);
        !attribute.values.is_empty() && (self.secret)(name)
    }
}

/// Every line as a comment, those that are one already as they are.
#[must_use]
pub fn comment(text: &str) -> String {
    // What goes on in the next line would be no comment there.
    let whole = text.replace("\n ", "");
    let lines = whole.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) => format!("#{rest}\n"),
        None => format!("# {line}\n"),
    });
    lines.collect()
}

/// How many characters a secret has: a text, or one of Active Directory's `unicodePwd`.
fn characters(value: &[u8]) -> usize {
    let units = value.chunks_exact(2).map(|pair| match pair {
        [low, high] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    });
    let units: Vec<u16> = units.collect();
    if let [0x22, inner @ .., 0x22] = units.as_slice()
        && value.len() == units.len() * 2
    {
        return char::decode_utf16(inner.iter().copied()).count();
    }
    let text = std::str::from_utf8(value);
    text.map_or(value.len(), |text| text.chars().count())
}

/// A line, in base64 where its value is not safe as it is.
fn line(out: &mut String, name: &str, value: &[u8]) {
    match std::str::from_utf8(value) {
        Ok("") => fold(out, &format!("{name}:")),
        Ok(text) if is_safe(text) => fold(out, &format!("{name}: {text}")),
        _ => fold(out, &format!("{name}:: {}", BASE64_STANDARD.encode(value))),
    }
}

/// `SAFE-STRING`, and no space at the end, which nobody would see.
fn is_safe(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
        && !text.starts_with([' ', ':', '<'])
        && !text.ends_with(' ')
}

/// Lines of at most 76 characters, the further ones with a space ahead.
fn fold(out: &mut String, line: &str) {
    let mut column = 0;
    for c in line.chars() {
        if column == 76 {
            out.push_str("\n ");
            column = 1;
        }
        out.push(c);
        column += 1;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ldif() -> Ldif<impl Fn(&str) -> bool> {
        Ldif::hiding(|name| name == "userPassword")
    }

    #[test]
    fn values_that_are_not_safe_are_in_base64() {
        let entry = Entry {
            dn: "cn=ä,dc=x".into(),
            attributes: vec![
                Attribute::many(
                    "cn",
                    [
                        &b"plain"[..],
                        b" a",
                        b"a ",
                        b":a",
                        b"<a",
                        b"",
                        b"a\nb",
                        b"\xff",
                    ],
                ),
                Attribute::one("userPassword;x-y", "hunter2"),
            ],
        };
        assert_eq!(
            ldif().entry(&entry),
            "dn:: Y249w6QsZGM9eA==\n\
             cn: plain\n\
             cn:: IGE=\n\
             cn:: YSA=\n\
             cn:: OmE=\n\
             cn:: PGE=\n\
             cn:\n\
             cn:: YQpi\n\
             cn:: /w==\n\
             # userPassword;x-y: (secret, 7 characters)\n"
        );
    }

    #[test]
    fn changes_of_every_kind() {
        let dn: Dn = "uid=a,dc=x".parse().unwrap();
        let modify = Write::Modify {
            dn: dn.clone(),
            changes: vec![
                Change::new(ChangeKind::Replace, Attribute::one("sn", "b")),
                Change::new(
                    ChangeKind::Delete,
                    Attribute::many("title", Vec::<bytes::Bytes>::new()),
                ),
            ],
        };
        assert_eq!(
            ldif().write(&modify, &[Control::permissive(), Control::paged(1, b"")]),
            "dn: uid=a,dc=x\n\
             control: 1.2.840.113556.1.4.1413 true\n\
             # control: 1.2.840.113556.1.4.319 true:: MAUCAQEEAA==\n\
             changetype: modify\n\
             replace: sn\n\
             sn: b\n\
             -\n\
             delete: title\n\
             -\n"
        );
        let rename = Write::Rename {
            rdn: dn.child("uid", "b").unwrap().rdn().unwrap().clone(),
            dn: dn.clone(),
            delete_old: true,
            above: Some("ou=y".parse().unwrap()),
        };
        assert_eq!(
            ldif().write(&rename, &[]),
            "dn: uid=a,dc=x\nchangetype: modrdn\nnewrdn: uid=b\ndeleteoldrdn: 1\nnewsuperior: ou=y\n"
        );
        assert_eq!(
            ldif().write(&Write::Delete { dn }, &[]),
            "dn: uid=a,dc=x\nchangetype: delete\n"
        );
    }

    #[test]
    fn what_carries_a_secret_is_a_comment() {
        let dn: Dn = "uid=a,dc=x".parse().unwrap();
        let replace = |name: &str, value: Vec<u8>| {
            Change::new(ChangeKind::Replace, Attribute::one(name, value))
        };
        let secret = replace("userPassword", "hunt\u{e9}r2".into());
        let both = Write::Modify {
            dn: dn.clone(),
            changes: vec![secret.clone(), replace("sn", b"b".to_vec())],
        };
        let hidden = "# replace: userPassword\n# userPassword: (secret, 7 characters)\n# -\n";
        assert_eq!(
            ldif().write(&both, &[]),
            format!("dn: uid=a,dc=x\nchangetype: modify\n{hidden}replace: sn\nsn: b\n-\n")
        );
        let alone = Write::Modify {
            dn: dn.clone(),
            changes: vec![secret],
        };
        assert_eq!(
            ldif().write(&alone, &[]),
            format!("# dn: uid=a,dc=x\n# changetype: modify\n{hidden}")
        );
        let gone = Attribute::many("userPassword", Vec::<bytes::Bytes>::new());
        let gone = Write::Modify {
            dn,
            changes: vec![Change::new(ChangeKind::Delete, gone)],
        };
        assert!(
            ldif()
                .write(&gone, &[])
                .ends_with("\ndelete: userPassword\n-\n")
        );
        let wide = crate::ldap::secret::unicode_pwd("a\u{1f600}");
        assert_eq!(characters(&wide), 2);
        assert_eq!(characters(b"\"\"\""), 3);
    }

    #[test]
    fn long_lines_are_folded() {
        let mut out = String::new();
        line(&mut out, "cn", "x".repeat(200).as_bytes());
        assert!(out.lines().all(|line| line.len() <= 76), "{out}");
        assert_eq!(out.replace("\n ", ""), format!("cn: {}\n", "x".repeat(200)));
    }
}
