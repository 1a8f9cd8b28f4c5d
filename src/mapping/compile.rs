//! From a rule as written to a plan that runs: every path resolved, every law checked, every
//! mistake reported in one go.

mod build;
mod chain;
mod check;
mod guarded;
mod held;
mod keys;
mod layout;
mod ldap;
mod line;
mod secret;
mod table;

use std::sync::Arc;

use serde_json::Value;

use crate::scim::schema::{Mutability, TypeSchema};
use crate::scim::{AttrName, AttrPath, SchemaUri};
use crate::yaml::{Diagnostic, Diagnostics, Source, Span};

use super::covers::Covers;
use super::kind::{Class, Kind};
use super::place::Place;
use super::plan::{Plan, changes};
use super::ruleset::{Backend, Direction, Entry, ProtectRule, Ruleset, TypeRule, Unmapped};
use crate::ldap::layout::Home;

pub(crate) use secret::is_secret;

/// A resource type, compiled.
#[derive(Debug)]
pub(super) struct Type {
    /// What this tenant can truly hold: discovery, parsing, PATCH.
    pub(super) held: TypeSchema,
    /// Everything that the type could hold: what paths mean.
    pub(super) full: TypeSchema,
    /// Where it lives in the directory.
    pub(super) entry: Entry,
    /// In the order of the rule.
    pub(super) lines: Vec<Line>,
    /// The order in which lines put: those that only look come before those that take.
    pub(super) put_order: Vec<usize>,
    /// What becomes of the rest.
    pub(super) unmapped: Unmapped,
    /// Whether what an account may not write is left out, instead of refused.
    pub(super) discards: bool,
    /// What the lines account for on the client's side.
    pub(super) mapped: Covers,
    /// The same, and what clients may send though it is never taken: read-only attributes.
    pub(super) scim: Covers,
    /// What the lines account for on the directory's side.
    pub(super) target: Covers,
    /// Whether a PUT must see the present resource.
    pub(super) overlay: bool,
    /// Whether a PUT that is told as changes must see the present resource too.
    pub(super) looks: bool,
    /// The base schema that the directory's documents carry; `None` when they carry what the rule
    /// lists.
    pub(super) sent_base: Option<SchemaUri>,
    /// The schemas that the rule lists.
    pub(super) sent: Vec<SchemaUri>,
    /// All that a driver of an LDAP directory must know.
    pub(super) home: Option<Home>,
    /// Attributes with a `$ref`, and the type that they point to where that is always the same.
    pub(super) references: Vec<Reference>,
    /// The attributes whose values the audit trail shows as they are.
    pub(super) plain: Vec<AttrPath>,
    /// Which resources nobody may harm.
    pub(super) protect: Option<ProtectRule>,
}

/// A line, compiled.
#[derive(Debug)]
pub(super) struct Line {
    /// The line of the file.
    pub(super) number: usize,
    /// Its place.
    pub(super) span: Span,
    /// What it does.
    pub(super) kind: Box<dyn Kind>,
    /// What kind of line it is, for people.
    pub(super) what: &'static str,
    /// Which ways it goes.
    pub(super) direction: Direction,
    /// Whether a resource must have it.
    pub(super) required: bool,
    /// Whether its value is a secret.
    pub(super) secret: bool,
    /// Whether no two resources may have the same value.
    pub(super) unique: bool,
    /// Whether it takes the elements that no other line means.
    pub(super) rest: bool,
    /// Whether other lines may write the same attribute.
    pub(super) share: Share,
    /// The values that a client may send, where they are few.
    pub(super) canonical: Vec<String>,
    /// The SCIM attribute that is its own: not the parts of a join.
    pub(super) scim: Option<Place>,
    /// Whether its values are references: then the directory tells their `type` and `display` too.
    pub(super) refers: bool,
    /// The target.
    pub(super) target: Option<Place>,
    /// As written.
    pub(super) scim_text: String,
    /// As written.
    pub(super) target_text: String,
}

