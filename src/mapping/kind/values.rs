//! A whole multi-valued attribute and an array of plain values: `members.value` and `member`.

use std::collections::HashSet;

use serde_json::Value;

use crate::scim::json::{Members, Node, Sort};
use crate::scim::patch::{Change, PatchOp};
use crate::scim::value::same;
use crate::scim::{AttrName, AttrPath};

use super::{Delta, Fault, Kind, Pushed, Refusal, Test, Touch, Untranslatable, Write};
use crate::mapping::place::{Place, Terms};
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
    /// What the directory takes beside the RFC's own changes, and gives beside plain values.
    side: Side,
}

/// What the directory of a line of [`Values`] can do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Side {
    /// Single values can be removed by `remove` with an array.
    pub deltas: bool,
    /// An element may come as `{value, type, display}`: a reference.
    pub objects: bool,
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
        (clears, side): (bool, Side),
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
            side,
        }
    }

    fn is_ours(&self, element: &mut Node<'_>) -> bool {
        self.terms.as_ref().is_none_or(|t| t.match_node(element))
            && !self.except.iter().any(|t| t.match_node(element))
    }

    /// The plain value of an element, for the directory; a scalar is its own.
    fn plain<'a>(&self, element: &mut Node<'a>) -> Result<Option<Node<'a>>, Fault> {
        let place = match &self.sub {
            Some(sub) if element.sort() == Sort::Object => {
                element.object().and_then(|m| m.find_mut(sub.as_str()))
            }
            _ => Some(element),
        };
        let value = place.map(std::mem::take).filter(|value| !value.is_absent());
        value.map(|value| self.chain.put_node(value)).transpose()
    }

    fn put_all(&self, elements: &Value) -> Result<Vec<Value>, Fault> {
        let mut plain = Vec::new();
        for mut element in owned(elements.into()) {
            plain.extend(self.plain(&mut element)?);
        }
        unique(&mut plain);
        Ok(plain.iter().map(Node::to_value).collect())
    }

    /// The values of the directory alone.
    fn bare<'a>(&self, old: Node<'a>) -> Vec<Node<'a>> {
        let mut values = owned(old);
        if self.side.objects {
            for value in &mut values {
                let inner = value.object().and_then(|parts| parts.find_mut("value"));
                if let Some(inner) = inner.map(std::mem::take) {
                    *value = inner;
                }
            }
        }
        values
    }

    fn element<'a>(&'a self, value: Node<'a>) -> Node<'a> {
        let Some(sub) = &self.sub else {
            return value;
        };
        let mut element = Members::with_capacity(ELEMENT);
        element.push(sub.as_str(), value);
        let terms = self.terms.iter().flat_map(|terms| &terms.0);
        for (name, constant) in terms.chain(&self.touch.constants) {
            let place = element.slot(name.as_str());
            if place.is_null() {
                *place = constant.into();
            }
        }
        element.into()
    }
}

impl Kind for Values {
    fn touches(&self) -> &Touch {
        &self.touch
    }

