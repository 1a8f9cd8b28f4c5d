//! Answers in the client's words.

use std::sync::Arc;

use super::conditions::Unclear;
use super::scoped::show_only;
use super::{MappingError, Plan, View, stream};
use crate::auth::Visible;
use crate::mapping::compile::Type;
use crate::mapping::witness::Witness;
use crate::scim::json::{Checked, Members, Node, Sort};
use crate::scim::operation::{Answer, Document, Listing, Projection};
use crate::scim::{AttrPath, Client, Reply, Upstream};

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
                let shown = self.one(document, view, true, &mut etag, &mut witness)?;
                shown.map_or(Answer::Nothing, Answer::Created)
            }
            Answer::Resource(document) => {
                match self.one(document, view, false, &mut etag, &mut witness)? {
                    Some(document) => Answer::Resource(document),
                    None => {
                        etag = None;
                        Answer::Nothing
                    }
                }
            }
            Answer::List(listing) => Answer::List(self.list(listing, view, witness)?),
            Answer::Nothing => Answer::Nothing,
            Answer::NotModified => Answer::NotModified,
        };
        Ok(Reply::new(answer).versioned(etag))
    }

    /// One resource as an answer shows it; `None` where it is not there for this account.
    pub(in crate::mapping) fn show<'a>(
        &'a self,
        ty: &'a Type,
        from: Members<'a>,
        view: &View,
        etag: Option<&'a str>,
        witness: &mut impl Witness,
    ) -> Result<Option<Members<'a>>, MappingError> {
        let Some(sight) = &view.sight else {
            let mut shown = self.to_client(ty, from, etag, witness)?;
            if let Some(set) = view.scope.readable() {
                show_only(set, &mut shown);
            }
            project(&mut shown, &view.projection);
            return Ok(Some(shown));
        };
        let mut unclear = Unclear(witness, Vec::new());
        let mut shown = self.to_client(ty, from, etag, &mut unclear)?;
        match self.sees(ty, sight, shown.to_resource(), unclear.1) {
            Visible::Nothing => return Ok(None),
            Visible::Everything => {}
            Visible::Only(set) => show_only(&set, &mut shown),
        }
        project(&mut shown, &view.projection);
        Ok(Some(shown))
    }

    /// What is told of a resource that is not there for who made it: that it was made.
    fn made<'a>(
        &'a self,
        ty: &'a Type,
        from: Members<'a>,
        etag: Option<&'a str>,
    ) -> Result<Members<'a>, MappingError> {
        let mut shown = self.to_client(ty, from, etag, &mut ())?;
        let told = ["schemas", "id", "meta"];
        shown.retain(|key, _| told.iter().any(|name| key.eq_ignore_ascii_case(name)));
        if let Some(schemas) = shown.find_mut("schemas").and_then(Node::array) {
            schemas.truncate(1);
        }
        Ok(shown)
    }

    fn one(
        &self,
        document: Document,
        view: &View,
        made: bool,
        etag: &mut Option<String>,
        witness: &mut impl Witness,
    ) -> Result<Option<Document>, MappingError> {
        let ty = self.known(&view.resource)?;
        let text = document.into_checked();
        let mut from = text.members();
        if etag.is_none()
            && let Some(meta) = from.find_mut("meta").and_then(Node::object)
            && let Some(version) = meta.find("version").and_then(Node::as_str)
        {
            *etag = Some(version.into_owned());
        }
        let shown = match self.show(ty, from, view, etag.as_deref(), witness)? {
            None if made => Some(self.made(ty, text.members(), etag.as_deref())?),
            shown => shown,
        };
        let size = text.as_bytes().len() + GROWTH;
        Ok(shown.map(|shown| Document::Checked(Checked::print(&shown, size))))
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
                let (mut mapped, mut hidden) = (Vec::with_capacity(resources.len()), 0);
                for resource in resources {
                    let text = Checked::of(&resource);
                    match self.show(ty, text.members(), view, None, &mut witness)? {
                        Some(shown) => mapped.push(shown.to_resource()),
                        None => hidden += 1,
                    }
                }
                let total = total.map(|total| total.saturating_sub(hidden));
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
fn project(members: &mut Members<'_>, projection: &Projection) {
    match projection {
        Projection::All => {}
        Projection::Only(paths) => {
            hide(members, false, &|path| paths.iter().any(|p| p.covers(path)))
        }
        Projection::Except(paths) => {
            hide(members, true, &|path| !paths.iter().any(|p| p.covers(path)))
        }
    }
}

/// Removes every attribute and sub-attribute that `keep` says no to. It is asked about whole
/// attributes first, then about their parts; where not `deep`, a whole yes covers the parts.
fn hide(members: &mut Members<'_>, deep: bool, keep: &dyn Fn(&AttrPath) -> bool) {
    members.retain(|key, value| {
        if ["id", "schemas"]
            .iter()
            .any(|name| key.eq_ignore_ascii_case(name))
        {
            return true;
        }
        if key.contains(':')
            && let Ok(uri) = key.parse()
            && let Some(inner) = value.object()
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
    value: &mut Node<'_>,
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
    let mut parts = |element: &mut Members<'_>| {
        element.retain(|sub, _| {
            path.sub = sub.parse().ok();
            path.sub.is_some() && keep(&path)
        });
        !element.is_empty()
    };
    match value.sort() {
        Sort::Object => value.object().is_some_and(parts),
        Sort::Array => value.array().is_some_and(|items| {
            items.retain_mut(|item| item.object().map_or(whole, &mut parts));
            !items.is_empty()
        }),
        _ => whole,
    }
}

/// What an answer is likely to have more than the directory's: `schemas` and longer names.
const GROWTH: usize = 512;
