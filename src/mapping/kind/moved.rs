//! One value at one place on either side: rename, nest and un-nest, extension URN, a whole complex
//! or multi-valued attribute, the element of a multi-valued attribute; with a chain of transforms.

use serde_json::Value;

use crate::scim::json::{Members, Node};
use crate::scim::patch::{Change, PatchOp};
use crate::scim::value::same;
use crate::scim::{AttrPath, PatchPath};

use super::{Delta, Fault, Kind, Pushed, Raw, Refusal, Test, Touch, Untranslatable, Write};
use crate::mapping::place::Place;
use crate::mapping::transform::Chain;

/// `{scim: name.givenName, target: givenName}`.
#[derive(Debug)]
pub struct Moved {
    touch: Touch,
    scim: Place,
    target: Place,
    chain: Chain,
    /// Whether a later line reads the SCIM attribute as well.
    keep_scim: bool,
    /// Whether a later line reads the target as well.
    keep_target: bool,
    /// Whether a `PUT` without the attribute clears the target.
    clears: bool,
}

impl Moved {
    /// A line whose places are `touch`'s first ones.
    #[must_use]
    pub fn new(
        touch: Touch,
        scim: Place,
        target: Place,
        chain: Chain,
        keep: (bool, bool),
        clears: bool,
    ) -> Self {
        Self {
            touch,
            scim,
            target,
            chain,
            keep_scim: keep.0,
            keep_target: keep.1,
            clears,
        }
    }

    fn is_void(&self, value: &Node<'_>) -> bool {
        value.as_str().is_some_and(|text| text.is_empty()) && self.chain.void(&value.to_value())
    }

    fn present(&self, old: Option<&mut Node<'_>>) -> Option<Value> {
        self.chain.get(old?.to_value()).ok().flatten()
    }
}

impl Kind for Moved {
    fn touches(&self) -> &Touch {
        &self.touch
    }

    fn put<'a>(
        &'a self,
        from: &mut Members<'a>,
        out: &mut Members<'a>,
        write: Write,
    ) -> Result<(), Fault> {
        let value = if self.keep_scim {
            self.scim.peek(from).map(|value| value.clone())
        } else {
            self.scim.take(from)
        };
        let value = value.filter(|value| !self.is_void(value));
        let present = match write {
            Write::Create => None,
            // A value that does not change in the client's words keeps the directory's own.
            Write::Replace if self.chain.is_empty() => None,
            Write::Replace => self.present(self.target.peek(out)),
        };
        match value {
            Some(value) => {
                if !present.is_some_and(|present| same(&present, &value.to_value())) {
                    let value = self.chain.put_node(value)?;
                    self.target.set(out, value, &[]);
                }
            }
            None => match (write, self.chain.absent()) {
                (Write::Create, Some(value)) => self.target.set(out, value.into(), &[]),
                (Write::Create, None) => {}
                (Write::Replace, _) if !self.clears => {}
                // What could not be seen is not cleared either.
                (Write::Replace, _) if !self.chain.is_empty() && present.is_none() => {}
                (Write::Replace, Some(value)) => self.target.set(out, value.into(), &[]),
                (Write::Replace, None) => self.target.clear(out),
            },
        }
        Ok(())
    }

    fn get<'a>(&'a self, from: &mut Members<'a>, out: &mut Members<'a>) -> Result<(), Fault> {
        let value = if self.keep_target {
            self.target.peek(from).map(|value| value.clone())
        } else {
            self.target.take(from)
        };
        if let Some(value) = value
            && let Some(value) = self.chain.get_node(value)?
        {
            self.scim.set(out, value, &self.touch.constants);
        }
        Ok(())
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
        if self.target.element.is_some() {
            return Err(Refusal::NeedsBefore);
        }
        let change = |op, value| {
            Ok(vec![Change {
                op,
                path: self.target.patch_path(),
                value,
            }])
        };
        match delta {
            Delta::Set(_, value) if self.chain.void(&value) => self.patch(Delta::Clear),
            Delta::Set(op, value) => {
                if self.chain.ambiguous(&value) {
                    return Err(Refusal::NeedsBefore);
                }
                change(op, Some(self.chain.put(value)?))
            }
            Delta::Add(values) => change(PatchOp::Add, Some(Value::Array(values))),
            // The RFC has no way to say it.
            Delta::Remove(_) => Err(Refusal::NeedsBefore),
            Delta::Clear => match self.chain.absent() {
                Some(value) => change(PatchOp::Replace, Some(value.clone())),
                None => change(PatchOp::Remove, None),
            },
            Delta::Within(within) => {
                let (PatchPath::Attribute { filter, sub, .. }, None) =
                    (&within.path, &self.target.sub)
                else {
                    return Err(Refusal::NeedsBefore);
                };
                Ok(vec![Change {
                    op: within.op,
                    path: PatchPath::Attribute {
                        uri: self.target.uri.clone(),
                        name: self.target.name.clone(),
                        filter: filter.clone(),
                        sub: sub.clone(),
                    },
                    value: within.value.clone(),
                }])
            }
        }
    }

    fn sort(&self) -> Option<AttrPath> {
        (self.target.element.is_none() && self.chain.ordered()).then(|| self.target.path())
    }

    fn looks(&self) -> bool {
        self.chain.hides()
    }

    fn raw(&self) -> Option<Raw> {
        let plain =
            self.chain.is_empty() && self.target.element.is_none() && self.scim.element.is_none();
        plain.then_some(Raw::Move)
    }
}
