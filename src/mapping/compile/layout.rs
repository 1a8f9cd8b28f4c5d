//! What a driver of an LDAP directory must know of a type, out of its lines; and what of it does
//! not fit together.

use serde_json::Value;

use super::ldap::candidates;
use super::{Line, Type, error};
use crate::ldap::attribute;
use crate::ldap::layout::{
    Attribute, By, Disable, Flavor, Home, Made, OnDelete, Piece, Reference, Secret, Syntax, Values,
};
use crate::mapping::kind::Delta;
use crate::mapping::plan::{changes, creates, reads};
use crate::mapping::ruleset::{Backend, Form, LdapEntry, LineRule, Ruleset, TypeRule};
use crate::scim::patch::PatchOp;
use crate::scim::schema::Kind as DataType;
use crate::scim::{AttrName, ResourceType};
use crate::yaml::{Diagnostics, Source, suggest};

/// The layout of a type of an LDAP directory.
pub(super) fn home(
    source: &Source,
    rule: &TypeRule,
    types: &[TypeRule],
    lines: &[Line],
    d: &mut Diagnostics,
) -> Option<Home> {
    let own = rule.entry.ldap.as_deref()?;
    let mut attributes: Vec<Attribute> = Vec::new();
    for line in lines {
        let Some(written) = rule.lines.iter().find(|written| written.span == line.span) else {
            continue;
        };
        own_attributes(source, rule, line, d);
        let context = Context {
            source,
            rule,
            types,
            own,
        };
        for attribute in context.attributes(line, written, d) {
            match attributes
                .iter_mut()
                .find(|known| known.name == attribute.name)
            {
                Some(known) => merge(known, attribute),
                None => attributes.push(attribute),
            }
        }
    }
    created(source, own, lines, d);
    Some(Home {
        resource: rule.name.clone(),
        base: own.base.clone(),
        scope: own.scope,
        filter: own.filter.clone(),
        id: rule.entry.id.clone(),
        id_form: own.id_form,
        create: own.create.as_ref().map(|(create, _)| create.clone()),
        attributes,
        on_delete: on_delete(source, rule, own, lines, d),
        revive: own.revive,
        protect: rule.protect.as_ref().and_then(|rule| rule.layout.clone()),
        display: display(lines),
        line: own.line,
    })
}

/// Active Directory takes passwords over TLS only.
pub(super) fn clear(rules: &Ruleset, types: &[Type], d: &mut Diagnostics) {
    let Backend::Ldap(backend) = &rules.backend else {
        return;
    };
    if backend.starttls || backend.urls.iter().all(|url| url.tls) {
        return;
    }
    for ty in types {
        let unicode = |line: &&Line| {
            line.target
                .as_ref()
                .is_some_and(|p| p.name.is("unicodePwd"))
        };
        if let Some(line) = ty.lines.iter().find(unicode) {
            let text = "`unicodePwd` is taken over TLS only".to_owned();
            let help = "use `ldaps://` or `starttls: true`".to_owned();
            d.push(error(&rules.source, line.span, text, Some(help)));
        }
    }
}

struct Context<'a> {
    source: &'a Source,
    rule: &'a TypeRule,
    types: &'a [TypeRule],
    own: &'a LdapEntry,
}

