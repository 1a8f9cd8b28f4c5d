//! What one line is, whatever its kind: which ways it goes, whether it is a secret, whether what it
//! names exists.

use crate::scim::AttrPath;
use crate::scim::schema::{Mutability, TypeSchema};
use crate::yaml::{Diagnostics, Source, suggest};

use super::{error, is_secret};
use crate::mapping::ruleset::{Direction, LineRule, Spot, TypeRule};

/// Which ways a line goes: said, or plain from what it is.
pub(super) fn direction(
    source: &Source,
    rule: &TypeRule,
    line: &LineRule,
    d: &mut Diagnostics,
) -> Direction {
    if line.constant.is_some() && line.scim.is_some() {
        return Direction::Read;
    }
    let own = &line.ldap;
    if own.allocate.is_some() || own.from.is_some() || own.random.is_some() {
        return Direction::Create;
    }
    if own.inverse.is_some() {
        return Direction::Read;
    }
    if line.join.is_some() || line.constant.is_some() {
        return match line.direction {
            Some((Direction::Create, _)) => Direction::Create,
            Some((Direction::Write, _)) | None => Direction::Write,
            Some((Direction::Both | Direction::Read, span)) => {
                let text = "this is only written".to_owned();
                let help = "`direction: create` writes it when the resource is made, and not later";
                d.push(error(source, span, text, Some(help.to_owned())));
                Direction::Write
            }
        };
    }
    if secret(line) {
        if let Some((Direction::Both | Direction::Read | Direction::Create, span)) = line.direction
        {
            let text = "a secret is written, never read".to_owned();
            let help = "`direction: write`".to_owned();
            d.push(error(source, span, text, Some(help)));
        }
        return Direction::Write;
    }
    let direction = line.direction.map(|(direction, _)| direction);
    let read_only = line.scim.as_ref().is_some_and(|spot| {
        let schema = &rule.schema;
        let read_only = |path: &AttrPath| {
            schema
                .find(path)
                .is_some_and(|a| a.mutability == Mutability::ReadOnly)
        };
        read_only(&spot.place.path()) || read_only(&spot.place.parent())
    });
    if read_only && direction != Some(Direction::Read) {
        if let Some(spot) = &line.scim {
            let text = format!("`{}` is read-only in SCIM", spot.text);
            let help = "`direction: read`".to_owned();
            d.push(error(source, spot.span, text, Some(help)));
        }
        return Direction::Read;
    }
    direction.unwrap_or_default()
}

/// Whether a line's value is a secret, by word or by name.
pub(super) fn secret(line: &LineRule) -> bool {
    let named = |spot: &Option<Spot>| {
        spot.as_ref().is_some_and(|spot| {
            is_secret(spot.place.name.as_str())
                || spot
                    .place
                    .sub
                    .as_ref()
                    .is_some_and(|s| is_secret(s.as_str()))
        })
    };
    line.secret || named(&line.scim) || named(&line.target)
}

/// Whether what a line names exists; says what does not.
pub(super) fn known(
    source: &Source,
    schema: &TypeSchema,
    spot: &Spot,
    d: &mut Diagnostics,
) -> bool {
    let place = &spot.place;
    let computed = ["id", "meta", "schemas"];
    if place.uri.is_none() && computed.iter().any(|name| place.name.is(name)) {
        let text = format!("`{}` is made by postern itself", place.name);
        let help = "`entry: {id: …}` says which attribute of the directory holds the id".to_owned();
        d.push(error(source, spot.span, text, Some(help)));
        return false;
    }
    let attributes = match &place.uri {
        None => Some(&schema.base),
        Some(uri) => schema.extension(uri),
    };
    if let (Some(uri), None) = (&place.uri, attributes) {
        let near = suggest(uri.as_str(), schema.uris().map(|uri| uri.as_str()));
        let text = format!("`{}` has no schema `{uri}`", schema.name);
        let help = near.map_or_else(
            || "declare it under `schemas`, and name it in `extensions`".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        d.push(error(source, spot.span, text, Some(help)));
        return false;
    }
    let Some(whole) = schema.find_attribute(&place.path()) else {
        let names = attributes.iter().flat_map(|schema| &schema.attributes);
        let near = suggest(place.name.as_str(), names.map(|a| a.name.as_str()));
        let text = format!("`{}` has no attribute `{}`", schema.name, place.name);
        let help = near.map_or_else(
            || "attributes of your own are declared under `schemas`".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        d.push(error(source, spot.span, text, Some(help)));
        return false;
    };
    let terms = place.element.iter().flat_map(|terms| &terms.0);
    let subs = place.sub.iter().chain(terms.map(|(name, _)| name));
    let mut fine = true;
    for sub in subs {
        if whole.sub(sub).is_none() {
            let names = whole.sub_attributes.iter().map(|a| a.name.as_str());
            let near = suggest(sub.as_str(), names);
            let text = format!("`{}` has no sub-attribute `{sub}`", whole.name);
            let help = near.map(|near| format!("did you mean `{near}`?"));
            d.push(error(source, spot.span, text, help));
            fine = false;
        }
    }
    fine
}
