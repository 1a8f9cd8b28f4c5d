//! The keys of a line that say how a directory spells a value, and those that only lines for an
//! LDAP directory have.

use serde_json::Value;

use crate::ldap::Dn;
use crate::ldap::made::OnCollision;
use crate::scim::{AttrName, ResourceType};
use crate::yaml::{self, Diagnostic, Diagnostics, Node, Source, Span, Table};

use super::{Spot, entry, ldap, line, scalar};

/// How a directory spells a value: `as` of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The digits of a text, as a number.
    Number,
    /// `20261101080000Z`.
    GeneralizedTime,
    /// Intervals of 100 ns since 1601.
    FileTime,
    /// Seconds since 1970.
    EpochSeconds,
    /// Days since 1970.
    EpochDays,
    /// The sixteen bytes of a GUID.
    Guid,
}

/// What only lines for an LDAP directory say.
#[derive(Debug, Clone, Default)]
pub struct LdapKeys {
    /// The bit of a number.
    pub bit: Option<(u32, Span)>,
    /// Whether `true` clears it.
    pub inverted: Option<(bool, Span)>,
    /// The value that means something; others mean nothing.
    pub marker: Option<(String, Span)>,
    /// What it means.
    pub means: Option<(Value, Span)>,
    /// The resources that the target points to.
    pub reference: Option<(ReferenceRule, Span)>,
    /// `inverse: Group.members`: the type and the attribute that point here.
    pub inverse: Option<(ResourceType, AttrName, Span)>,
    /// The next free number.
    pub allocate: Option<(Allocate, Span)>,
    /// The SCIM attribute that the value is made from.
    pub from: Option<Spot>,
    /// What ends the part of it that counts.
    pub until: Option<(char, Span)>,
    /// At most so many characters.
    pub max: Option<(usize, Span)>,
    /// What becomes of a value that is taken.
    pub on_collision: Option<(OnCollision, Span)>,
    /// Random text of so many characters.
    pub random: Option<(usize, Span)>,
    /// The object class that the attribute needs.
    pub needs_class: Option<(String, Span)>,
    /// The attribute that keeps which of several suffixes a name has.
    pub domain: Option<Spot>,
    /// Whether a password is set by the extended operation (`extended`), else as a value.
    pub extended: Option<(bool, Span)>,
}

/// `reference: {to: [User], by: dn}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceRule {
    /// The types.
    pub to: Vec<(ResourceType, Span)>,
    /// The attribute that stands for the entry; its name where there is none.
    pub by: Option<AttrName>,
    /// Whether what points nowhere is left out.
    pub drop_unresolved: bool,
    /// A value that stands for none.
    pub placeholder: Option<Dn>,
}

/// `allocate: {range: 10000-59999, counter: "cn=next,…", attribute: uidNumber}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocate {
    /// The lowest.
    pub low: u64,
    /// The highest.
    pub high: u64,
    /// The entry that counts.
    pub counter: Dn,
    /// The attribute of it; the target's own name where it is not said.
    pub attribute: Option<AttrName>,
}

/// Reads a path of the client's.
type ReadSpot<'a> = &'a dyn Fn(&Node, &mut Diagnostics) -> Option<Spot>;

