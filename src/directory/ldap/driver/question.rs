//! A filter in the directory's words as one of LDAP (RFC 4515 in tree form: no value is ever part
//! of a text). References in it are ids, and names in the directory.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::Ldap;
use super::certain::Certain;
use super::home::Home;
use super::values;
use crate::directory::ldap::Filter as Asked;
use crate::directory::{Ask, DirectoryError};
use crate::ldap::filter::{Extensible, Pieces};
use crate::scim::filter::{CompareOp, Comparison, Filter};
use crate::scim::{AttrPath, ScimType};

type Asking<'a> = Pin<Box<dyn Future<Output = Result<Asked, DirectoryError>> + Send + 'a>>;

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
        Ok(match Certain::from(self.asked(home, filter, ask).await?) {
            Certain::Nothing => None,
            Certain::Everything => Some(home.exists()),
            Certain::Asked(filter) => Some(home.exists().and(filter)),
        })
    }

    fn asked<'a>(&'a self, home: &'a Home, filter: &'a Filter, ask: &'a Ask) -> Asking<'a> {
        Box::pin(async move {
            Ok(match filter {
                Filter::And(parts) => Asked::And(self.all(home, parts, ask).await?),
                Filter::Or(parts) => Asked::Or(self.all(home, parts, ask).await?),
                // Of an attribute that an entry does not have LDAP knows nothing; SCIM says that it
                // is not equal, so everything but what is asked for.
                Filter::Not(inner) => Asked::Not(Box::new(self.asked(home, inner, ask).await?)),
                Filter::Present(path) => self.present(home, path, ask).await?,
                Filter::Compare(comparison) => self.compared(home, comparison, ask).await?,
                Filter::Element(..) => return Err(untranslatable("elements of values")),
            })
        })
    }

    async fn all(
        &self,
        home: &Home,
        parts: &[Filter],
        ask: &Ask,
    ) -> Result<Vec<Asked>, DirectoryError> {
        let mut all = Vec::with_capacity(parts.len());
        for part in parts {
            all.push(self.asked(home, part, ask).await?);
        }
        Ok(all)
    }

    async fn present(
        &self,
        home: &Home,
        path: &AttrPath,
        ask: &Ask,
    ) -> Result<Asked, DirectoryError> {
        let name = path.name.as_str();
        let attribute = home.place.attribute(name);
        match attribute.and_then(|attribute| attribute.reference.as_ref()) {
            Some(reference) => self.pointing_anywhere(home, name, reference, ask).await,
            None => Ok(Asked::present(name)),
        }
    }

    async fn compared(
        &self,
        home: &Home,
        comparison: &Comparison,
        ask: &Ask,
    ) -> Result<Asked, DirectoryError> {
        let Comparison { path, op, value } = comparison;
        let name = path.name.as_str();
        if path.name == home.place.id {
            return own_id(home, *op, value);
        }
        if let Some(rule) = path
            .uri
            .as_ref()
            .and_then(|uri| uri.as_str().strip_prefix(BY_RULE))
        {
            return Ok(Asked::Rule(Extensible {
                attribute: Some(name.into()),
                rule: Some(rule.into()),
                value: bytes(home, name, value)?,
                in_name: false,
            }));
        }
        let attribute = home.place.attribute(name);
        if let Some(reference) = attribute.and_then(|a| a.reference.as_ref()) {
            let text = value.as_str().unwrap_or_default();
            let asked = self.pointing(home, name, reference, text, ask).await?;
            return match op {
                CompareOp::Eq => Ok(asked),
                CompareOp::Ne => Ok(Asked::Not(Box::new(asked))),
                _ => Err(untranslatable("an order of references")),
            };
        }
        let bytes = bytes(home, name, value)?;
        let attribute: Arc<str> = name.into();
        let pieces = |pieces| Ok(Asked::Substrings(Arc::clone(&attribute), pieces));
        let negated = |asked| Asked::Not(Box::new(asked));
        match op {
            CompareOp::Eq => Ok(Asked::Equal(attribute, bytes)),
            CompareOp::Ne => Ok(negated(Asked::Equal(attribute, bytes))),
            // Every value contains nothing, and LDAP has no way to say so.
            CompareOp::Co | CompareOp::Sw | CompareOp::Ew if bytes.is_empty() => {
                Ok(Asked::Present(attribute))
            }
            CompareOp::Co => pieces(Pieces {
                any: vec![bytes],
                ..Pieces::default()
            }),
            CompareOp::Sw => pieces(Pieces {
                initial: Some(bytes),
                ..Pieces::default()
            }),
            CompareOp::Ew => pieces(Pieces {
                last: Some(bytes),
                ..Pieces::default()
            }),
            CompareOp::Ge => Ok(Asked::AtLeast(attribute, bytes)),
            CompareOp::Le => Ok(Asked::AtMost(attribute, bytes)),
            // More than it: as much as it or more, and not it.
            CompareOp::Gt => Ok(Asked::AtLeast(Arc::clone(&attribute), bytes.clone())
                .and(negated(Asked::Equal(attribute, bytes)))),
            CompareOp::Lt => Ok(Asked::AtMost(Arc::clone(&attribute), bytes.clone())
                .and(negated(Asked::Equal(attribute, bytes)))),
        }
    }
}

/// The one resource that has the id, or those that have another.
fn own_id(home: &Home, op: CompareOp, value: &Value) -> Result<Asked, DirectoryError> {
    let bytes = value.as_str().and_then(|id| home.place.id_form.write(id));
    let asked = match bytes {
        Some(bytes) => Asked::equal(home.place.id.as_str(), bytes),
        // Nobody's id.
        None => Asked::Or(Vec::new()),
    };
    match op {
        CompareOp::Eq => Ok(asked),
        CompareOp::Ne => Ok(Asked::Not(Box::new(asked))),
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
