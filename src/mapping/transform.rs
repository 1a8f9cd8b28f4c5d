//! What becomes of one value on its way: a chain of transforms, each a pair of functions with the
//! filter that goes with them. One transform is one file.

pub mod absence;
pub mod affix;
pub mod guid;
pub mod number;
pub mod reference;
pub mod shape;
pub mod swap;
pub mod table;
pub mod text;
pub mod time;

use serde_json::Value;

use crate::scim::filter::CompareOp;
use crate::scim::json::{Node, Sort};
use crate::scim::value::fold;

use super::kind::{Class, Fault, Pushed, Test, Untranslatable};

/// Asks the rest of the chain about the value that it sees.
pub type Next<'a> = &'a dyn Fn(Test<'_>) -> Result<Pushed, Untranslatable>;

/// A pair of functions on one value, and the laws between them.
pub trait Transform: std::fmt::Debug + Send + Sync {
    /// Client to directory.
    ///
    /// # Errors
    /// The value is outside what this takes.
    fn put(&self, value: Value) -> Result<Value, Fault>;

    /// Directory to client; `None` where the value stands for nothing.
    ///
    /// # Errors
    /// The value is outside what this gives.
    fn get(&self, value: Value) -> Result<Option<Value>, Fault>;

    /// A question about the value on the client's side (never `ne`, which is `not eq`; never about
    /// null, which is `not pr`), answered by questions about the directory's side. An absent value
    /// satisfies none.
    ///
    /// # Errors
    /// There is no such question.
    fn test(&self, test: Test<'_>, next: Next<'_>) -> Result<Pushed, Untranslatable>;

    /// What comes back of what was sent.
    fn class(&self) -> Class {
        Class::Lossless
    }

    /// Whether several values of the directory read as this one, so that writing it must not
    /// replace another of them.
    fn ambiguous(&self, value: &Value) -> bool {
        let _ = value;
        false
    }

    /// Whether the directory may have a value that no client sees, or several that look the same:
    /// they are not overwritten unseen.
    fn hides(&self) -> bool {
        false
    }

    /// Whether it keeps the order of values.
    fn ordered(&self) -> bool {
        false
    }

    /// Whether every value of that sort stays as it is, either way: then nobody need read it.
    fn keeps(&self, sort: Sort) -> bool {
        let _ = sort;
        false
    }

    /// Whether a client that sends this value means that there is none.
    fn void(&self, value: &Value) -> bool {
        let _ = value;
        false
    }

    /// What is put where the client has nothing.
    fn absent(&self) -> Option<&Value> {
        None
    }
}

/// Transforms in order, the client's side first.
#[derive(Debug, Default)]
pub struct Chain(pub Vec<Box<dyn Transform>>);

impl Chain {
    /// Client to directory.
    ///
    /// # Errors
    /// Some transform does not take the value.
    pub fn put(&self, value: Value) -> Result<Value, Fault> {
        self.0.iter().try_fold(value, |value, step| step.put(value))
    }

    /// Directory to client.
    ///
    /// # Errors
    /// Some transform does not give the value.
    pub fn get(&self, mut value: Value) -> Result<Option<Value>, Fault> {
        for step in self.0.iter().rev() {
            match step.get(value)? {
                Some(next) => value = next,
                None => return Ok(None),
            }
        }
        Ok(Some(value))
    }

    /// [`Chain::put`] of a value that is perhaps still text, and stays so where it can.
    ///
    /// # Errors
    /// Some transform does not take the value.
    pub fn put_node<'a>(&self, node: Node<'a>) -> Result<Node<'a>, Fault> {
        if self.keeps(node.sort()) {
            return Ok(node);
        }
        Ok(self.put(node.to_value())?.into())
    }

    /// [`Chain::get`] of a value that is perhaps still text, and stays so where it can.
    ///
    /// # Errors
    /// Some transform does not give the value.
    pub fn get_node<'a>(&self, node: Node<'a>) -> Result<Option<Node<'a>>, Fault> {
        if self.keeps(node.sort()) {
            return Ok(Some(node));
        }
        Ok(self.get(node.to_value())?.map(Node::from))
    }

    fn keeps(&self, sort: Sort) -> bool {
        self.0.iter().all(|step| step.keeps(sort))
    }

    /// A question about the client's side; `target` asks the directory.
    ///
    /// # Errors
    /// Some transform has no such question.
    pub fn test(&self, test: Test<'_>, target: Next<'_>) -> Result<Pushed, Untranslatable> {
        ask(&self.0, test, target)
    }

    /// What comes back of what was sent.
    #[must_use]
    pub fn class(&self) -> Class {
        self.0
            .iter()
            .fold(Class::Lossless, |class, step| class.and(step.class()))
    }

    /// Whether writing the value may hide another of the directory's that reads the same.
    #[must_use]
    pub fn ambiguous(&self, value: &Value) -> bool {
        let mut value = value.clone();
        for step in &self.0 {
            if step.ambiguous(&value) {
                return true;
            }
            match step.put(value) {
                Ok(next) => value = next,
                Err(_) => return false,
            }
        }
        false
    }

    /// Whether the directory may have values that no client sees.
    #[must_use]
    pub fn hides(&self) -> bool {
        self.0.iter().any(|step| step.hides())
    }

    /// Whether it keeps the order of values.
    #[must_use]
    pub fn ordered(&self) -> bool {
        self.0.iter().all(|step| step.ordered())
    }

    /// Whether a client that sends this value means that there is none.
    #[must_use]
    pub fn void(&self, value: &Value) -> bool {
        self.0.iter().any(|step| step.void(value))
    }

    /// What the directory gets where the client has nothing.
    #[must_use]
    pub fn absent(&self) -> Option<&Value> {
        self.0.iter().find_map(|step| step.absent())
    }

    /// Whether values stay as they are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn ask(
    steps: &[Box<dyn Transform>],
    test: Test<'_>,
    target: Next<'_>,
) -> Result<Pushed, Untranslatable> {
    match steps.split_first() {
        Some((step, rest)) => step.test(test, &|test| ask(rest, test, target)),
        None => target(test),
    }
}

/// How a value that is known compares; `ne` does not get here.
#[must_use]
pub fn holds(known: &Value, op: CompareOp, value: &Value, case_exact: bool) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let texts = || -> Option<(String, String)> {
        match (known, value) {
            (Value::String(a), Value::String(b)) if case_exact => Some((a.clone(), b.clone())),
            (Value::String(a), Value::String(b)) => Some((fold(a).collect(), fold(b).collect())),
            _ => None,
        }
    };
    let order = || crate::scim::value::order(known, value, case_exact);
    match op {
        CompareOp::Eq => order() == Some(Equal),
        CompareOp::Ne => order() != Some(Equal),
        CompareOp::Co => texts().is_some_and(|(a, b)| a.contains(&b)),
        CompareOp::Sw => texts().is_some_and(|(a, b)| a.starts_with(&b)),
        CompareOp::Ew => texts().is_some_and(|(a, b)| a.ends_with(&b)),
        CompareOp::Gt => order() == Some(Greater),
        CompareOp::Ge => matches!(order(), Some(Greater | Equal)),
        CompareOp::Lt => order() == Some(Less),
        CompareOp::Le => matches!(order(), Some(Less | Equal)),
    }
}
