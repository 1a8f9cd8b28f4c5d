//! Operations in the directory's words.

use std::cell::OnceCell;

use serde_json::{Map, Value};

use super::conditions::widened;
use super::document::from_scim;
use super::scoped::{keep, spared};
use super::{Before, Encoded, Guard, MappingError, Need, Plan, View, delta, refused};
use crate::auth::{Scope, Sight};
use crate::mapping::compile::Type;
use crate::mapping::kind::{Pushed, Write};
use crate::mapping::place::{find, is_absent};
use crate::mapping::ruleset::Direction;
use crate::mapping::transform::Transform;
use crate::mapping::transform::number::AsNumber;
use crate::mapping::witness::{Event, Witness};
use crate::scim::accent;
use crate::scim::json::{Checked, Members, Node};
use crate::scim::operation::{Abilities, Document, Precondition, Projection, Verb, VerbKind};
use crate::scim::patch::{self, Change, Patch, PatchOp};
use crate::scim::query::Query;
use crate::scim::{
    Client, Operation, PatchPath, Resource, ResourceId, SchemaUri, ScimType, Upstream, parse, value,
};

impl Plan {
    pub(in crate::mapping) fn need_of(
        &self,
        operation: &Operation<Client>,
        scope: &Scope,
        abilities: Abilities,
    ) -> Option<Need> {
        let ty = self.ty(&operation.resource)?;
        let scope = &scope.based(&ty.held.base.id);
        let need = |why| {
            Some(Need {
                projection: Projection::All,
                why,
            })
        };
        match &operation.verb {
            Verb::Replace(..) if !scope.is_whole() => need("put overlay"),
            Verb::Replace(..) if abilities.put && ty.overlay => need("put overlay"),
            Verb::Replace(..) if ty.looks => need("mapping with memory"),
            Verb::Patch(_, patch) => {
                // What is wrong with it is said by `encode`.
                let patch = self.left_of(ty, scope, patch, &mut Vec::new());
                let translated = self.patch(ty, &patch).ok()?;
                match translated.changes {
                    _ if !abilities.patch => need("patch without PATCH"),
                    None => need("mapping with memory"),
                    Some(changes) if changes.is_empty() => need("nothing to change"),
                    Some(_) => None,
                }
            }
            _ => None,
        }
    }

    pub(in crate::mapping) fn encode_operation(
        &self,
        operation: Operation<Client>,
        (scope, sight): (&Scope, Option<Sight>),
        abilities: Abilities,
        before: Option<&Before>,
        witness: &mut impl Witness,
    ) -> Result<(Encoded, View), MappingError> {
        let ty = self.known(&operation.resource)?;
        let mut scope = scope.based(&ty.held.base.id);
        self.permitted(ty, &scope, &operation)?;
        let sight = sight.map(|sight| sight.based(&ty.held.base.id));
        let mut precondition = precondition(operation.precondition, abilities, before)?;
        if let (Some(sight), VerbKind::Read | VerbKind::List | VerbKind::Create) =
            (&sight, operation.verb.kind())
        {
            // Of a resource that has not changed nothing would come to tell whether it is seen.
            precondition.if_none_match = None;
            scope = sight.least(&scope);
        }
        let asked = widened(ty, &operation.projection, sight.as_ref());
        let projection = self.projection(ty, &asked);
        let mut view = View {
            resource: operation.resource,
            scope,
            sight,
            projection: operation.projection,
            start: 1,
            cut: None,
        };
        let verb = match operation.verb {
            Verb::Create(document) => {
                let mut out = Vec::new();
                let document = self.left(ty, &view.scope, document, false, &mut out)?;
                discarded(ty, &out, witness);
                Verb::Create(self.create(ty, document, witness)?)
            }
            Verb::Read(id) => Verb::Read(id),
            Verb::Delete(id) => Verb::Delete(id),
            Verb::List(query) => match self.list_query(ty, query, abilities, &mut view)? {
                Some(query) => Verb::List(query),
                None => return Ok((Encoded::Empty, view)),
            },
            Verb::Replace(id, document) if !abilities.put => {
                let mut out = Vec::new();
                let document = self.left(ty, &view.scope, document, true, &mut out)?;
                discarded(ty, &out, witness);
                let changes = self.changed(ty, &view.scope, &id, document, before, witness)?;
                match (changes.is_empty(), before) {
                    (true, Some(before)) => {
                        return Ok((Encoded::Unchanged(before.resource.clone()), view));
                    }
                    (true, None) => Verb::Read(id),
                    (false, _) => patch_of(id, changes),
                }
            }
            Verb::Replace(id, document) => {
                let mut out = Vec::new();
                let document = self.left(ty, &view.scope, document, true, &mut out)?;
                discarded(ty, &out, witness);
                let new = self.replace(ty, &view.scope, &id, document, before, witness)?;
                match (new, before) {
                    (None, Some(before)) => {
                        return Ok((Encoded::Unchanged(before.resource.clone()), view));
                    }
                    (Some(new), _) => Verb::Replace(id, new),
                    (None, None) => Verb::Read(id),
                }
            }
            Verb::Patch(id, patch) => {
                match self.change(&view, id, &patch, abilities, before, witness)? {
                    Some(verb) => verb,
                    None => {
                        let present = before.map(|before| before.resource.clone());
                        return Ok((Encoded::Unchanged(present.unwrap_or_default()), view));
                    }
                }
            }
        };
        let operation: Operation<Upstream> = Operation::new(view.resource.clone(), verb)
            .projected(projection)
            .guarded(precondition);
        Ok((Encoded::Ask(operation), view))
    }

