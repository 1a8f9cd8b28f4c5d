//! `attributes`, `excludedAttributes` and `sortBy` in the directory's words.

use super::{Plan, reads, refused};
use crate::mapping::compile::{Line, Type, is_secret};
use crate::mapping::place::Place;
use crate::mapping::plan::MappingError;
use crate::mapping::ruleset::Unmapped;
use crate::scim::operation::Projection;
use crate::scim::{AttrName, AttrPath, ScimType};

impl Plan {
    /// What to ask of the directory, so that the answer can be trimmed in the client's words.
    pub(super) fn projection(&self, ty: &Type, projection: &Projection) -> Projection {
        match projection {
            Projection::All => Projection::All,
            Projection::Only(paths) => {
                let mut wanted = vec![AttrPath::of(ty.entry.id.clone())];
                add(&mut wanted, AttrPath::of(AttrName::known("meta")));
                for stamp in ty.entry.stamps() {
                    add(&mut wanted, AttrPath::of(stamp.clone()));
                }
                for path in paths {
                    only(ty, path, &mut wanted);
                }
                Projection::Only(wanted)
            }
            Projection::Except(paths) => {
                let mut unwanted = Vec::new();
                for path in paths {
                    except(ty, path, paths, &mut unwanted);
                }
                if unwanted.is_empty() {
                    Projection::All
                } else {
                    Projection::Except(unwanted)
                }
            }
        }
    }

    /// The attribute that the directory sorts by.
    pub(super) fn sort(&self, ty: &Type, path: &AttrPath) -> Result<AttrPath, MappingError> {
        let refuse = |why: &str| {
            let text = format!("`sortBy={path}` cannot be asked of the directory: {why}");
            Err(refused(ScimType::InvalidPath, text))
        };
        let secret = is_secret(path.name.as_str())
            || path.sub.as_ref().is_some_and(|sub| is_secret(sub.as_str()));
        if secret {
            // The order alone would tell it, letter by letter.
            return refuse("it is a secret");
        }
        if path.uri.is_none() && path.name.is("id") {
            return Ok(AttrPath::of(ty.entry.id.clone()));
        }
        if path.uri.is_none() && path.name.is("meta") {
            return Ok(ty.meta(path));
        }
        let complex = ty
            .full
            .find_attribute(path)
            .is_some_and(|a| !a.sub_attributes.is_empty());
        let lines: Vec<&Line> = readable(ty)
            .filter(|(_, place)| place.is_beside(path.uri.as_ref(), &path.name))
            .filter(|(_, place)| match (&path.sub, &place.sub) {
                (Some(a), Some(b)) => a == b,
                (None, Some(b)) => complex && b.is("value"),
                (_, None) => true,
            })
            .map(|(line, _)| line)
            .collect();
        match lines.as_slice() {
            [] if ty.unmapped == Unmapped::Pass && !shadowed(ty, path) => Ok(path.clone()),
            [] => refuse("no line maps it"),
            [line] => match line.kind.sort() {
                Some(mut target) => {
                    let whole = line.scim.as_ref().is_some_and(|place| place.sub.is_none());
                    match &path.sub {
                        Some(sub) if whole && target.sub.is_none() => {
                            target.sub = Some(sub.clone())
                        }
                        Some(_) if whole => return refuse("it is nested too deep there"),
                        _ => {}
                    }
                    Ok(target)
                }
                None => refuse("the mapping does not keep its order"),
            },
            _ => refuse("it comes from several attributes"),
        }
    }
}

fn readable(ty: &Type) -> impl Iterator<Item = (&Line, &Place)> {
    ty.lines
        .iter()
        .filter(|line| reads(line))
        .filter_map(|line| Some((line, line.scim.as_ref()?)))
}

fn touches(path: &AttrPath, place: &Place) -> bool {
    let own = place.path();
    path.covers(&own) || own.covers(path)
}

fn only(ty: &Type, path: &AttrPath, wanted: &mut Vec<AttrPath>) {
    let computed = ["id", "meta", "schemas"];
    if path.uri.is_none() && computed.iter().any(|name| path.name.is(name)) {
        return;
    }
    // What of it comes from elsewhere altogether, and whether some of its elements do.
    let (mut mapped, mut divided) = (false, false);
    for (line, place) in readable(ty) {
        // Terms and constants of an element tell that it is there.
        let element = place.element.is_some() || !line.kind.touches().constants.is_empty();
        let beside = place.is_beside(path.uri.as_ref(), &path.name);
        divided |= beside && place.element.is_some();
        mapped |= beside && place.element.is_none() && place.path().covers(path);
        if touches(path, place) || (element && beside) {
            for target in &line.kind.touches().target {
                let mut asked = target.path();
                if target.element.is_some() {
                    asked.sub = None;
                } else if place.sub.is_none() && target.sub.is_none() && line.kind.raw().is_some() {
                    // A part of what moves whole is asked for as a part.
                    asked.sub.clone_from(&path.sub);
                }
                add(wanted, asked);
            }
        }
    }
    if ty.unmapped == Unmapped::Pass && !mapped && !shadowed(ty, path) {
        // Which elements are to be seen is told by the whole of them.
        add(wanted, if divided { path.parent() } else { path.clone() });
    }
}

fn except(ty: &Type, path: &AttrPath, all: &[AttrPath], unwanted: &mut Vec<AttrPath>) {
    let computed = ["id", "schemas"];
    if path.uri.is_none() && computed.iter().any(|name| path.name.is(name)) {
        return;
    }
    if path.uri.is_none() && path.name.is("meta") {
        // The version in it may be needed.
        return;
    }
    let mut mapped = false;
    for (line, place) in readable(ty) {
        mapped |= place.is_beside(path.uri.as_ref(), &path.name);
        if !path.covers(&place.path()) {
            continue;
        }
        for target in &line.kind.touches().target {
            let needed = readable(ty).any(|(other, other_place)| {
                let touched = &other.kind.touches().target;
                touched.iter().any(|t| t.overlaps(target))
                    && !all.iter().any(|p| p.covers(&other_place.path()))
            });
            if !needed && target.element.is_none() {
                add(unwanted, target.path());
            }
        }
    }
    if ty.unmapped == Unmapped::Pass && !mapped && !shadowed(ty, path) {
        add(unwanted, path.clone());
    }
}

/// Whether the directory means something else by that name.
pub(super) fn shadowed(ty: &Type, path: &AttrPath) -> bool {
    let place = Place {
        uri: path.uri.clone(),
        name: path.name.clone(),
        element: None,
        sub: path.sub.clone(),
    };
    ty.lines
        .iter()
        .flat_map(|line| &line.kind.touches().target)
        .any(|target| target.overlaps(&place))
        || (path.uri.is_none() && path.name == ty.entry.id)
        || (path.uri.is_none() && ty.entry.stamps().any(|stamp| path.name == *stamp))
}

fn add(paths: &mut Vec<AttrPath>, path: AttrPath) {
    if !paths.iter().any(|p| p.covers(&path)) {
        paths.retain(|p| !path.covers(p));
        paths.push(path);
    }
}
