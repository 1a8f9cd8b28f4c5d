//! Changes of a multi-valued attribute: all of it, elements of it, a sub-attribute of elements.

use serde_json::{Map, Value};

use super::identity::Identity;
use super::task::Task;
use super::{PatchError, PatchOp};
use crate::scim::filter::{self, CompareOp, Filter};
use crate::scim::name::AttrName;
use crate::scim::resource;
use crate::scim::schema::Kind;

impl Task<'_> {
    pub(super) fn plural(&self, home: &mut Map<String, Value>) -> Result<(), PatchError> {
        let mut elements = match resource::get_mut(home, self.name).map(Value::take) {
            Some(Value::Array(elements)) => elements,
            // An untidy directory's single value.
            Some(value) if !value.is_null() => vec![value],
            _ => Vec::new(),
        };
        match (self.filter, self.sub) {
            (None, None) => self.all(&mut elements)?,
            (None, Some(sub)) => self.sub_of_all(&mut elements, sub)?,
            (Some(wanted), sub) => self.chosen(&mut elements, wanted, sub)?,
        }
        if !elements.is_empty() {
            resource::insert(home, self.name, elements.into());
        } else if self.is_required() {
            return Err(self.mutability("is required and cannot be emptied"));
        } else {
            resource::remove(home, self.name);
        }
        Ok(())
    }

    /// `emails`.
    fn all(&self, elements: &mut Vec<Value>) -> Result<(), PatchError> {
        match (self.op, self.value) {
            (PatchOp::Remove | PatchOp::Replace, None) => {
                self.unless_immutable(elements, &[])?;
                elements.clear();
            }
            // Adding nothing is no removal.
            (PatchOp::Add, None) => {}
            (PatchOp::Remove, Some(value)) => self.take_out(elements, value),
            (PatchOp::Add, Some(value)) => {
                let given = self.given(value)?;
                self.add(elements, given)?;
            }
            (PatchOp::Replace, Some(value)) => {
                let mut next = Vec::new();
                self.add(&mut next, self.given(value)?)?;
                self.unless_immutable(elements, &next)?;
                *elements = next;
            }
        }
        Ok(())
    }

    /// `emails.value`: of every element. A new `value` makes a new element, as an `add` of it to
    /// the attribute does.
    fn sub_of_all(&self, elements: &mut Vec<Value>, sub: &AttrName) -> Result<(), PatchError> {
        let listed = matches!(self.value, Some(Value::Array(_) | Value::Object(_)));
        if sub.is("value") && (listed || self.op != PatchOp::Replace || elements.is_empty()) {
            let wrapped = self.value.map(|value| wrap(value, sub));
            let whole = Task {
                value: wrapped.as_ref(),
                sub: None,
                ..*self
            };
            return whole.all(elements);
        }
        if elements.is_empty() && self.value.is_some() && self.op != PatchOp::Remove {
            if DESCRIPTIVE.iter().any(|name| sub.is(name)) {
                return Err(self.no_target("has no value that this could describe"));
            }
            elements.push(Map::new().into());
        }
        let every: Vec<usize> = (0..elements.len()).collect();
        self.set_sub(elements, &every, sub)
    }

    /// `emails[type eq "work"]` and `emails[type eq "work"].value`.
    fn chosen(
        &self,
        elements: &mut Vec<Value>,
        wanted: &Filter,
        sub: Option<&AttrName>,
    ) -> Result<(), PatchError> {
        self.tally
            .look(elements.len().saturating_mul(terms(wanted)))?;
        let matches = |element: &Value| filter::element_matches(wanted, element, self.known);
        let chosen: Vec<usize> = (0..elements.len())
            .filter(|at| elements.get(*at).is_some_and(matches))
            .collect();
        let removes = self.op == PatchOp::Remove || self.value.is_none();
        if chosen.is_empty() {
            // What is not there is removed already.
            return if removes {
                Ok(())
            } else {
                self.create(elements, wanted, sub)
            };
        }
        match (sub, self.value.filter(|_| !removes)) {
            (Some(sub), _) => self.set_sub(elements, &chosen, sub)?,
            (None, None) => retain_indexed(elements, |at| chosen.binary_search(&at).is_err()),
            (None, Some(value)) => {
                let given = self.one(value)?;
                for at in &chosen {
                    if let Some(element) = elements.get_mut(*at) {
                        self.put(element, &given, wanted);
                    }
                }
                self.settle_primary(elements, &chosen)?;
            }
        }
        Ok(())
    }

    /// A value for one chosen element: `add` adds its sub-attributes, `replace` puts it in place of
    /// the element, except that what the filter asks for stays.
    fn put(&self, element: &mut Value, given: &Value, wanted: &Filter) {
        match (&mut *element, given) {
            (Value::Object(parts), Value::Object(given)) => {
                if self.op == PatchOp::Replace {
                    parts.clear();
                    for (name, value) in eq_terms(wanted).unwrap_or_default() {
                        resource::insert(parts, name.as_str(), value.clone());
                    }
                }
                for (name, value) in given {
                    resource::insert(parts, name, value.clone());
                }
            }
            _ => *element = given.clone(),
        }
    }

    /// No element matches: the RFC has no target, Entra ID expects one with what the filter says.
    fn create(
        &self,
        elements: &mut Vec<Value>,
        wanted: &Filter,
        sub: Option<&AttrName>,
    ) -> Result<(), PatchError> {
        let missing = || self.no_target("has no value that the filter matches");
        if !self.create_missing || self.known.is_some_and(|known| known.kind != Kind::Complex) {
            return Err(missing());
        }
        let terms = eq_terms(wanted).ok_or_else(missing)?;
        // A filter on `value` names one element that exists or not; a member is not made by
        // changing how it is shown.
        if terms.iter().any(|(name, _)| name.is("value")) {
            return Err(missing());
        }
        let mut parts = Map::new();
        for (name, value) in terms {
            self.on_sub(name.as_str(), None).check_type(value)?;
            resource::insert(&mut parts, name.as_str(), value.clone());
        }
        match (sub, self.value) {
            (Some(sub), value) => self.on_sub(sub.as_str(), value).apply(&mut parts)?,
            (None, Some(value)) => {
                let Value::Object(given) = self.one(value)? else {
                    return Err(self.invalid_value("takes an object"));
                };
                for (name, value) in given {
                    resource::insert(&mut parts, &name, value);
                }
            }
            (None, None) => {}
        }
        let created = Value::Object(parts);
        // Otherwise a repeat would not find it, and make another.
        if !filter::element_matches(wanted, &created, self.known) {
            return Err(missing());
        }
        self.tally.create();
        let at = elements.len();
        elements.push(created);
        self.settle_primary(elements, &[at])
    }

    /// Changes a sub-attribute of the elements at `places`. An element that loses its `value` or
    /// its last sub-attribute is gone.
    fn set_sub(
        &self,
        elements: &mut Vec<Value>,
        places: &[usize],
        sub: &AttrName,
    ) -> Result<(), PatchError> {
        let task = self.on_sub(sub.as_str(), self.value);
        let removes = self.op == PatchOp::Remove || task.value.is_none();
        let mut gone = Vec::new();
        for at in places {
            let Some(element) = elements.get_mut(*at) else {
                continue;
            };
            if removes && sub.is("value") {
                gone.push(*at);
                continue;
            }
            let Value::Object(parts) = element else {
                return Err(self.invalid_value("is a plain value here, without parts"));
            };
            task.apply(parts)?;
            if parts.is_empty() {
                gone.push(*at);
            }
        }
        self.settle_primary(elements, places)?;
        retain_indexed(elements, |at| gone.binary_search(&at).is_err());
        Ok(())
    }

    /// The elements that a value gives: of an array, or the one that it is.
    fn given(&self, value: &Value) -> Result<Vec<Value>, PatchError> {
        let list = match value {
            Value::Array(list) => list.as_slice(),
            one => std::slice::from_ref(one),
        };
        let present = list.iter().filter(|value| !value.is_null());
        let elements = present.map(|value| self.one(value));
        elements
            .filter(|element| !matches!(element, Ok(Value::Object(parts)) if parts.is_empty()))
            .collect()
    }

    /// One element as it may be stored: of the right type, without nulls and read-only parts.
    fn one(&self, value: &Value) -> Result<Value, PatchError> {
        self.check_type(value)?;
        let Value::Object(given) = value else {
            return Ok(value.clone());
        };
        let mut parts = Map::new();
        for (name, value) in given {
            let task = self.on_member(name, value);
            if let Some(value) = task.value
                && !task.is_read_only()
            {
                if !(value.is_array() && task.known.is_some_and(|known| known.multi_valued)) {
                    task.check_type(value)?;
                }
                parts.insert(name.clone(), value.clone());
            }
        }
        Ok(parts.into())
    }

    /// Adds what is not there yet; to what is there, the sub-attributes given with it.
    fn add(&self, elements: &mut Vec<Value>, given: Vec<Value>) -> Result<(), PatchError> {
        let identity = Identity::of(self.known);
        let size = elements.len() + given.len();
        let mut index = identity.index(elements, size, given.len());
        let mut primary = Vec::new();
        for new in given {
            let at = identity.find(elements, index.as_ref(), &new);
            let at = at.unwrap_or(elements.len());
            if is_primary(&new) {
                primary.push(at);
            }
            match elements.get_mut(at) {
                Some(present) => self.merge(present, new),
                None => elements.push(new),
            }
            if let (Some(index), Some(element)) = (&mut index, elements.get(at)) {
                index.add(identity, element, at);
            }
        }
        self.settle_primary(elements, &primary)
    }

    fn merge(&self, present: &mut Value, new: Value) {
        if let (Value::Object(present), Value::Object(new)) = (present, new) {
            for (name, value) in new {
                let fixed = self.on_sub(&name, Some(&value)).is_immutable();
                if !fixed && !name.eq_ignore_ascii_case("value") {
                    resource::insert(present, &name, value);
                }
            }
        }
    }

    /// Removes the elements that are given; others stay.
    fn take_out(&self, elements: &mut Vec<Value>, value: &Value) {
        let identity = Identity::of(self.known);
        let given = match value {
            Value::Array(list) => list.as_slice(),
            one => std::slice::from_ref(one),
        };
        let index = identity.index(given, given.len(), elements.len());
        elements.retain(|element| identity.find(given, index.as_ref(), element).is_none());
    }

    /// At most one element is primary: what was just made so, or what was.
    fn settle_primary(&self, elements: &mut [Value], touched: &[usize]) -> Result<(), PatchError> {
        let mut winner = None;
        for at in touched {
            if elements.get(*at).is_some_and(is_primary)
                && winner.replace(*at).is_some_and(|w| w != *at)
            {
                return Err(self.invalid_value("has more than one primary value"));
            }
        }
        if winner.is_some() {
            for (at, element) in elements.iter_mut().enumerate() {
                if Some(at) != winner
                    && is_primary(element)
                    && let Value::Object(parts) = element
                {
                    resource::insert(parts, "primary", Value::Bool(false));
                }
            }
        }
        Ok(())
    }

    fn unless_immutable(&self, present: &[Value], next: &[Value]) -> Result<(), PatchError> {
        if self.is_immutable() && !present.is_empty() && present != next {
            return Err(self.mutability("cannot change once it is set"));
        }
        Ok(())
    }
}