    pub(super) fn create(
        &self,
        ty: &Type,
        document: Document,
        witness: &mut impl Witness,
    ) -> Result<Document, MappingError> {
        let (text, normal) = (document.into_checked(), OnceCell::new());
        let from = self.form(ty, &text, &normal, witness)?;
        let mut out = Members::with_capacity(ty.lines.len() + SPARE);
        if ty.sent_base.is_some() || !ty.sent.is_empty() {
            // It stands first, as people expect it.
            out.push("schemas", Node::NULL);
        }
        self.to_directory(ty, from, &mut out, Write::Create, &[], witness)?;
        let size = text.as_bytes().len() + GROWTH;
        Ok(Document::Checked(Checked::print(&out, size)))
    }

    /// What a client's document says, in the RFC's form. Where that takes another text than the
    /// client's own, `normal` keeps it.
    pub(super) fn form<'a>(
        &self,
        ty: &Type,
        text: &'a Checked,
        normal: &'a OnceCell<Checked>,
        witness: &mut impl Witness,
    ) -> Result<Members<'a>, MappingError> {
        let mut members = text.members();
        if accent::is_plain(&mut members, &ty.held) {
            return Ok(members);
        }
        let made = self.normal(ty, text, witness)?;
        Ok(normal.get_or_init(|| made).members())
    }

    /// The new state; `None` where it is the present one.
    pub(super) fn replace(
        &self,
        ty: &Type,
        scope: &Scope,
        id: &ResourceId,
        document: Document,
        before: Option<&Before>,
        witness: &mut impl Witness,
    ) -> Result<Option<Document>, MappingError> {
        let (text, normal) = (document.into_checked(), OnceCell::new());
        let mut from = self.form(ty, &text, &normal, witness)?;
        match before {
            Some(before) => {
                let (present, seen) = (present(before), Checked::of(&before.resource));
                let spared = spared(ty, scope, &mut from, true);
                if !scope.is_whole() {
                    let seen = self.to_client(ty, seen.members(), None, &mut ())?;
                    keep(scope, &mut from, seen)?;
                }
                let mut out = present.members();
                self.to_directory(ty, from, &mut out, Write::Replace, &spared, witness)?;
                let out = out.to_resource();
                let changed = !same_resource(&out, &before.resource);
                Ok(changed.then_some(Document::Tree(out)))
            }
            None if !scope.is_whole() => Err(MappingError::Malformed(NOT_READ.to_owned())),
            None => {
                let mut out = Members::with_capacity(ty.lines.len() + SPARE);
                out.push("schemas", Node::NULL);
                let own = Value::String(id.as_str().to_owned());
                let own = if ty.entry.number {
                    AsNumber.put(own.clone()).unwrap_or(own)
                } else {
                    own
                };
                *out.slot(ty.entry.id.as_str()) = own.into();
                self.to_directory(ty, from, &mut out, Write::Replace, &[], witness)?;
                if out.find("schemas").is_some_and(Node::is_null) {
                    out.remove("schemas");
                }
                let size = text.as_bytes().len() + GROWTH;
                Ok(Some(Document::Checked(Checked::print(&out, size))))
            }
        }
    }

    /// A PATCH as the directory can take it; `None` where nothing would change.
    fn change(
        &self,
        view: &View,
        id: ResourceId,
        patch: &Patch,
        abilities: Abilities,
        before: Option<&Before>,
        witness: &mut impl Witness,
    ) -> Result<Option<Verb>, MappingError> {
        let (ty, scope) = (self.known(&view.resource)?, &view.scope);
        let mut out = Vec::new();
        let patch = self.left_of(ty, scope, patch, &mut out);
        discarded(ty, &out, witness);
        let mut translated = self.patch(ty, &patch)?;
        if ty.is_ldap() {
            translated
                .changes
                .iter_mut()
                .for_each(|all| delta::tidy(all));
        }
        for path in &translated.dropped {
            witness.saw(Event::Dropped {
                attribute: path,
                inbound: true,
            });
        }
        let Some(before) = before else {
            // Without the present resource only what needs none can be done.
            return match translated.changes {
                Some(changes) if abilities.patch && !changes.is_empty() => {
                    Ok(Some(patch_of(id, changes)))
                }
                _ => Err(MappingError::Malformed(NOT_READ.to_owned())),
            };
        };
        let out = self.applied(ty, scope, &translated.left, before, witness)?;
        let changes = match ty.is_ldap() {
            true => Some(delta::between(ty, &before.resource, &out)),
            false => None,
        };
        if same_resource(&out, &before.resource) || changes.as_ref().is_some_and(Vec::is_empty) {
            return Ok(None);
        }
        // Somebody else wanted to see the present resource: what is sent is what always is.
        let plain = translated.changes.filter(|changes| !changes.is_empty());
        if let Some(changes) = plain.filter(|_| abilities.patch) {
            return Ok(Some(patch_of(id, changes)));
        }
        if let Some(changes) = changes {
            return Ok(Some(patch_of(id, changes)));
        }
        if abilities.patch
            && let Some(changes) = difference(ty, &before.resource, &out)
        {
            return Ok(Some(patch_of(id, changes)));
        }
        Ok(Some(Verb::Replace(id, Document::Tree(out))))
    }

    /// The present resource with the changes: applied in the client's words, and put back.
    pub(super) fn applied(
        &self,
        ty: &Type,
        scope: &Scope,
        patch: &Patch,
        before: &Before,
        witness: &mut impl Witness,
    ) -> Result<Resource, MappingError> {
        let text = Checked::of(&before.resource);
        let seen = self.to_client(ty, text.members(), None, &mut ())?;
        let mut seen = seen.to_resource();
        patch::apply(&mut seen, patch, &ty.held).map_err(|error| from_scim(error.into()))?;
        let (seen, present) = (Checked::of(&seen), present(before));
        let mut out = present.members();
        // What is only written is not in the client's view: its removal is done here.
        for change in &patch.changes {
            let removes = change.op == PatchOp::Remove
                || (change.op == PatchOp::Replace && change.value.as_ref().is_none_or(is_absent));
            for line in ty.lines.iter().filter(|l| l.direction == Direction::Write) {
                if removes
                    && let Some(attr) = change.path.attr()
                    && let (Some(place), Some(target)) = (&line.scim, &line.target)
                    && attr.covers(&place.path())
                {
                    target.clear(&mut out);
                }
            }
        }
        let mut from = seen.members();
        let spared = spared(ty, scope, &mut from, false);
        self.to_directory(ty, from, &mut out, Write::Replace, &spared, witness)?;
        Ok(out.to_resource())
    }

    /// A query; `None` where it provably matches nothing.
    fn list_query(
        &self,
        ty: &Type,
        query: Query,
        abilities: Abilities,
        view: &mut View,
    ) -> Result<Option<Query>, MappingError> {
        view.start = query.start_index.unwrap_or(1).max(1);
        let visible = match &view.sight {
            None => Pushed::Always,
            Some(sight) => {
                let (pushed, sight) = self.visible(ty, &query, sight, abilities)?;
                view.sight = Some(sight);
                pushed
            }
        };
        let asked = match &query.filter {
            None => Pushed::Always,
            Some(filter) => self.filter(ty, filter)?,
        };
        if let (Pushed::Ask(_), false) = (&asked, abilities.filter) {
            let text = "the directory behind this service does not evaluate filters";
            return Err(refused(ScimType::InvalidFilter, text));
        }
        let filter = match Pushed::all([asked, visible]) {
            Pushed::Always => None,
            Pushed::Never => return Ok(None),
            Pushed::Ask(filter) => Some(filter),
        };
        let sort_by = match query.sort_by {
            // A service that does not sort says so in its configuration and leaves the order.
            Some(path) if abilities.sort => Some(self.sort(ty, &path)?),
            _ => None,
        };
        let mut pushed = Query {
            filter,
            sort_by,
            sort_order: query.sort_order,
            start_index: query.start_index,
            count: query.count,
            cursor: query.cursor,
        };
        if !abilities.page {
            view.cut = Some((view.start, query.count));
            (pushed.start_index, pushed.count) = (None, None);
        }
        Ok(Some(pushed))
    }
}

