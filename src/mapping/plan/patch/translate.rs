//! The translation of one change that lines map.

use serde_json::{Map, Value};

use super::{Step, by_value, without_reference};
use crate::mapping::compile::{Line, Type};
use crate::mapping::kind::{Delta, Refusal};
use crate::mapping::place::{Place, Terms, find, is_absent};
use crate::mapping::plan::document::not_known;
use crate::mapping::plan::{MappingError, changes, refused};
use crate::mapping::ruleset::Unmapped;
use crate::scim::filter::Filter;
use crate::scim::patch::{Change, PatchOp};
use crate::scim::schema::Mutability;
use crate::scim::{AttrName, AttrPath, PatchPath, ScimType};

/// One change on its way.
pub(super) struct Translation<'a> {
    pub(super) ty: &'a Type,
    pub(super) create_missing: bool,
    /// `None` once the present resource must be known: then only errors matter.
    pub(super) out: Option<Vec<Change>>,
    pub(super) dropped: &'a mut Vec<String>,
}

impl Translation<'_> {
    pub(super) fn change(&mut self, change: &Change) -> Result<Step, MappingError> {
        let PatchPath::Attribute {
            uri,
            name,
            filter,
            sub,
        } = &change.path
        else {
            return Ok(Step::NeedsBefore);
        };
        let ty = self.ty;
        let mut lines: Vec<(&Line, &Place)> = Vec::new();
        for line in &ty.lines {
            let places = &line.kind.touches().scim;
            if !places.iter().any(|p| p.is_beside(uri.as_ref(), name)) {
                continue;
            }
            match &line.scim {
                Some(place) if changes(line) => lines.push((line, place)),
                // What is read only in part is for `apply` to judge.
                Some(_) => return Ok(Step::NeedsBefore),
                // Part of a join: the other parts must be known.
                None => return Ok(Step::NeedsBefore),
            }
        }
        let multi = ty
            .full
            .find_attribute(&AttrPath {
                uri: uri.clone(),
                name: name.clone(),
                sub: None,
            })
            .is_some_and(|attribute| attribute.multi_valued);
        if let [(line, place)] = lines.as_slice() {
            if place.element.is_none() && place.sub.is_none() {
                return self.whole(line, change, multi);
            }
            if line.kind.touches().many && place.element.is_none() {
                return self.values(line, place, change);
            }
        }
        if lines.iter().any(|(line, _)| line.kind.touches().many) {
            return Ok(Step::NeedsBefore);
        }
        let elements = lines
            .iter()
            .filter(|(_, place)| place.element.is_some())
            .count();
        let parts = lines.iter().all(|(_, place)| place.sub.is_some());
        match (elements, filter) {
            (0, None) if parts && !multi => self.parts(&lines, change, sub.as_ref()),
            (n, Some(filter)) if parts && n == lines.len() => {
                self.element(&lines, change, filter, sub.as_ref())
            }
            (n, None) if parts && n == lines.len() && sub.is_none() => {
                self.elements(&lines, change)
            }
            _ => Ok(Step::NeedsBefore),
        }
    }

    /// A line that moves the whole attribute.
    fn whole(&mut self, line: &Line, change: &Change, multi: bool) -> Result<Step, MappingError> {
        let PatchPath::Attribute { filter, sub, .. } = &change.path else {
            return Ok(Step::NeedsBefore);
        };
        if filter.is_none() && sub.is_none() {
            return match (&change.value, change.op) {
                (Some(value), PatchOp::Remove) if !is_absent(value) => {
                    if line.kind.touches().many {
                        return self.push(line, Delta::Remove(listed(value)));
                    }
                    match by_value(change, value) {
                        Some(removals) => {
                            for removal in &removals {
                                if let Step::NeedsBefore =
                                    self.push(line, Delta::Within(removal))?
                                {
                                    return Ok(Step::NeedsBefore);
                                }
                            }
                            Ok(Step::Done)
                        }
                        None => Ok(Step::NeedsBefore),
                    }
                }
                (Some(value), PatchOp::Add) if multi && !is_absent(value) => {
                    self.push(line, Delta::Add(listed(value)))
                }
                (value, op) => self.set(line, op, value.as_ref()),
            };
        }
        if change.op != PatchOp::Remove && filter.is_some() && self.create_missing {
            return Ok(Step::NeedsBefore);
        }
        if change.op == PatchOp::Remove && change.value.as_ref().is_some_and(|v| !is_absent(v)) {
            return Ok(Step::NeedsBefore);
        }
        self.push(line, Delta::Within(change))
    }

    /// A line for all values of a multi-valued attribute.
    fn values(
        &mut self,
        line: &Line,
        place: &Place,
        change: &Change,
    ) -> Result<Step, MappingError> {
        let PatchPath::Attribute { filter, sub, .. } = &change.path else {
            return Ok(Step::NeedsBefore);
        };
        if let (Some(filter), None, PatchOp::Remove) = (filter, sub, change.op)
            && change.value.as_ref().is_none_or(is_absent)
            && let Some(elements) = place.sub.as_ref().and_then(|sub| named(filter, sub))
        {
            return self.push(line, Delta::Remove(elements));
        }
        if filter.is_some() || sub.is_some() {
            return Ok(Step::NeedsBefore);
        }
        match (&change.value, change.op) {
            (Some(value), PatchOp::Remove) if !is_absent(value) => {
                self.push(line, Delta::Remove(listed(value)))
            }
            (Some(value), op) if op != PatchOp::Remove && !is_absent(value) => {
                let items = listed(value);
                for item in &items {
                    self.rest_of(line, place, item)?;
                }
                match op {
                    PatchOp::Add => self.push(line, Delta::Add(items)),
                    _ => self.push(line, Delta::Set(op, Value::Array(items))),
                }
            }
            (Some(_), PatchOp::Add) => Ok(Step::Done),
            _ => self.clear(line),
        }
    }

    /// Lines for the parts of a single-valued complex attribute.
    fn parts(
        &mut self,
        lines: &[(&Line, &Place)],
        change: &Change,
        sub: Option<&AttrName>,
    ) -> Result<Step, MappingError> {
        if let Some(sub) = sub {
            let Some((line, _)) = lines
                .iter()
                .find(|(_, place)| place.sub.as_ref() == Some(sub))
            else {
                return Ok(Step::NeedsBefore);
            };
            return self.set(line, change.op, change.value.as_ref());
        }
        match &change.value {
            Some(Value::Object(given)) if change.op != PatchOp::Remove => {
                self.given(lines, change, given)
            }
            Some(value) if change.op != PatchOp::Remove && !is_absent(value) => {
                let text = format!("`{}` must be an object", change.path);
                Err(refused(ScimType::InvalidValue, text))
            }
            Some(value) if change.op == PatchOp::Remove && !is_absent(value) => {
                Ok(Step::NeedsBefore)
            }
            Some(_) if change.op == PatchOp::Add => Ok(Step::Done),
            _ => self.clear_all(lines),
        }
    }

    /// The parts that a value gives; the others stay (RFC 7644 §3.5.2.3).
    fn given(
        &mut self,
        lines: &[(&Line, &Place)],
        change: &Change,
        given: &Map<String, Value>,
    ) -> Result<Step, MappingError> {
        for (name, value) in given {
            let line = lines
                .iter()
                .find(|(_, place)| place.sub.as_ref().is_some_and(|sub| sub.is(name)));
            match line {
                Some((line, _)) => {
                    if let Step::NeedsBefore = self.set(line, change.op, Some(value))? {
                        return Ok(Step::NeedsBefore);
                    }
                }
                None => {
                    let path = format!("{}.{name}", change.path);
                    if self.is_ignored(&change.path, name) || is_absent(value) {
                        continue;
                    }
                    match self.ty.unmapped {
                        Unmapped::Pass => return Ok(Step::NeedsBefore),
                        Unmapped::Drop => self.dropped.push(path),
                        Unmapped::Reject => return Err(not_known(&path)),
                    }
                }
            }
        }
        Ok(Step::Done)
    }

    /// `emails[type eq "work"].value`: lines for exactly that element.
    fn element(
        &mut self,
        lines: &[(&Line, &Place)],
        change: &Change,
        filter: &Filter,
        sub: Option<&AttrName>,
    ) -> Result<Step, MappingError> {
        let Some(terms) = Terms::from_filter(filter) else {
            return Ok(Step::NeedsBefore);
        };
        let mut mine = Vec::new();
        for (line, place) in lines {
            match &place.element {
                Some(own) if own.same(&terms) => mine.push((*line, *place)),
                Some(own) if own.disjoint(&terms) => {}
                _ => return Ok(Step::NeedsBefore),
            }
        }
        if mine.is_empty() || (change.op != PatchOp::Remove && !self.create_missing) {
            // Whether there is such an element decides between a change and `noTarget`.
            return Ok(Step::NeedsBefore);
        }
        match sub {
            Some(sub) => {
                let line = mine
                    .iter()
                    .find(|(_, place)| place.sub.as_ref() == Some(sub));
                match line {
                    Some((line, _)) => self.set(line, change.op, change.value.as_ref()),
                    None => Ok(Step::NeedsBefore),
                }
            }
            None => match &change.value {
                Some(Value::Object(given)) if change.op == PatchOp::Add => {
                    for (line, place) in &mine {
                        self.rest_of(line, place, &Value::Object(given.clone()))?;
                        if let Some(value) = part(given, place)
                            && let Step::NeedsBefore = self.set(line, change.op, Some(value))?
                        {
                            return Ok(Step::NeedsBefore);
                        }
                    }
                    Ok(Step::Done)
                }
                None if change.op == PatchOp::Remove => self.clear_all(&mine),
                _ => Ok(Step::NeedsBefore),
            },
        }
    }

    /// `emails` with elements, where lines are for single elements.
    fn elements(
        &mut self,
        lines: &[(&Line, &Place)],
        change: &Change,
    ) -> Result<Step, MappingError> {
        if self.ty.unmapped == Unmapped::Pass || change.op == PatchOp::Remove {
            return if change.value.is_none() && self.ty.unmapped != Unmapped::Pass {
                self.clear_all(lines)
            } else {
                Ok(Step::NeedsBefore)
            };
        }
        let Some(value) = &change.value else {
            return Ok(Step::NeedsBefore);
        };
        // An element may be a partial description of what is there already; `apply` knows.
        if change.op == PatchOp::Add {
            return Ok(Step::NeedsBefore);
        }
        let items = if is_absent(value) {
            Vec::new()
        } else {
            listed(value)
        };
        for item in &items {
            let own = lines.iter().find(|(_, place)| {
                place
                    .element
                    .as_ref()
                    .is_some_and(|terms| terms.match_value(item))
            });
            match own {
                Some((line, place)) => self.rest_of(line, place, item)?,
                None if self.ty.unmapped == Unmapped::Reject => {
                    return Err(not_known(&change.path.to_string()));
                }
                None => self.dropped.push(change.path.to_string()),
            }
        }
        for (line, place) in lines {
            let element = items
                .iter()
                .rev()
                .find(|item| place.element.as_ref().is_some_and(|t| t.match_value(item)));
            let value = element
                .and_then(Value::as_object)
                .and_then(|element| part(element, place));
            let step = match value {
                Some(value) => self.set(line, PatchOp::Replace, Some(value))?,
                None => self.clear(line)?,
            };
            if let Step::NeedsBefore = step {
                return Ok(step);
            }
        }
        Ok(Step::Done)
    }

    /// What an element carries beside what lines of it map.
    fn rest_of(&mut self, line: &Line, place: &Place, item: &Value) -> Result<(), MappingError> {
        let Value::Object(element) = item else {
            return Ok(());
        };
        for (name, value) in element {
            let mapped = self.ty.lines.iter().any(|other| {
                other.scim.as_ref().is_some_and(|p| {
                    p.is_beside(place.uri.as_ref(), &place.name)
                        && p.element == place.element
                        && p.sub.as_ref().is_some_and(|sub| sub.is(name))
                })
            });
            let fixed = line
                .kind
                .touches()
                .constants
                .iter()
                .any(|(n, _)| n.is(name))
                || place
                    .element
                    .as_ref()
                    .is_some_and(|terms| terms.0.iter().any(|(n, _)| n.is(name)));
            if mapped || fixed || is_absent(value) || name.eq_ignore_ascii_case("$ref") {
                continue;
            }
            let path = format!("{}.{name}", place.parent());
            if self.ty.unmapped == Unmapped::Reject {
                return Err(not_known(&path));
            }
            self.dropped.push(path);
        }
        Ok(())
    }

    fn is_ignored(&self, path: &PatchPath, name: &str) -> bool {
        let Some(mut attr) = path.attr() else {
            return false;
        };
        attr.sub = name.parse().ok();
        name.eq_ignore_ascii_case("$ref")
            || self
                .ty
                .full
                .find(&attr)
                .is_some_and(|a| a.mutability == Mutability::ReadOnly)
    }

    fn set(
        &mut self,
        line: &Line,
        op: PatchOp,
        value: Option<&Value>,
    ) -> Result<Step, MappingError> {
        match value {
            Some(value) if op != PatchOp::Remove && !is_absent(value) => {
                if line.required && value.as_str().is_some_and(|text| text.trim().is_empty()) {
                    let text = format!("`{}` must not be empty", line.scim_text);
                    return Err(refused(ScimType::InvalidValue, text));
                }
                self.push(line, Delta::Set(op, without_reference(value.clone())))
            }
            Some(value) if op == PatchOp::Remove && !is_absent(value) => Ok(Step::NeedsBefore),
            Some(_) if op == PatchOp::Add => Ok(Step::Done),
            _ => self.clear(line),
        }
    }

    fn clear_all(&mut self, lines: &[(&Line, &Place)]) -> Result<Step, MappingError> {
        for (line, _) in lines {
            if let Step::NeedsBefore = self.clear(line)? {
                return Ok(Step::NeedsBefore);
            }
        }
        Ok(Step::Done)
    }

    fn clear(&mut self, line: &Line) -> Result<Step, MappingError> {
        if line.required {
            let text = format!("`{}` is required", line.scim_text);
            return Err(refused(ScimType::InvalidValue, text));
        }
        self.push(line, Delta::Clear)
    }

    fn push(&mut self, line: &Line, delta: Delta<'_>) -> Result<Step, MappingError> {
        match line.kind.patch(delta) {
            Ok(changes) => {
                if let Some(out) = &mut self.out {
                    out.extend(changes);
                }
                Ok(Step::Done)
            }
            Err(Refusal::NeedsBefore) => Ok(Step::NeedsBefore),
            Err(Refusal::Fault(fault)) => {
                let text = format!("`{}` {}", line.scim_text, fault.0);
                Err(refused(ScimType::InvalidValue, text))
            }
        }
    }
}

/// The elements that a filter names by their value alone: `value eq "a" or value eq "b"`.
fn named(filter: &Filter, sub: &AttrName) -> Option<Vec<Value>> {
    match filter {
        Filter::Or(parts) => {
            let parts: Option<Vec<_>> = parts.iter().map(|part| named(part, sub)).collect();
            Some(parts?.concat())
        }
        _ => match Terms::from_filter(filter)?.0.as_slice() {
            [(name, value)] if name == sub && !value.is_null() => {
                let mut element = Map::new();
                element.insert(sub.to_string(), value.clone());
                Some(vec![Value::Object(element)])
            }
            _ => None,
        },
    }
}

fn part<'a>(element: &'a Map<String, Value>, place: &Place) -> Option<&'a Value> {
    let sub = place.sub.as_ref()?;
    find(element, sub.as_str()).filter(|value| !is_absent(value))
}

fn listed(value: &Value) -> Vec<Value> {
    let items = match value {
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    };
    items.into_iter().map(without_reference).collect()
}
