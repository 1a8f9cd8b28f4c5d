//! How a server compares the attributes of a rule, by its own schema: `slapd` answers a comparison
//! that its schema does not provide for with nothing at all, whether it stands under a `not` or
//! not. Such a question must not be asked. 389 Directory Server compares everything somehow, and
//! what cannot be is false; but an order that its schema does not provide for is one of bytes, with
//! case. Active Directory's schema tells of no rules: it has them all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::directory::Ask;
use crate::directory::ldap::driver::Ldap;
use crate::directory::ldap::{Dn, Product, Schema};

/// What is known of the attributes of a rule; of one that is not named, nothing.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<String, Kind>);

/// How the values of one attribute compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// Whether the schema has it at all.
    pub(super) exists: bool,
    pub(super) equality: bool,
    pub(super) ordering: bool,
    pub(super) substrings: bool,
    form: Form,
}

/// The form of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Anything.
    Octets,
    /// Text that is not empty.
    Directory,
    /// ASCII.
    Ia5,
    /// The characters of a PrintableString.
    Printable,
    /// The same, some of which are more than spaces and hyphens.
    Telephone,
    /// Digits and spaces.
    Numeric,
    Integer,
    Boolean,
    Time,
    Name,
    /// We cannot tell what fits.
    Other,
}

/// What was learnt, and when.
#[derive(Debug, Default)]
pub(in crate::directory::ldap::driver) struct Learnt(
    tokio::sync::Mutex<Option<(Arc<Known>, Instant)>>,
);

impl Ldap {
    /// What is known of how the server compares: asked for once in ten minutes, by who asks first.
    pub(super) async fn known(&self, ask: &Ask) -> Arc<Known> {
        let mut learnt = self.learnt.0.lock().await;
        if let Some((known, until)) = &*learnt
            && Instant::now() < *until
        {
            return Arc::clone(known);
        }
        let product = self.offers().product;
        let told = match product {
            Product::ActiveDirectory => Ok(Schema::default()),
            Product::OpenLdap | Product::Ds389 | Product::Other => {
                self.pool.schema(ask.deadline).await
            }
        };
        let strict = product != Product::Ds389;
        let (known, life) = match told {
            Ok(schema) => {
                let known = Known::of(&schema, self.homes.names(), strict);
                (Arc::new(known), LIFE)
            }
            // What was known is better than nothing.
            Err(_) => {
                let before = learnt.as_ref().map(|(known, _)| Arc::clone(known));
                (before.unwrap_or_default(), AGAIN)
            }
        };
        *learnt = Some((Arc::clone(&known), Instant::now() + life));
        known
    }
}

impl Known {
    fn of<'a>(schema: &Schema, names: impl Iterator<Item = &'a str>, strict: bool) -> Self {
        if schema.is_empty() {
            return Self::default();
        }
        let mut kinds = HashMap::new();
        for name in names {
            let kind = match schema.attribute(name) {
                Some(told) if !strict => Kind {
                    exists: true,
                    equality: true,
                    ordering: told.ordering.is_some(),
                    substrings: true,
                    form: Form::Octets,
                },
                None if !strict => continue,
                Some(told) => Kind {
                    exists: true,
                    equality: told.equality.is_some(),
                    ordering: told.ordering.is_some(),
                    substrings: told.substrings.is_some(),
                    form: Form::of(told.syntax.as_deref().unwrap_or_default()),
                },
                // Perhaps among those that we did not understand.
                None if schema.skipped() > 0 => continue,
                None => Kind {
                    exists: false,
                    equality: false,
                    ordering: false,
                    substrings: false,
                    form: Form::Other,
                },
            };
            kinds.insert(name.to_ascii_lowercase(), kind);
        }
        Self(kinds)
    }

    pub(super) fn kind(&self, name: &str) -> Option<Kind> {
        self.0.get(&name.to_ascii_lowercase()).copied()
    }
}