impl Context<'_> {
    /// The attributes that a line names.
    fn attributes(&self, line: &Line, written: &LineRule, d: &mut Diagnostics) -> Vec<Attribute> {
        let touch = line.kind.touches();
        let reference = self.reference(written, d);
        touch
            .target
            .iter()
            .map(|place| Attribute {
                name: place.name.clone(),
                values: if touch.many {
                    Values::Many
                } else {
                    Values::One
                },
                syntax: self.syntax(written),
                reference: reference.clone(),
                secret: line.secret.then(|| self.secret(written, &place.name)),
                needs_class: written
                    .ldap
                    .needs_class
                    .as_ref()
                    .map(|(class, _)| class.clone()),
                unique: line.unique,
                made: made(written),
                guarded: line.kind.remembers(),
                created: creates(line),
                filtered: line.scim.is_some() && reads(line),
                line: line.number,
            })
            .collect()
    }

    fn syntax(&self, written: &LineRule) -> Syntax {
        let kind = written.scim.as_ref().and_then(|spot| {
            let attribute = self.rule.schema.find_attribute(&spot.place.path())?;
            match &spot.place.sub {
                Some(sub) => Some(attribute.sub(sub)?.kind),
                None => Some(attribute.kind),
            }
        });
        match (written.form, kind) {
            (Some((Form::Guid, _)), _) | (_, Some(DataType::Binary)) => Syntax::Binary,
            _ => Syntax::Text,
        }
    }

    fn secret(&self, written: &LineRule, target: &AttrName) -> Secret {
        let usual = self.own.flavor != Flavor::ActiveDirectory && target.is("userPassword");
        match written.ldap.extended {
            _ if target.is("unicodePwd") => Secret::Unicode,
            Some((true, _)) => Secret::Extended,
            Some((false, _)) => Secret::Value,
            None if usual => Secret::Extended,
            None => Secret::Value,
        }
    }

    fn reference(&self, written: &LineRule, d: &mut Diagnostics) -> Option<Reference> {
        if let Some((ty, name, span)) = &written.ldap.inverse {
            let other = self.types.iter().find(|rule| rule.name == *ty);
            let pointing = other.and_then(|rule| {
                rule.lines.iter().find(|line| {
                    let names = |spot: &crate::mapping::ruleset::Spot| spot.place.name == *name;
                    line.ldap.reference.is_some() && line.scim.as_ref().is_some_and(names)
                })
            });
            let Some(target) = pointing.and_then(|line| line.target.as_ref()) else {
                let text = format!("`{ty}` has no line for `{name}` with a `reference`");
                d.push(error(self.source, *span, text, None));
                return None;
            };
            return Some(Reference {
                to: vec![ty.clone()],
                by: By::Inverse(target.place.name.clone()),
                drop_unresolved: true,
                placeholder: None,
            });
        }
        let (reference, _) = written.ldap.reference.as_ref()?;
        for (ty, span) in &reference.to {
            if !self.types.iter().any(|rule| rule.name == *ty) {
                let text = format!("this rule has no type `{ty}`");
                let near = suggest(
                    ty.as_str(),
                    self.types.iter().map(|rule| rule.name.as_str()),
                );
                let help = near.map(|near| format!("did you mean `{near}`?"));
                d.push(error(self.source, *span, text, help));
            }
        }
        Some(Reference {
            to: reference
                .to
                .iter()
                .map(|(ty, _)| ty.clone())
                .collect::<Vec<ResourceType>>(),
            by: reference.by.clone().map_or(By::Dn, By::Attribute),
            drop_unresolved: reference.drop_unresolved,
            placeholder: reference.placeholder.clone(),
        })
    }
}

/// What the directory keeps itself is not written.
fn own_attributes(source: &Source, rule: &TypeRule, line: &Line, d: &mut Diagnostics) {
    if !creates(line) && !changes(line) {
        return;
    }
    for place in &line.kind.touches().target {
        let name = &place.name;
        let text = if *name == rule.entry.id {
            format!("`{name}` holds the id, which the directory makes")
        } else if name.is("objectClass") {
            "object classes are those of `create`, and what `needs_class` adds".to_owned()
        } else {
            continue;
        };
        let help = "`direction: read`".to_owned();
        d.push(error(source, line.span, text, Some(help)));
    }
}