/// How many comparisons a filter makes.
fn terms(filter: &Filter) -> usize {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().map(terms).sum(),
        Filter::Not(inner) | Filter::Element(_, inner) => terms(inner),
        Filter::Compare(_) | Filter::Present(_) => 1,
    }
}

/// The terms of a filter that says nothing but what sub-attributes equal.
fn eq_terms(filter: &Filter) -> Option<Vec<(&AttrName, &Value)>> {
    match filter {
        Filter::Compare(term) if term.op == CompareOp::Eq && term.path.sub.is_none() => {
            (!term.value.is_null()).then(|| vec![(&term.path.name, &term.value)])
        }
        Filter::And(parts) => {
            let terms: Option<Vec<_>> = parts.iter().map(eq_terms).collect();
            terms.map(|terms| terms.into_iter().flatten().collect())
        }
        _ => None,
    }
}

/// `"x"` as `{"value": "x"}`, each of an array.
fn wrap(value: &Value, sub: &AttrName) -> Value {
    match value {
        Value::Array(list) => list.iter().map(|value| wrap(value, sub)).collect(),
        Value::Object(_) | Value::Null => value.clone(),
        scalar => Map::from_iter([(sub.as_str().to_owned(), scalar.clone())]).into(),
    }
}

fn is_primary(element: &Value) -> bool {
    let part = element
        .as_object()
        .and_then(|parts| resource::get(parts, "primary"));
    part == Some(&Value::Bool(true))
}

fn retain_indexed(elements: &mut Vec<Value>, keep: impl Fn(usize) -> bool) {
    let mut at = 0;
    elements.retain(|_| {
        let kept = keep(at);
        at += 1;
        kept
    });
}

/// Sub-attributes that only say something about a value.
const DESCRIPTIVE: &[&str] = &["type", "primary", "display", "$ref"];