    fn put<'a>(
        &'a self,
        from: &mut Members<'a>,
        out: &mut Members<'a>,
        write: Write,
    ) -> Result<(), Fault> {
        let mut plain = Vec::new();
        if let Some(place) = locate(&self.whole, from) {
            match place.sort() {
                Sort::Array => {
                    for item in place.array().into_iter().flatten() {
                        if self.is_ours(item) {
                            plain.extend(self.plain(item)?);
                        }
                    }
                }
                Sort::Object if self.is_ours(place) => plain.extend(self.plain(place)?),
                _ => {}
            }
        }
        if write == Write::Replace
            && !self.chain.is_empty()
            && let Some(old) = self.target.peek(out)
        {
            // What could not be seen is not erased.
            let hidden =
                |value: &Node<'_>| !matches!(self.chain.get(value.to_value()), Ok(Some(_)));
            plain.extend(self.bare(old.clone()).into_iter().filter(hidden));
        }
        unique(&mut plain);
        if !plain.is_empty() {
            self.target.set(out, Node::Array(plain), &[]);
        } else if write == Write::Replace && self.clears {
            self.target.clear(out);
        }
        Ok(())
    }

    fn get<'a>(&'a self, from: &mut Members<'a>, out: &mut Members<'a>) -> Result<(), Fault> {
        let Some(value) = self.target.take(from) else {
            return Ok(());
        };
        let mut fault = None;
        let mut elements = Vec::new();
        for mut value in owned(value) {
            let beside = match value.object().filter(|_| self.side.objects) {
                Some(parts) => {
                    let parts = std::mem::take(parts);
                    let (inner, beside): (Vec<_>, Vec<_>) = parts
                        .into_members()
                        .partition(|(name, _)| name.eq_ignore_ascii_case("value"));
                    value = inner
                        .into_iter()
                        .next()
                        .map_or(Node::NULL, |(_, value)| value);
                    beside
                }
                None => Vec::new(),
            };
            match self.chain.get_node(value) {
                Ok(Some(value)) => {
                    let mut element = self.element(value);
                    if let Some(parts) = element.object() {
                        for (name, value) in beside {
                            let place = parts.slot(name);
                            if place.is_null() {
                                *place = value;
                            }
                        }
                    }
                    elements.push(element);
                }
                Ok(None) => {}
                Err(error) => fault = Some(error),
            }
        }
        if !elements.is_empty() {
            match locate(&self.whole, out).and_then(Node::make_array) {
                Some(there) => there.append(&mut elements),
                None => self.whole.set(out, Node::Array(elements), &[]),
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
            Delta::Add(elements) => change(
                PatchOp::Add,
                Some(Value::Array(self.put_all(&Value::Array(elements))?)),
            ),
            // Told as what comes and goes: there may be more than one change can hold, and values
            // that nobody sees stay.
            Delta::Set(_, value) if self.side.objects && !self.put_all(&value)?.is_empty() => {
                Err(Refusal::NeedsBefore)
            }
            Delta::Set(_, value) => {
                let plain = self.put_all(&value)?;
                if plain.is_empty() {
                    change(PatchOp::Remove, None)
                } else {
                    change(PatchOp::Replace, Some(Value::Array(plain)))
                }
            }
            Delta::Clear => change(PatchOp::Remove, None),
            Delta::Remove(elements) if self.side.deltas => {
                let plain = self.put_all(&Value::Array(elements))?;
                if plain.is_empty() {
                    return Ok(Vec::new());
                }
                change(PatchOp::Remove, Some(Value::Array(plain)))
            }
            Delta::Remove(_) => Err(Refusal::NeedsBefore),
            // The RFC has no way to remove one value of a plain array.
            Delta::Within(_) => Err(Refusal::NeedsBefore),
        }
    }

    fn sort(&self) -> Option<AttrPath> {
        None
    }

    fn looks(&self) -> bool {
        self.side.objects || self.chain.hides()
    }
}

fn locate<'m, 'a>(place: &Place, members: &'m mut Members<'a>) -> Option<&'m mut Node<'a>> {
    let home = match &place.uri {
        Some(uri) => members.find_mut(uri.as_str())?.object()?,
        None => members,
    };
    let value = home.find_mut(place.name.as_str());
    value.filter(|value| !value.is_null())
}

/// The elements of an array; one value is its own.
fn owned(mut value: Node<'_>) -> Vec<Node<'_>> {
    match value.array() {
        Some(items) => std::mem::take(items),
        None => vec![value],
    }
}

/// Keeps each value once, at its first place; in linear time for the arrays that grow large.
fn unique(values: &mut Vec<Node<'_>>) {
    let mut seen: HashSet<(bool, String)> = HashSet::new();
    let mut kept: Vec<Node<'_>> = Vec::with_capacity(values.len());
    for value in values.drain(..) {
        let new = match (value.as_str(), value.as_number()) {
            (Some(text), _) => seen.insert((true, text.into_owned())),
            (None, Some(number)) => seen.insert((false, number.to_owned())),
            (None, None) => {
                let value = value.to_value();
                !kept.iter().any(|k| same(&k.to_value(), &value))
            }
        };
        if new {
            kept.push(value);
        }
    }
    *values = kept;
}

/// Room for an element of the usual size.
const ELEMENT: usize = 3;