impl Kind {
    /// Whether an entry can have this value; `None` where we cannot tell.
    pub(super) fn takes(self, value: &[u8]) -> Option<bool> {
        let text = std::str::from_utf8(value);
        let printable = |byte: &u8| byte.is_ascii_alphanumeric() || b"'()+,-./:?= ".contains(byte);
        let printed = !value.is_empty() && value.iter().all(printable);
        Some(match self.form {
            Form::Octets => true,
            Form::Directory => !value.is_empty() && text.is_ok(),
            Form::Ia5 => value.is_ascii(),
            Form::Printable => printed,
            Form::Telephone => printed && value.iter().any(|byte| !b" -".contains(byte)),
            Form::Numeric => {
                let digit = |byte: &u8| byte.is_ascii_digit() || *byte == b' ';
                !value.is_empty() && value.iter().all(digit)
            }
            Form::Integer => {
                let digits = value.strip_prefix(b"-").unwrap_or(value);
                let zero = digits == b"0" && digits.len() == value.len();
                zero || (digits.iter().all(u8::is_ascii_digit)
                    && digits.first().is_some_and(|first| *first != b'0'))
            }
            Form::Boolean => [b"TRUE".as_slice(), b"FALSE"].contains(&value),
            Form::Time => text.is_ok_and(is_time),
            Form::Name => text.is_ok_and(|text| text.parse::<Dn>().is_ok()),
            Form::Other => return None,
        })
    }

    /// The same of a piece of a value.
    pub(super) fn takes_piece(self, piece: &[u8]) -> Option<bool> {
        match self.form {
            Form::Telephone => Self {
                form: Form::Printable,
                ..self
            }
            .takes(piece),
            Form::Directory | Form::Ia5 | Form::Octets | Form::Printable | Form::Numeric => {
                self.takes(piece)
            }
            Form::Integer | Form::Boolean | Form::Time | Form::Name | Form::Other => None,
        }
    }
}

impl Form {
    fn of(syntax: &str) -> Self {
        let number = syntax.strip_prefix("1.3.6.1.4.1.1466.115.121.1.");
        match number.unwrap_or_default() {
            "5" | "40" => Self::Octets,
            "15" => Self::Directory,
            "26" => Self::Ia5,
            "44" => Self::Printable,
            "50" => Self::Telephone,
            "36" => Self::Numeric,
            "27" => Self::Integer,
            "7" => Self::Boolean,
            "24" => Self::Time,
            "12" => Self::Name,
            _ => Self::Other,
        }
    }
}

/// `YYYYmmddHH[MM[SS]][.f](Z|+HHMM)`, near enough: the digits are numbers in their ranges.
fn is_time(text: &str) -> bool {
    let Some(text) = text.strip_suffix('Z') else {
        return false;
    };
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let field = |from: usize, low: u32, high: u32| {
        let field = whole.get(from..from + 2);
        field.is_none_or(|field| field.parse().is_ok_and(|n: u32| (low..=high).contains(&n)))
    };
    digits(whole)
        && digits(fraction)
        && [10, 12, 14].contains(&whole.len())
        && field(4, 1, 12)
        && field(6, 1, 31)
        && field(8, 0, 23)
        && field(10, 0, 59)
        && field(12, 0, 60)
}

/// For how long a schema is good.
const LIFE: Duration = Duration::from_secs(600);
/// When it is asked for again where it could not be had.
const AGAIN: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_value_is_known() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("15", &["x", " ", "\u{1f600}", "\0", "*)(uid=*"], &[""]),
            ("26", &["", "a@b", "\0"], &["ü"]),
            ("44", &["A b"], &["", "a@b", "ü"]),
            ("50", &["+1 555"], &["", "-", "ü", "*"]),
            ("36", &["1 2"], &["", "a"]),
            ("27", &["0", "-1", "10"], &["", "-", "-0", "01", "a", "1.0"]),
            ("7", &["TRUE", "FALSE"], &["", "true", "yes"]),
            (
                "24",
                &["20260101080000Z", "20260101080000.5Z", "2026010108Z"],
                &[
                    "",
                    "Z",
                    "2026",
                    "20261301080000Z",
                    "000001010000",
                    "üüüüüüüüüüZ",
                ],
            ),
            ("12", &["", "cn=x", "cn=x,o=y"], &["x", "cn"]),
        ];
        for (syntax, good, bad) in cases {
            let kind = Kind {
                exists: true,
                equality: true,
                ordering: true,
                substrings: true,
                form: Form::of(&format!("1.3.6.1.4.1.1466.115.121.1.{syntax}")),
            };
            for text in *good {
                assert_eq!(kind.takes(text.as_bytes()), Some(true), "{syntax} {text:?}");
            }
            for text in *bad {
                assert_eq!(
                    kind.takes(text.as_bytes()),
                    Some(false),
                    "{syntax} {text:?}"
                );
            }
        }
    }
}