/// Whether other lines may write what a line writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// None may.
    Nothing,
    /// Those of other bits may.
    Bit(u32),
    /// It is written only where the other line writes nothing.
    Fallback,
}

impl Share {
    fn with(self, other: Self) -> bool {
        match (self, other) {
            (Self::Bit(a), Self::Bit(b)) => a != b,
            (Self::Fallback, Self::Nothing) | (Self::Nothing, Self::Fallback) => true,
            _ => false,
        }
    }
}

impl Type {
    /// Whether the directory speaks LDAP.
    pub(super) fn is_ldap(&self) -> bool {
        self.entry.ldap.is_some()
    }

    /// A part of `meta` in the directory's words.
    pub(super) fn meta(&self, path: &AttrPath) -> AttrPath {
        match path.sub.as_ref().and_then(|part| self.entry.stamp(part)) {
            Some(stamp) => AttrPath::of(stamp.clone()),
            None => path.clone(),
        }
    }
}

/// An attribute with a `$ref`.
#[derive(Debug)]
pub(super) struct Reference {
    /// The attribute.
    pub(super) path: AttrPath,
    /// The type that it points to, where that is always the same.
    pub(super) to: Option<&'static str>,
}

/// What is wrong with the lines of types that were read from a file with other mistakes.
pub(super) fn complaints(source: &Source, types: &[TypeRule], d: &mut Diagnostics) {
    for rule in types {
        build::lines(source, rule, d);
    }
}

/// Compiles a rule.
pub(super) fn plan(rules: &Ruleset) -> Result<(Plan, Diagnostics), Diagnostics> {
    let mut found = Diagnostics::default();
    let types: Vec<Type> = rules
        .types
        .iter()
        .map(|rule| compile_type(&rules.source, rule, &rules.types, &mut found))
        .collect();
    layout::clear(rules, &types, &mut found);
    guarded::watched(rules, &mut found);
    if found.has_errors() {
        return Err(found);
    }
    let plan = Plan {
        base: Arc::clone(&rules.tenant_url.text),
        accents: rules.accents,
        guard: rules.guard,
        keeps: match &rules.backend {
            Backend::Ldap(ldap) => (
                ldap.keeps_references,
                ldap.keeps_unique,
                ldap.keeps_memberships,
            ),
            Backend::Scim(_) => (false, false, false),
        },
        flavor: match &rules.backend {
            Backend::Ldap(ldap) => Some(ldap.flavor),
            Backend::Scim(_) => None,
        },
        types,
    };
    Ok((plan, found))
}

fn compile_type(source: &Source, rule: &TypeRule, types: &[TypeRule], d: &mut Diagnostics) -> Type {
    let lines = build::lines(source, rule, d);
    check::conflicts(source, &lines, d);
    check::missing(source, rule, d);
    let (mapped, target) = covers(rule, &lines);
    let scim = with_read_only(rule, mapped.clone());
    let mut put_order: Vec<usize> = (0..lines.len()).collect();
    put_order.sort_by_key(|index| {
        let line = lines.get(*index);
        line.is_some_and(|line| line.scim.is_some())
    });
    let plain = |line: &Line| {
        line.secret
            || (line.direction == Direction::Both && line.kind.touches().class == Class::Lossless)
    };
    let overlay = rule.unmapped != Unmapped::Pass || !lines.iter().all(plain);
    let home = layout::home(source, rule, types, &lines, d);
    Type {
        held: held::schema(rule, &lines),
        full: rule.schema.clone(),
        entry: rule.entry.clone(),
        put_order,
        unmapped: rule.unmapped,
        discards: rule.discards,
        mapped,
        scim,
        target,
        overlay,
        looks: rule.entry.ldap.is_some()
            && lines.iter().any(|line| changes(line) && line.kind.looks()),
        sent_base: match &rule.entry.schemas {
            None => Some(rule.schema.base.id.clone()),
            Some(_) => None,
        },
        sent: rule.entry.schemas.clone().unwrap_or_default(),
        references: references(rule),
        home,
        plain: rule.plain.clone(),
        protect: rule.protect.clone(),
        lines,
    }
}

