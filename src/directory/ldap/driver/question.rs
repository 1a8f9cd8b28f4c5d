//! A filter in the directory's words as one of LDAP (RFC 4515 in tree form: no value is ever part
//! of a text). References in it are ids, and names in the directory.

mod known;
mod truth;

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::Ldap;
use super::home::Home;
use super::values;
use crate::directory::ldap::Filter as Asked;
use crate::directory::{Ask, DirectoryError};
use crate::ldap::filter::{Extensible, Pieces};
use crate::ldap::layout::{Flavor, PROTECTED, Syntax, Values};
use crate::scim::filter::{CompareOp, Comparison, Filter};
use crate::scim::{AttrPath, ScimType};

use known::{Kind, Known};
use truth::Truth;

pub(super) use known::Learnt;

type Asking<'a> = Pin<Box<dyn Future<Output = Result<Truth, DirectoryError>> + Send + 'a>>;

/// Who asks, and what is known.
#[derive(Clone, Copy)]
struct Asker<'a> {
    ldap: &'a Ldap,
    home: &'a Home,
    known: &'a Known,
    ask: &'a Ask,
    /// Whether it is asked under a `not`.
    negated: bool,
}

impl Ldap {
    /// The filter, within what exists for the tenant; `None` where it is certain that nothing fits.
    pub(super) async fn question(
        &self,
        home: &Home,
        filter: Option<&Filter>,
        ask: &Ask,
    ) -> Result<Option<Asked>, DirectoryError> {
        let Some(filter) = filter else {
            return Ok(Some(home.exists()));
        };
        let known = self.known(ask).await;
        let asker = Asker {
            ldap: self,
            home,
            known: &known,
            ask,
            negated: false,
        };
        Ok(match asker.asked(filter).await? {
            Truth::Always => Some(home.exists()),
            Truth::Never => None,
            Truth::Ask(filter) => Some(home.exists().and(filter)),
        })
    }
}