/// Whatever a new entry is named by and put by must be written when it is made.
fn created(source: &Source, own: &LdapEntry, lines: &[Line], d: &mut Diagnostics) {
    let Some((create, span)) = &own.create else {
        return;
    };
    let written = |name: &AttrName| {
        let targets = |line: &&Line| line.kind.touches().target.iter().any(|p| p.name == *name);
        lines
            .iter()
            .filter(|line| creates(line))
            .any(|line| targets(&line))
    };
    let pieces = create.on_collision.iter().flat_map(|pattern| &pattern.0);
    let named = pieces.filter_map(|piece| match piece {
        Piece::Attribute(name) => Some(name),
        Piece::Text(_) => None,
    });
    let needed = std::iter::once(&create.rdn)
        .chain(create.container.by())
        .chain(named);
    for name in needed {
        if !written(name) {
            let text = format!("no line writes `{name}`, which `create` needs");
            let help = format!("such as `{{scim: …, target: {name}}}`");
            d.push(error(source, *span, text, Some(help)));
        }
    }
}

fn made(written: &LineRule) -> Option<Made> {
    let own = &written.ldap;
    let target = &written.target.as_ref()?.place.name;
    if let Some((allocate, _)) = &own.allocate {
        return Some(Made::Allocate {
            low: allocate.low,
            high: allocate.high,
            counter: allocate.counter.clone(),
            attribute: allocate.attribute.clone().unwrap_or_else(|| target.clone()),
        });
    }
    if own.from.is_some() {
        return Some(Made::Candidates(candidates(written, target)));
    }
    own.random.map(|(length, _)| Made::Random(length))
}

fn on_delete(
    source: &Source,
    rule: &TypeRule,
    own: &LdapEntry,
    lines: &[Line],
    d: &mut Diagnostics,
) -> OnDelete {
    let Some((keep, span)) = &own.keep else {
        return OnDelete::Remove;
    };
    let mut disable = Vec::new();
    if keep.disable {
        let active = lines.iter().find(|line| {
            let place = line.scim.as_ref();
            changes(line) && place.is_some_and(|p| p.uri.is_none() && p.name.is("active"))
        });
        let done = active.and_then(|line| {
            let written = rule
                .lines
                .iter()
                .find(|written| written.span == line.span)?;
            let target = line.target.as_ref()?;
            if let Some((mask, _)) = written.ldap.bit {
                let inverted = written.ldap.inverted.is_some_and(|(on, _)| on);
                return Some(vec![Disable::Bits {
                    attribute: target.name.clone(),
                    mask,
                    set: inverted,
                }]);
            }
            let delta = Delta::Set(PatchOp::Replace, Value::Bool(false));
            let changes = line.kind.patch(delta).ok()?;
            Some(changes.into_iter().map(Disable::Change).collect())
        });
        match done {
            Some(changes) => disable = changes,
            None => {
                let text = "no line says how `active: false` is written".to_owned();
                let help =
                    "`disable: true` needs a line for `active` that does not depend on what \
                            is there"
                        .to_owned();
                d.push(error(source, *span, text, Some(help)));
            }
        }
    }
    OnDelete::Keep {
        disable,
        move_to: Some(keep.move_to.clone()),
    }
}

/// What people call a resource: its display name, else its user name.
fn display(lines: &[Line]) -> Option<AttrName> {
    let target = |name: &str| {
        lines.iter().find_map(|line| {
            let place = line.scim.as_ref()?;
            let plain = place.uri.is_none() && place.name.is(name) && line.kind.raw().is_none();
            let target = line.target.as_ref().filter(|_| plain && !line.secret)?;
            attribute::is_name(target.name.as_str()).then(|| target.name.clone())
        })
    };
    target("displayName").or_else(|| target("userName"))
}

/// Two lines about one attribute: what either says of it.
fn merge(known: &mut Attribute, other: Attribute) {
    if other.values == Values::Many {
        known.values = Values::Many;
    }
    known.reference = known.reference.take().or(other.reference);
    known.secret = known.secret.or(other.secret);
    known.guarded |= other.guarded;
    known.created |= other.created;
    known.filtered |= other.filtered;
    known.unique |= other.unique;
    known.needs_class = known.needs_class.take().or(other.needs_class);
    known.made = known.made.take().or(other.made);
}