/// The keys of a line for an LDAP directory; `None` where the line cannot be compiled without one
/// that is broken.
pub(super) fn read(
    source: &Source,
    table: &mut Table<'_>,
    is_ldap: bool,
    spot: ReadSpot<'_>,
    d: &mut Diagnostics,
) -> Option<LdapKeys> {
    let mut missing = false;
    let mut at = |key: &'static str, d: &mut Diagnostics| {
        let node = table.optional(key)?;
        if !is_ldap {
            let message = format!("`{key}` is for LDAP directories");
            d.push(Diagnostic::error(source, table.place(key), message));
            missing = true;
            return None;
        }
        Some(node)
    };
    let bit_node = at("bit", d);
    let inverted_node = at("inverted", d);
    let marker_node = at("marker", d);
    let means_node = at("means", d);
    let reference_node = at("reference", d);
    let inverse_node = at("inverse", d);
    let allocate_node = at("allocate", d);
    let from_node = at("from", d);
    let until_node = at("until", d);
    let max_node = at("max", d);
    let collision_node = at("on_collision", d);
    let random_node = at("random", d);
    let class_node = at("needs_class", d);
    let password_node = at("password", d);
    let domain_node = at("domain", d);
    let collisions = [
        ("number", OnCollision::Number),
        ("refuse", OnCollision::Refuse),
    ];
    let ways = [("extended", true), ("value", false)];
    let keys = LdapKeys {
        bit: bit_node.and_then(|node| Some((bit(source, node, d)?, node.span))),
        inverted: inverted_node.and_then(|node| Some((node.boolean(source, d)?, node.span))),
        marker: marker_node.and_then(|node| Some((scalar::text(source, node, d)?, node.span))),
        means: means_node.and_then(|node| Some((scalar::value(source, node, d)?, node.span))),
        reference: reference_node.and_then(|node| Some((reference(source, node, d)?, node.span))),
        inverse: inverse_node.and_then(|node| inverse(source, node, d)),
        allocate: allocate_node.and_then(|node| Some((allocate(source, node, d)?, node.span))),
        from: from_node.and_then(|node| spot(node, d)),
        until: until_node.and_then(|node| Some((sign(source, node, d)?, node.span))),
        max: max_node.and_then(|node| Some((within(source, node, (1, 1024), d)?, node.span))),
        on_collision: collision_node
            .and_then(|node| Some((scalar::word(source, node, &collisions, d)?, node.span))),
        random: random_node.and_then(|node| {
            let least = u64::try_from(crate::ldap::secret::SHORTEST).unwrap_or(16);
            Some((within(source, node, (least, 128), d)?, node.span))
        }),
        needs_class: class_node.and_then(|node| Some((entry::class(source, node, d)?, node.span))),
        domain: domain_node.and_then(|node| line::attribute(source, node, d)),
        extended: password_node
            .and_then(|node| Some((scalar::word(source, node, &ways, d)?, node.span))),
    };
    let broken = [
        bit_node.is_some() != keys.bit.is_some(),
        marker_node.is_some() != keys.marker.is_some(),
        reference_node.is_some() != keys.reference.is_some(),
        inverse_node.is_some() != keys.inverse.is_some(),
        allocate_node.is_some() != keys.allocate.is_some(),
        from_node.is_some() != keys.from.is_some(),
        random_node.is_some() != keys.random.is_some(),
        domain_node.is_some() != keys.domain.is_some(),
        missing,
    ];
    (!broken.contains(&true)).then_some(keys)
}

/// `swap: {"@corp.example.com": "@corp.local"}`.
pub(super) fn swap(
    source: &Source,
    node: &Node,
    d: &mut Diagnostics,
) -> Option<Vec<(String, String)>> {
    let table = Table::open(source, node, "the endings that are swapped", d)?;
    let mut rows: Vec<(String, String)> = Vec::new();
    for (key, node) in table.entries() {
        let Some(theirs) = scalar::text(source, node, d) else {
            continue;
        };
        let mut refuse = |span, text: &str| {
            let message = format!("another ending of the table ends like `{text}`");
            let error = Diagnostic::error(source, span, message);
            d.push(error.help("each value must have one ending, on either side"));
        };
        let like = |a: &str, b: &str| {
            let (a, b) = (a.to_lowercase(), b.to_lowercase());
            a.ends_with(&b) || b.ends_with(&a)
        };
        if rows.iter().any(|(ours, _)| like(ours, &key.text)) {
            refuse(key.span, &key.text);
        }
        if rows.iter().any(|(_, other)| like(other, &theirs)) {
            refuse(node.span, &theirs);
        }
        if key.text.is_empty() {
            d.push(Diagnostic::error(
                source,
                key.span,
                "this must not be empty",
            ));
        }
        rows.push((key.text.clone(), theirs));
    }
    if rows.is_empty() {
        d.push(Diagnostic::error(
            source,
            node.span,
            "`swap` names no ending",
        ));
        return None;
    }
    Some(rows)
}

