//! A whole multi-valued attribute and an array of plain values: `members.value` and `member`.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::scim::patch::{Change, PatchOp};
use crate::scim::value::same;
use crate::scim::{AttrName, AttrPath, Resource};

use super::{Delta, Fault, Kind, Pushed, Refusal, Test, Touch, Untranslatable, Write};
use crate::mapping::place::{Place, Terms, array, find_mut, is_absent, slot};
use crate::mapping::transform::Chain;

/// `{scim: phoneNumbers.value, target: telephoneNumber}`; with an element filter and `many: true`
/// the elements that match.
#[derive(Debug)]
pub struct Values {
    touch: Touch,
    /// The multi-valued attribute, without element and sub-attribute.
    whole: Place,
    /// Which elements; all where there is none.
    terms: Option<Terms>,
    /// Elements that other lines take: not ours.
    except: Vec<Terms>,
    /// The sub-attribute that holds the value; `None` where elements are plain on both sides.
    sub: Option<AttrName>,
    target: Place,
    chain: Chain,
    /// Whether a `PUT` without the attribute clears the target.
    clears: bool,
}

impl Values {
    /// A line for the elements of `scim` that none of `except` means.
    #[must_use]
    pub fn new(
        touch: Touch,
        scim: Place,
        except: Vec<Terms>,
        target: Place,
        chain: Chain,
        clears: bool,
    ) -> Self {
        Self {
            touch,
            whole: Place {
                element: None,
                sub: None,
                ..scim.clone()
            },
            terms: scim.element,
            except,
            sub: scim.sub,
            target,
            chain,
            clears,
        }
    }

    fn is_ours(&self, element: &Value) -> bool {
        self.terms.as_ref().is_none_or(|t| t.match_value(element))
            && !self.except.iter().any(|t| t.match_value(element))
    }

    /// The plain value of an element; a scalar is its own.
    fn plain(&self, element: &mut Value) -> Option<Value> {
        let value = match (&self.sub, element) {
            (Some(sub), Value::Object(members)) => std::mem::take(find_mut(members, sub.as_str())?),
            (_, value) => std::mem::take(value),
        };
        (!is_absent(&value)).then_some(value)
    }

    fn put_all(&self, elements: Vec<Value>) -> Result<Vec<Value>, Fault> {
        let mut plain = Vec::with_capacity(elements.len());
        for mut element in elements {
            if let Some(value) = self.plain(&mut element) {
                plain.push(self.chain.put(value)?);
            }
        }
        unique(&mut plain);
        Ok(plain)
    }

    fn element(&self, value: Value) -> Value {
        let Some(sub) = &self.sub else {
            return value;
        };
        let mut element = Map::new();
        element.insert(sub.as_str().to_owned(), value);
        let terms = self.terms.iter().flat_map(|terms| &terms.0);
        for (name, constant) in terms.chain(&self.touch.constants) {
            let place = slot(&mut element, name.as_str());
            if place.is_null() {
                place.clone_from(constant);
            }
        }
        Value::Object(element)
    }
}

impl Kind for Values {
    fn touches(&self) -> &Touch {
        &self.touch
    }

    fn put(&self, from: &mut Resource, out: &mut Resource, write: Write) -> Result<(), Fault> {
        let mut plain = Vec::new();
        if let Some(place) = locate(&self.whole, from) {
            match place {
                Value::Array(items) => {
                    for item in items.iter_mut() {
                        if self.is_ours(item)
                            && let Some(value) = self.plain(item)
                        {
                            plain.push(self.chain.put(value)?);
                        }
                    }
                }
                Value::Object(_) if self.is_ours(place) => {
                    if let Some(value) = self.plain(place) {
                        plain.push(self.chain.put(value)?);
                    }
                }
                _ => {}
            }
        }
        if write == Write::Replace
            && !self.chain.is_empty()
            && let Some(old) = self.target.peek(out)
        {
            // What could not be seen is not erased.
            let hidden = items(old)
                .iter()
                .filter(|value| !matches!(self.chain.get((*value).clone()), Ok(Some(_))))
                .cloned();
            let hidden: Vec<_> = hidden.collect();
            plain.extend(hidden);
        }
        unique(&mut plain);
        if !plain.is_empty() {
            self.target.set(out, Value::Array(plain), &[]);
        } else if write == Write::Replace && self.clears {
            self.target.clear(out);
        }
        Ok(())
    }

    fn get(&self, from: &mut Resource, out: &mut Resource) -> Result<(), Fault> {
        let Some(value) = self.target.take(from) else {
            return Ok(());
        };
        let mut fault = None;
        let mut elements = Vec::new();
        for value in owned(value) {
            match self.chain.get(value) {
                Ok(Some(value)) => elements.push(self.element(value)),
                Ok(None) => {}
                Err(error) => fault = Some(error),
            }
        }
        if !elements.is_empty() {
            match locate(&self.whole, out).and_then(array) {
                Some(there) => there.append(&mut elements),
                None => self.whole.set(out, Value::Array(elements), &[]),
            }
        }
        fault.map_or(Ok(()), Err)
    }

    fn filter(&self, test: &Test<'_>) -> Result<Pushed, Untranslatable> {
        self.chain.test(*test, &|test| {
            Ok(Pushed::Ask(match test {
                Test::Present => self.target.present(),
                Test::Compare(op, value) => self.target.compare(op, value),
            }))
        })
    }

    fn patch(&self, delta: Delta<'_>) -> Result<Vec<Change>, Refusal> {
        let change = |op, value| {
            Ok(vec![Change {
                op,
                path: self.target.patch_path(),
                value,
            }])
        };
        match delta {
            Delta::Add(elements) => {
                change(PatchOp::Add, Some(Value::Array(self.put_all(elements)?)))
            }
            Delta::Set(_, value) => {
                let plain = self.put_all(owned(value))?;
                if plain.is_empty() {
                    change(PatchOp::Remove, None)
                } else {
                    change(PatchOp::Replace, Some(Value::Array(plain)))
                }
            }
            Delta::Clear => change(PatchOp::Remove, None),
            // The RFC has no way to remove one value of a plain array.
            Delta::Within(_) => Err(Refusal::NeedsBefore),
        }
    }

    fn sort(&self) -> Option<AttrPath> {
        None
    }
}

fn locate<'a>(place: &Place, resource: &'a mut Resource) -> Option<&'a mut Value> {
    let home = match &place.uri {
        Some(uri) => find_mut(resource.as_map_mut(), uri.as_str())?.as_object_mut()?,
        None => resource.as_map_mut(),
    };
    find_mut(home, place.name.as_str()).filter(|value| !value.is_null())
}

fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        other => std::slice::from_ref(other),
    }
}

fn owned(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        other => vec![other],
    }
}

/// Keeps each value once, at its first place; in linear time for the arrays that grow large.
fn unique(values: &mut Vec<Value>) {
    let mut seen: HashSet<(bool, String)> = HashSet::new();
    let mut kept: Vec<Value> = Vec::with_capacity(values.len());
    for value in values.drain(..) {
        let new = match &value {
            Value::String(text) => seen.insert((true, text.clone())),
            Value::Number(number) => seen.insert((false, number.to_string())),
            other => !kept.iter().any(|k| same(k, other)),
        };
        if new {
            kept.push(value);
        }
    }
    *values = kept;
}