fn covers(rule: &TypeRule, lines: &[Line]) -> (Covers, Covers) {
    let (mut scim, mut target) = (Covers::default(), Covers::default());
    let dollar_ref = AttrName::known("$ref");
    for line in lines {
        let touch = line.kind.touches();
        let mut known: Vec<AttrName> = touch.constants.iter().map(|(n, _)| n.clone()).collect();
        known.push(dollar_ref.clone());
        for place in &touch.scim {
            scim.add(place, touch.many, &known);
        }
        for place in &touch.target {
            target.add(place, false, &[]);
        }
    }
    for name in ["id", "meta", "schemas"] {
        scim.add(&Place::of(AttrName::known(name)), false, &[]);
    }
    for name in ["meta", "schemas"] {
        target.add(&Place::of(AttrName::known(name)), false, &[]);
    }
    for name in std::iter::once(&rule.entry.id).chain(rule.entry.stamps()) {
        target.add(&Place::of(name.clone()), false, &[]);
    }
    (scim, target)
}

/// What the RFC has as read-only is ignored when a client sends it (decisions, 36).
fn with_read_only(rule: &TypeRule, mut scim: Covers) -> Covers {
    let schemas = std::iter::once((None, &rule.schema.base)).chain(
        rule.schema
            .extensions
            .iter()
            .map(|extension| (Some(extension.id.clone()), extension)),
    );
    for (uri, schema) in schemas {
        for attribute in &schema.attributes {
            let place = |sub: Option<AttrName>| Place {
                uri: uri.clone(),
                name: attribute.name.clone(),
                element: None,
                sub,
            };
            if attribute.mutability == Mutability::ReadOnly {
                scim.add(&place(None), false, &[]);
            } else if !attribute.multi_valued {
                let read_only = |a: &&crate::scim::schema::Attribute| {
                    a.mutability == Mutability::ReadOnly || a.name.is("$ref")
                };
                for sub in attribute.sub_attributes.iter().filter(read_only) {
                    scim.add(&place(Some(sub.name.clone())), false, &[]);
                }
            }
        }
    }
    scim
}

fn references(rule: &TypeRule) -> Vec<Reference> {
    let mut found = Vec::new();
    let schemas = std::iter::once((None, &rule.schema.base)).chain(
        rule.schema
            .extensions
            .iter()
            .map(|extension| (Some(extension.id.clone()), extension)),
    );
    for (uri, schema) in schemas {
        for attribute in &schema.attributes {
            let Some(reference) = attribute
                .sub_attributes
                .iter()
                .find(|sub| sub.name.is("$ref"))
            else {
                continue;
            };
            let to = match reference.reference_types.as_slice() {
                _ if attribute.name.is("groups") => Some("Group"),
                [one] if one == "User" => Some("User"),
                [one] if one == "Group" => Some("Group"),
                _ => None,
            };
            found.push(Reference {
                path: AttrPath {
                    uri: uri.clone(),
                    name: attribute.name.clone(),
                    sub: None,
                },
                to,
            });
        }
    }
    found
}

/// An error at a place of the rule file.
fn error(source: &Source, span: Span, text: String, help: Option<String>) -> Diagnostic {
    let error = Diagnostic::error(source, span, text);
    match help {
        Some(help) => error.help(help),
        None => error,
    }
}

/// Whether two lines can both write when one document is put.
fn write_together(a: &Line, b: &Line) -> bool {
    (changes(a) && changes(b)) || (super::plan::creates(a) && super::plan::creates(b))
}

/// The value of a scalar for people.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.chars().take(60).collect(),
        other => other.to_string().chars().take(60).collect(),
    }
}