/// Tells what was left out because the account may not write it.
fn discarded(ty: &Type, names: &[String], witness: &mut impl Witness) {
    for name in names {
        // What no schema has is the client's own word, and may be anything.
        let known = parse::attr_path(name, &ty.full)
            .is_ok_and(|path| ty.full.find(&path).is_some())
            || ty.full.uris().any(|uri| uri.is(name));
        let attribute = if known { name.as_str() } else { "(unknown)" };
        witness.saw(Event::Discarded { attribute });
    }
}

/// Changes as the directory is told them.
fn patch_of(id: ResourceId, changes: Vec<Change>) -> Verb {
    let create_missing = false;
    Verb::Patch(
        id,
        Patch {
            changes,
            create_missing,
        },
    )
}

/// What the directory is held to.
fn precondition(
    asked: Precondition,
    abilities: Abilities,
    before: Option<&Before>,
) -> Result<Precondition, MappingError> {
    let tags = asked
        .if_match
        .filter(|tags| tags.iter().all(|tag| tag != "*"));
    let guard = before.map(|before| &before.guard);
    let if_match = match (tags, guard) {
        (Some(tags), Some(Guard::Version(version))) => {
            let opaque = |tag: &str| tag.trim_start_matches("W/").to_owned();
            if !tags.iter().any(|tag| opaque(tag) == opaque(version)) {
                return Err(MappingError::Changed);
            }
            Some(vec![version.clone()])
        }
        (None, Some(Guard::Version(version))) => Some(vec![version.clone()]),
        (Some(tags), None) if abilities.etag || abilities.compares => Some(tags),
        (Some(_), _) => return Err(MappingError::NoVersions),
        (None, _) => None,
    };
    Ok(Precondition {
        if_match,
        if_none_match: asked.if_none_match.filter(|_| abilities.etag),
    })
}