impl<'a> Asker<'a> {
    fn asked(self, filter: &'a Filter) -> Asking<'a> {
        Box::pin(async move {
            Ok(match filter {
                Filter::And(parts) => Truth::all(self.each(parts).await?),
                Filter::Or(parts) => Truth::any(self.each(parts).await?),
                // An attribute that an entry does not have is not equal to anything, in LDAP too:
                // the entries without it are among what is found.
                Filter::Not(inner) => {
                    let negated = !self.negated;
                    Self { negated, ..self }.asked(inner).await?.not()
                }
                Filter::Present(path) => self.present(path)?,
                Filter::Compare(comparison) => self.compared(comparison).await?,
                Filter::Element(..) => return Err(untranslatable("elements of values")),
            })
        })
    }

    async fn each(self, parts: &'a [Filter]) -> Result<Vec<Truth>, DirectoryError> {
        let mut all = Vec::with_capacity(parts.len());
        for part in parts {
            all.push(self.asked(part).await?);
        }
        Ok(all)
    }

    fn present(self, path: &AttrPath) -> Result<Truth, DirectoryError> {
        let name = path.name.as_str();
        if path.name.is(PROTECTED) {
            return self.protected();
        }
        let attribute = self.home.place.attribute(name);
        if let Some(reference) = attribute.and_then(|attribute| attribute.reference.as_ref()) {
            let asked = self.ldap.pointing_anywhere(name, reference)?;
            return Ok(Truth::Ask(asked));
        }
        self.kind(name)?;
        Ok(Truth::Ask(Asked::present(name)))
    }

    /// Those that the rule protects for what they are. Where the schema lacks what the filter asks
    /// about, it would find nobody, and nobody would be protected: then there is no answer.
    fn protected(self) -> Result<Truth, DirectoryError> {
        let protect = self.home.place.protect.as_ref();
        let Some(filter) = protect.and_then(|protect| protect.filter.as_ref()) else {
            return Ok(Truth::Never);
        };
        for name in filter.attributes() {
            self.kind(name)?;
        }
        Ok(Truth::Ask(filter.clone()))
    }

    async fn compared(self, comparison: &Comparison) -> Result<Truth, DirectoryError> {
        let Comparison { path, op, value } = comparison;
        let home = self.home;
        let name = path.name.as_str();
        if path.name == home.place.id {
            return own_id(home, *op, value);
        }
        if let Some(rule) = path
            .uri
            .as_ref()
            .and_then(|uri| uri.as_str().strip_prefix(BY_RULE))
        {
            return Ok(Truth::Ask(Asked::Rule(Extensible {
                attribute: Some(name.into()),
                rule: Some(rule.into()),
                value: bytes(home, name, value)?,
                in_name: false,
            })));
        }
        let attribute = home.place.attribute(name);
        let many = attribute.is_some_and(|attribute| attribute.values == Values::Many);
        // Of several values one that differs is enough, whatever the others are: LDAP asks of all.
        if many && matches!(op, CompareOp::Ne | CompareOp::Gt | CompareOp::Lt) {
            let text = format!("`{}` of an attribute with several values", op.as_str());
            return Err(untranslatable(&text));
        }
        if let Some(reference) = attribute.and_then(|a| a.reference.as_ref()) {
            let text = value.as_str().unwrap_or_default();
            let asked = self.ldap.pointing(home, name, reference, text, self.ask);
            let asked = Truth::from(asked.await?);
            return match op {
                CompareOp::Eq => Ok(asked),
                CompareOp::Ne => Ok(asked.not()),
                _ => Err(untranslatable("an order of references")),
            };
        }
        let kind = self.kind(name)?;
        let text = attribute.is_none_or(|attribute| attribute.syntax == Syntax::Text);
        // No text has a NUL in it. Some servers take it for the end, others refuse the question.
        if text && value.as_str().is_some_and(|value| value.contains('\0')) {
            return match op {
                CompareOp::Ne => Ok(Truth::Always),
                CompareOp::Eq | CompareOp::Co | CompareOp::Sw | CompareOp::Ew => Ok(Truth::Never),
                _ => Err(untranslatable("an order of texts with NUL in them")),
            };
        }
        let stamps = home.stamps();
        let time = [stamps.created, stamps.modified].contains(&name);
        let order = matches!(
            op,
            CompareOp::Gt | CompareOp::Ge | CompareOp::Lt | CompareOp::Le
        );
        // It orders texts by a collation of its own.
        if order && !time && self.ldap.homes.flavor() == Flavor::ActiveDirectory {
            return Err(untranslatable("an order of texts"));
        }
        let bytes = bytes(home, name, value)?;
        self.about(name, *op, bytes, kind)
    }

    /// A question about the values of an attribute.
    fn about(
        self,
        name: &str,
        op: CompareOp,
        value: Bytes,
        kind: Option<Kind>,
    ) -> Result<Truth, DirectoryError> {
        let attribute: Arc<str> = name.into();
        let piece = matches!(op, CompareOp::Co | CompareOp::Sw | CompareOp::Ew);
        // Every value contains nothing, and LDAP has no way to say so.
        if piece && value.is_empty() {
            return Ok(Truth::Ask(Asked::Present(attribute)));
        }
        // Servers compare without regard to spaces that say nothing (RFC 4518), and do not agree on
        // which these are at the ends of a piece.
        if piece && has_idle_spaces(&value) {
            let text = format!(
                "{name} by a piece that begins or ends with a space, or has several in a row"
            );
            return Err(untranslatable(&text));
        }
        if let Some(kind) = kind {
            let (can, what) = match op {
                CompareOp::Eq | CompareOp::Ne => (kind.equality, "for equality"),
                CompareOp::Co | CompareOp::Sw | CompareOp::Ew => (kind.substrings, "by pieces"),
                CompareOp::Ge | CompareOp::Le => (kind.ordering, "for an order"),
                CompareOp::Gt | CompareOp::Lt => (kind.ordering && kind.equality, "for an order"),
            };
            if !can {
                let text = format!("{name}: its schema does not compare the values {what}");
                return Err(untranslatable(&text));
            }
            let takes = match piece {
                true => kind.takes_piece(&value),
                false => kind.takes(&value),
            };
            match (takes, op) {
                (Some(true), _) => {}
                // No entry has such a value. To such a question slapd says nothing at all.
                (Some(false), CompareOp::Ne) => return Ok(Truth::Always),
                (Some(false), CompareOp::Eq) => return Ok(Truth::Never),
                (Some(false), _) if piece => return Ok(Truth::Never),
                (Some(false), _) => {
                    let text = format!("{name}: its values have another form");
                    return Err(untranslatable(&text));
                }
                // Where it is no value nothing is found, and that is right.
                (None, _) if self.negated == (op == CompareOp::Ne) => {}
                (None, _) => {
                    let text = format!("{name}: which values it can have is not known");
                    return Err(untranslatable(&text));
                }
            }
        }
        let equal = |value| Truth::Ask(Asked::Equal(Arc::clone(&attribute), value));
        let pieces = |pieces| {
            Ok(Truth::Ask(Asked::Substrings(
                Arc::clone(&attribute),
                pieces,
            )))
        };
        let at_least = |value| Truth::Ask(Asked::AtLeast(Arc::clone(&attribute), value));
        let at_most = |value| Truth::Ask(Asked::AtMost(Arc::clone(&attribute), value));
        match op {
            CompareOp::Eq => Ok(equal(value)),
            CompareOp::Ne => Ok(equal(value).not()),
            CompareOp::Co => pieces(Pieces {
                any: vec![value],
                ..Pieces::default()
            }),
            CompareOp::Sw => pieces(Pieces {
                initial: Some(value),
                ..Pieces::default()
            }),
            CompareOp::Ew => pieces(Pieces {
                last: Some(value),
                ..Pieces::default()
            }),
            CompareOp::Ge => Ok(at_least(value)),
            CompareOp::Le => Ok(at_most(value)),
            // More than it: as much as it or more, and not it.
            CompareOp::Gt => Ok(Truth::all(vec![
                at_least(value.clone()),
                equal(value).not(),
            ])),
            CompareOp::Lt => Ok(Truth::all(vec![at_most(value.clone()), equal(value).not()])),
        }
    }

    /// What is known of an attribute. One that the server does not have cannot be asked about.
    fn kind(self, name: &str) -> Result<Option<Kind>, DirectoryError> {
        match self.known.kind(name) {
            Some(kind) if !kind.exists => {
                let text = format!("{name}: its schema has no such attribute");
                Err(untranslatable(&text))
            }
            kind => Ok(kind),
        }
    }
}

/// Whether a text has spaces that a directory may leave out.
fn has_idle_spaces(value: &[u8]) -> bool {
    let text = String::from_utf8_lossy(value);
    let ends = text.trim().len() < text.len();
    let mut pairs = text.chars().zip(text.chars().skip(1));
    ends || pairs.any(|(one, next)| one.is_whitespace() && next.is_whitespace())
}

/// The one resource that has the id, or those that have another.
fn own_id(home: &Home, op: CompareOp, value: &Value) -> Result<Truth, DirectoryError> {
    let bytes = value.as_str().and_then(|id| home.place.id_form.write(id));
    let asked = match bytes {
        Some(bytes) => Truth::Ask(Asked::equal(home.place.id.as_str(), bytes)),
        // Nobody's id.
        None => Truth::Never,
    };
    match op {
        CompareOp::Eq => Ok(asked),
        CompareOp::Ne => Ok(asked.not()),
        _ => Err(untranslatable("an order of ids")),
    }
}

fn bytes(home: &Home, name: &str, value: &Value) -> Result<Bytes, DirectoryError> {
    let mut values = values::written(home.place.attribute(name), name, value)?;
    values.pop().ok_or_else(|| untranslatable("no value"))
}

fn untranslatable(what: &str) -> DirectoryError {
    DirectoryError::Refused {
        scim_type: Some(ScimType::InvalidFilter),
        detail: Some(format!("the directory cannot be asked about {what}")),
    }
}

/// How a comparison names a matching rule.
const BY_RULE: &str = "urn:oid:";
