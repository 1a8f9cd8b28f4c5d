//! Reads entries as LDIF (RFC 2849): what `ldapsearch -LLL` or `slapcat` print. Changes, and values
//! that stand elsewhere (`:<`), are not read.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;

use crate::directory::ldap::request::Attribute;
use crate::directory::ldap::response::Entry;
use crate::ldap::attribute::is_description;
use crate::ldap::dn::Dn;

/// What is wrong with a text, and at which line, from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct LdifError {
    /// The line.
    pub line: usize,
    /// What is wrong, and what would do.
    pub reason: String,
}

/// The entries of a text.
///
/// # Errors
/// The first mistake.
///
/// ```
/// use postern::directory::ldap::ldif::entries;
/// let text = "# people\ndn: uid=alice,dc=example\nuid: alice\nsn:: w4VzZQ==\n";
/// let all = entries(text).unwrap();
/// assert_eq!((all[0].text("uid"), all[0].text("SN")), (Some("alice"), Some("Åse")));
/// let error = entries("dn: uid=alice\nuid alice\n").unwrap_err();
/// assert_eq!(error.line, 2);
/// ```
pub fn entries(text: &str) -> Result<Vec<Entry>, LdifError> {
    let mut reading = Reading::default();
    for (line, text) in unfolded(text)? {
        reading.line(line, &text)?;
    }
    reading.close()?;
    Ok(reading.entries)
}

#[derive(Default)]
struct Reading {
    entries: Vec<Entry>,
    names: std::collections::HashSet<String>,
    /// The entry that is being read, and where it begins.
    open: Option<(usize, Entry)>,
    begun: bool,
}

impl Reading {
    fn line(&mut self, line: usize, text: &str) -> Result<(), LdifError> {
        let wrong = |reason: &str| LdifError {
            line,
            reason: reason.to_owned(),
        };
        if text.is_empty() {
            return self.close();
        }
        let (name, rest) = text
            .split_once(':')
            .ok_or_else(|| wrong("this is no `attribute: value`"))?;
        let value = value(rest).map_err(wrong)?;
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        if is("version") && !self.begun && self.open.is_none() {
            self.begun = true;
            return Ok(());
        }
        self.begun = true;
        let Some((_, entry)) = &mut self.open else {
            if !is("dn") {
                return Err(wrong(
                    "an entry begins with `dn: `; entries have an empty line between",
                ));
            }
            let text = std::str::from_utf8(&value).ok();
            let dn = text.and_then(|text| text.parse::<Dn>().ok());
            let dn = dn.ok_or_else(|| wrong("this is no distinguished name"))?;
            if !self.names.insert(dn.key()) {
                return Err(wrong("there is an entry of this name already"));
            }
            let entry = Entry {
                dn: dn.to_string(),
                attributes: Vec::new(),
            };
            self.open = Some((line, entry));
            return Ok(());
        };
        if is("dn") {
            return Err(wrong("an empty line is missing before the next entry"));
        }
        if is("changetype") || is("control") {
            return Err(wrong(
                "this is a change: entries are wanted, as `ldapsearch -LLL` prints them",
            ));
        }
        if !is_description(name) {
            return Err(wrong(
                "what stands before the colon is not the name of an attribute",
            ));
        }
        let known = entry.attributes.iter_mut();
        let mut known = known.filter(|one| one.name.eq_ignore_ascii_case(name));
        match known.next() {
            Some(attribute) => attribute.values.push(value),
            None => entry.attributes.push(Attribute::one(name, value)),
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), LdifError> {
        if let Some((line, entry)) = self.open.take() {
            if entry.attributes.is_empty() {
                return Err(LdifError {
                    line,
                    reason: "this entry has no attributes".to_owned(),
                });
            }
            self.entries.push(entry);
        }
        Ok(())
    }
}

/// What stands after the first colon.
fn value(rest: &str) -> Result<Bytes, &'static str> {
    if let Some(coded) = rest.strip_prefix(':') {
        let bytes = BASE64_STANDARD.decode(coded.trim());
        return bytes
            .map(Bytes::from)
            .map_err(|_| "what follows `::` is not base64");
    }
    if rest.starts_with('<') {
        return Err("a value that stands elsewhere (`:<`) is not read: write it as `:: base64`");
    }
    Ok(Bytes::copy_from_slice(
        rest.trim_start_matches(' ').as_bytes(),
    ))
}

/// Whole lines with the numbers of their first, without comments.
fn unfolded(text: &str) -> Result<Vec<(usize, String)>, LdifError> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut can_go_on = false;
    for (index, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let Some(more) = line.strip_prefix(' ') else {
            can_go_on = !line.is_empty();
            lines.push((index + 1, line.to_owned()));
            continue;
        };
        match lines.last_mut().filter(|_| can_go_on) {
            Some((_, before)) => before.push_str(more),
            None => {
                return Err(LdifError {
                    line: index + 1,
                    reason:
                        "a line that begins with a space goes on with the one before, and there \
                             is none"
                            .to_owned(),
                });
            }
        }
    }
    lines.retain(|(_, line)| !line.starts_with('#'));
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Ldif;
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, says) in [
            ("uid: a\n", 1, "begins with `dn: `"),
            ("version: 1\n\nuid: a\n", 3, "begins with `dn: `"),
            ("dn: nonsense\n", 1, "no distinguished name"),
            ("dn: uid=a\nuid\n", 2, "no `attribute: value`"),
            ("dn: uid=a\nuid:: $\n", 2, "not base64"),
            ("dn: uid=a\nphoto:< file:///x\n", 2, "stands elsewhere"),
            ("dn: uid=a\nu i d: a\n", 2, "not the name"),
            ("dn: uid=a\nuid: a\ndn: uid=b\n", 3, "empty line"),
            ("dn: uid=a\nchangetype: add\n", 2, "a change"),
            ("dn: uid=a\n\ndn: uid=b\nuid: b\n", 1, "no attributes"),
            (
                "dn: uid=a\nuid: a\n\n# x\ndn: UID=A\nuid: a\n",
                5,
                "already",
            ),
            (" uid: a\n", 1, "goes on"),
            ("dn: uid=a\nuid: a\n\n b\n", 4, "goes on"),
        ] {
            let error = entries(text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}");
            assert!(error.reason.contains(says), "{text:?}: {error}");
        }
    }

    #[test]
    fn what_others_print_is_read() {
        let text = "\u{feff}version: 1\r\n# a long\r\n  comment\r\ndn:: dWlkPWE=\r\nuid: a\r\n\
                    cn: one\r\nCN:  two\r\n  words\r\nempty:\r\n\r\n\r\n# end\r\n";
        let all = entries(text).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].dn, "uid=a");
        assert_eq!(all[0].values("cn"), ["one", "two words"]);
        assert_eq!(all[0].values("empty"), [""]);
        assert!(entries("").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(values in prop::collection::vec(any::<Vec<u8>>(), 1..5)) {
            let entry = Entry {
                dn: "uid=a".to_owned(),
                attributes: vec![Attribute::many("cn", values)],
            };
            let text = Ldif::hiding(|_| false).entry(&entry);
            prop_assert_eq!(entries(&text).unwrap(), vec![entry]);
        }

        #[test]
        fn nothing_panics(text: String) {
            let _ = entries(&text);
        }
    }
}