/// The present resource as the ground of a new state: `meta` is the directory's own.
fn present(before: &Before) -> Checked {
    let mut out = before.resource.clone();
    crate::scim::resource::remove(out.as_map_mut(), "meta");
    Checked::of(&out)
}

/// Whether two states are the same but for what is computed.
fn same_resource(new: &Resource, old: &Resource) -> bool {
    let counted = |key: &str, value: &Value| !is_computed(key) && !is_absent(value);
    let count = |resource: &Resource| {
        let map = resource.as_map();
        map.iter()
            .filter(|(key, value)| counted(key, value))
            .count()
    };
    count(new) == count(old)
        && new.as_map().iter().all(|(key, value)| {
            !counted(key, value)
                || find(old.as_map(), key).is_some_and(|other| value::same(other, value))
        })
}

fn is_computed(name: &str) -> bool {
    ["meta", "schemas"]
        .iter()
        .any(|n| name.eq_ignore_ascii_case(n))
}

/// The changes that make `new` of `old`; `None` where some name is none that a path can have.
pub(super) fn difference(ty: &Type, old: &Resource, new: &Resource) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    let skipped = |name: &str| ty.entry.id.is(name) || is_computed(name);
    for (key, value) in new.as_map() {
        if skipped(key) {
            continue;
        }
        let other = find(old.as_map(), key);
        match (value, key.contains(':')) {
            (Value::Object(inner), true) => {
                let uri: SchemaUri = key.parse().ok()?;
                let empty = Map::new();
                let other = other.and_then(Value::as_object).unwrap_or(&empty);
                for (name, value) in inner {
                    differ(
                        Some(&uri),
                        name,
                        find(other, name),
                        Some(value),
                        &mut changes,
                    )?;
                }
                for (name, value) in other {
                    if find(inner, name).is_none() {
                        differ(Some(&uri), name, Some(value), None, &mut changes)?;
                    }
                }
            }
            _ => differ(None, key, other, Some(value), &mut changes)?,
        }
    }
    for (key, value) in old.as_map() {
        if skipped(key) || find(new.as_map(), key).is_some() || is_absent(value) {
            continue;
        }
        match value {
            // Not every directory takes the URN alone for a path.
            Value::Object(inner) if key.contains(':') => {
                let uri: SchemaUri = key.parse().ok()?;
                for (name, value) in inner {
                    differ(Some(&uri), name, Some(value), None, &mut changes)?;
                }
            }
            _ => differ(None, key, Some(value), None, &mut changes)?,
        }
    }
    Some(changes)
}

