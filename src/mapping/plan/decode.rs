//! Answers in the client's words.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{MappingError, Plan, View, stream};
use crate::mapping::compile::Type;
use crate::mapping::place::{find, is_absent};
use crate::mapping::witness::Witness;
use crate::scim::operation::{Answer, Document, Listing, Projection};
use crate::scim::{AttrPath, Client, Reply, Resource, Upstream};

impl Plan {
    pub(super) fn decode_reply<W: Witness + Send + 'static>(
        self: &Arc<Self>,
        reply: Reply<Upstream>,
        view: &View,
        mut witness: W,
    ) -> Result<Reply<Client>, MappingError> {
        let mut etag = reply.etag;
        let answer = match reply.answer {
            Answer::Created(document) => {
                Answer::Created(self.one(document, view, &mut etag, &mut witness)?)
            }
            Answer::Resource(document) => {
                Answer::Resource(self.one(document, view, &mut etag, &mut witness)?)
            }
            Answer::List(listing) => Answer::List(self.list(listing, view, witness)?),
            Answer::Nothing => Answer::Nothing,
            Answer::NotModified => Answer::NotModified,
        };
        Ok(Reply::new(answer).versioned(etag))
    }

    /// One resource as an answer shows it.
    pub(in crate::mapping) fn show(
        &self,
        ty: &Type,
        from: Resource,
        view: &View,
        etag: Option<&str>,
        witness: &mut impl Witness,
    ) -> Result<Resource, MappingError> {
        let mut resource = self.to_client(ty, from, etag, witness)?;
        if !view.scope.is_whole() {
            hide(resource.as_map_mut(), true, &|path| {
                view.scope.may_read(path)
            });
        }
        project(resource.as_map_mut(), &view.projection);
        Ok(resource)
    }

    fn one(
        &self,
        document: Document,
        view: &View,
        etag: &mut Option<String>,
        witness: &mut impl Witness,
    ) -> Result<Document, MappingError> {
        let ty = self.known(&view.resource)?;
        let from = document.into_tree();
        if etag.is_none()
            && let Some(Value::Object(meta)) = from.attr("meta")
            && let Some(Value::String(version)) = find(meta, "version")
        {
            *etag = Some(version.clone());
        }
        let shown = self.show(ty, from, view, etag.as_deref(), witness)?;
        Ok(Document::Tree(shown))
    }

    fn list<W: Witness + Send + 'static>(
        self: &Arc<Self>,
        listing: Listing,
        view: &View,
        mut witness: W,
    ) -> Result<Listing, MappingError> {
        let ty = self.known(&view.resource)?;
        Ok(match listing {
            Listing::Page {
                total,
                start,
                resources,
            } => {
                let mut mapped = Vec::with_capacity(resources.len());
                for resource in resources {
                    mapped.push(self.show(ty, resource, view, None, &mut witness)?);
                }
                match view.cut {
                    None => Listing::Page {
                        total,
                        start,
                        resources: mapped,
                    },
                    Some((first, count)) => {
                        let total = mapped.len();
                        let page = mapped.into_iter().skip(first.saturating_sub(1));
                        Listing::Page {
                            total: Some(total),
                            start: first,
                            resources: page.take(count.unwrap_or(usize::MAX)).collect(),
                        }
                    }
                }
            }
            Listing::Stream {
                total,
                start,
                resources,
            } => Listing::Bytes(Box::pin(stream::Mapped::of_resources(
                Arc::clone(self),
                view.clone(),
                witness,
                resources,
                (total, start),
            ))),
            Listing::Bytes(bytes) => Listing::Bytes(Box::pin(stream::Mapped::of_bytes(
                Arc::clone(self),
                view.clone(),
                witness,
                bytes,
            ))),
        })
    }
}

/// Leaves what was asked for, and what is always returned.
fn project(map: &mut Map<String, Value>, projection: &Projection) {
    match projection {
        Projection::All => {}
        Projection::Only(paths) => hide(map, false, &|path| paths.iter().any(|p| p.covers(path))),
        Projection::Except(paths) => hide(map, true, &|path| !paths.iter().any(|p| p.covers(path))),
    }
}

/// Removes every attribute and sub-attribute that `keep` says no to. It is asked about whole
/// attributes first, then about their parts; where not `deep`, a whole yes covers the parts.
fn hide(map: &mut Map<String, Value>, deep: bool, keep: &dyn Fn(&AttrPath) -> bool) {
    map.retain(|key, value| {
        if ["id", "schemas"]
            .iter()
            .any(|name| key.eq_ignore_ascii_case(name))
        {
            return true;
        }
        if key.contains(':')
            && let Ok(uri) = key.parse()
            && let Value::Object(inner) = value
        {
            let uri = Some(uri);
            inner.retain(|name, value| hide_one(uri.clone(), name, value, deep, keep));
            return !inner.is_empty();
        }
        hide_one(None, key, value, deep, keep)
    });
}

fn hide_one(
    uri: Option<crate::scim::SchemaUri>,
    name: &str,
    value: &mut Value,
    deep: bool,
    keep: &dyn Fn(&AttrPath) -> bool,
) -> bool {
    let Ok(name) = name.parse() else { return false };
    let mut path = AttrPath {
        uri,
        name,
        sub: None,
    };
    let whole = keep(&path);
    if whole && !deep {
        return true;
    }
    let parts = |element: &mut Map<String, Value>, path: &mut AttrPath| {
        element.retain(|sub, _| {
            path.sub = sub.parse().ok();
            path.sub.is_some() && keep(path)
        });
    };
    match value {
        Value::Object(element) => {
            parts(element, &mut path);
            !element.is_empty()
        }
        Value::Array(items) => {
            for item in items.iter_mut() {
                if let Value::Object(element) = item {
                    parts(element, &mut path);
                }
            }
            items.retain(|item| {
                if item.is_object() {
                    !is_absent(item)
                } else {
                    whole
                }
            });
            !items.is_empty()
        }
        _ => whole,
    }
}