fn bit(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<u32> {
    let number = node.integer(source, d)?;
    let bit = u32::try_from(number)
        .ok()
        .filter(|bit| bit.is_power_of_two());
    if bit.is_none() {
        let error = Diagnostic::error(source, node.span, format!("`{number}` is not one bit"));
        d.push(error.help("a power of two, such as 2 for ACCOUNTDISABLE of `userAccountControl`"));
    }
    bit
}

fn reference(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<ReferenceRule> {
    let mut table = Table::open(source, node, "a reference", d)?;
    let mut to = Vec::new();
    let to_node = table.required("to", d);
    for item in to_node
        .and_then(|node| node.list(source, d))
        .unwrap_or_default()
    {
        match item.string(source, d).map(str::parse::<ResourceType>) {
            Some(Ok(name)) => to.push((name, item.span)),
            Some(Err(error)) => d.push(Diagnostic::error(source, item.span, error.to_string())),
            None => {}
        }
    }
    let by_node = table.required("by", d);
    let by = by_node.and_then(|node| match &node.value {
        yaml::Value::String(text) if text == "dn" => Some(None),
        _ => entry::name(source, node, d).map(Some),
    });
    let unresolved = [("refuse", false), ("drop", true)];
    let drop_unresolved = table
        .optional("unresolved")
        .and_then(|node| scalar::word(source, node, &unresolved, d))
        .unwrap_or(false);
    let placeholder = table
        .optional("placeholder")
        .and_then(|node| ldap::dn(source, node, d));
    table.finish(d);
    if to.is_empty() {
        if let Some(node) = to_node
            && matches!(&node.value, yaml::Value::List(items) if items.is_empty())
        {
            d.push(Diagnostic::error(source, node.span, "`to` names no type"));
        }
        return None;
    }
    Some(ReferenceRule {
        to,
        by: by?,
        drop_unresolved,
        placeholder,
    })
}

fn inverse(
    source: &Source,
    node: &Node,
    d: &mut Diagnostics,
) -> Option<(ResourceType, AttrName, Span)> {
    let text = node.string(source, d)?;
    let parts = text.split_once('.');
    let found = parts.and_then(|(ty, name)| Some((ty.parse().ok()?, name.parse().ok()?)));
    if found.is_none() {
        let shown: String = text.chars().take(60).collect();
        let message = format!("`{shown}` is not an attribute of a type");
        let error = Diagnostic::error(source, node.span, message);
        d.push(error.help("such as `Group.members`"));
    }
    found.map(|(ty, name)| (ty, name, node.span))
}

fn allocate(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<Allocate> {
    let mut table = Table::open(source, node, "an allocation", d)?;
    let range_node = table.required("range", d);
    let range = range_node.and_then(|node| {
        let text = node.string(source, d)?;
        let bounds = text
            .split_once('-')
            .and_then(|(low, high)| Some((digits(low)?, digits(high)?)))
            .filter(|(low, high)| low <= high && *high <= u64::from(u32::MAX));
        if bounds.is_none() {
            let error = Diagnostic::error(source, node.span, "`range` is none");
            d.push(error.help("such as `10000-59999`"));
        }
        bounds
    });
    let counter = table
        .required("counter", d)
        .and_then(|node| ldap::dn(source, node, d));
    let attribute = table
        .optional("attribute")
        .and_then(|node| entry::name(source, node, d));
    table.finish(d);
    let (low, high) = range?;
    Some(Allocate {
        low,
        high,
        counter: counter?,
        attribute,
    })
}

fn digits(text: &str) -> Option<u64> {
    let text = text.trim();
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn sign(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<char> {
    let text = node.string(source, d)?;
    let mut signs = text.chars();
    match (signs.next(), signs.next()) {
        (Some(sign), None) => Some(sign),
        _ => {
            let error = Diagnostic::error(source, node.span, "`until` is one character");
            d.push(error.help("such as `\"@\"`"));
            None
        }
    }
}

fn within(
    source: &Source,
    node: &Node,
    (low, high): (u64, u64),
    d: &mut Diagnostics,
) -> Option<usize> {
    let number = node.integer(source, d)?;
    if (low..=high).contains(&number) {
        return usize::try_from(number).ok();
    }
    let message = format!("must be from {low} to {high}");
    d.push(Diagnostic::error(source, node.span, message));
    None
}

/// The words of `as`.
pub(super) const FORMS: [(&str, Form); 6] = [
    ("number", Form::Number),
    ("generalized-time", Form::GeneralizedTime),
    ("filetime", Form::FileTime),
    ("epoch-seconds", Form::EpochSeconds),
    ("epoch-days", Form::EpochDays),
    ("guid", Form::Guid),
];