fn differ(
    uri: Option<&SchemaUri>,
    name: &str,
    old: Option<&Value>,
    new: Option<&Value>,
    changes: &mut Vec<Change>,
) -> Option<()> {
    let old = old.filter(|value| !is_absent(value));
    let new = new.filter(|value| !is_absent(value));
    let path = |sub: Option<&str>| {
        Some(PatchPath::Attribute {
            uri: uri.cloned(),
            name: name.parse().ok()?,
            filter: None,
            sub: match sub {
                Some(sub) => Some(sub.parse().ok()?),
                None => None,
            },
        })
    };
    let mut push = |op, path, value: Option<&Value>| {
        changes.push(Change {
            op,
            path,
            value: value.cloned(),
        });
    };
    match (old, new) {
        (None, None) => {}
        (Some(_), None) => push(PatchOp::Remove, path(None)?, None),
        (Some(old), Some(new)) if value::same(old, new) => {}
        // Replacing a complex attribute leaves the parts that are not given.
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            for (sub, value) in new {
                if !find(old, sub).is_some_and(|other| value::same(other, value)) {
                    push(PatchOp::Replace, path(Some(sub))?, Some(value));
                }
            }
            for sub in old.keys() {
                if find(new, sub).is_none() {
                    push(PatchOp::Remove, path(Some(sub))?, None);
                }
            }
        }
        (_, Some(new)) => push(PatchOp::Replace, path(None)?, Some(new)),
    }
    Some(())
}

const NOT_READ: &str = "the present resource was needed and not read";
/// Room beside what the lines make.
const SPARE: usize = 8;
/// What a request is likely to have more than the client's.
const GROWTH: usize = 256;
