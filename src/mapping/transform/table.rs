//! Value tables: `active` is `true` where the directory says `staff`.

use serde_json::Value;

use crate::scim::filter::CompareOp;
use crate::scim::value::same;

use super::{Next, Transform, holds};
use crate::mapping::kind::{Class, Fault, Pushed, Test, Untranslatable};

/// `values`, `otherwise` and `prefer` of a line.
#[derive(Debug)]
pub struct Table {
    /// The rows, in the order of the rule.
    pub rows: Vec<Row>,
    /// What a value of the directory reads as that stands in no row.
    pub otherwise: Otherwise,
    /// Whether the SCIM attribute compares with case.
    pub case_exact: bool,
    /// Whether the directory's values are texts that compare without case.
    pub texts: bool,
}

/// One value of the client's and what it is in the directory.
#[derive(Debug)]
pub struct Row {
    /// The client's.
    pub scim: Value,
    /// The directory's: the first is written, all are read.
    pub targets: Vec<Value>,
    /// Whether the targets read as this one: false where another row is preferred.
    pub read: bool,
}

/// What an unknown value of the directory reads as.
#[derive(Debug)]
pub enum Otherwise {
    /// This.
    Value(Value),
    /// Nothing.
    Omit,
    /// Nothing, and it is counted as a fault of the directory.
    Error,
}

impl Table {
    fn row(&self, value: &Value) -> Option<&Row> {
        self.rows.iter().find(|row| self.is(&row.scim, value))
    }

    fn is(&self, a: &Value, b: &Value) -> bool {
        holds(a, CompareOp::Eq, b, self.case_exact)
    }

    fn is_target(&self, known: &Value, target: &Value) -> bool {
        match (known, target) {
            (Value::String(known), Value::String(target)) if self.texts => {
                known.eq_ignore_ascii_case(target)
            }
            _ => same(known, target),
        }
    }

    fn reading(&self, target: &Value) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| row.read && row.targets.iter().any(|t| self.is_target(t, target)))
    }

    fn known(
        &self,
        next: Next<'_>,
        wanted: impl Fn(&Row) -> bool,
    ) -> Result<Pushed, Untranslatable> {
        let mut parts = Vec::new();
        for row in self.rows.iter().filter(|row| row.read && wanted(row)) {
            for target in &row.targets {
                parts.push(next(Test::Compare(CompareOp::Eq, target))?);
            }
        }
        Ok(Pushed::any(parts))
    }
}

impl Transform for Table {
    fn put(&self, value: Value) -> Result<Value, Fault> {
        match self.row(&value).and_then(|row| row.targets.first()) {
            Some(target) => Ok(target.clone()),
            None => {
                let known: Vec<_> = self.rows.iter().map(|row| row.scim.to_string()).collect();
                Err(Fault(format!("must be one of {}", known.join(", "))))
            }
        }
    }

    fn get(&self, value: Value) -> Result<Option<Value>, Fault> {
        match (self.reading(&value), &self.otherwise) {
            (Some(row), _) => Ok(Some(row.scim.clone())),
            (None, Otherwise::Value(otherwise)) => Ok(Some(otherwise.clone())),
            (None, Otherwise::Omit) => Ok(None),
            (None, Otherwise::Error) => Err(Fault("is not in the table".to_owned())),
        }
    }

    fn test(&self, test: Test<'_>, next: Next<'_>) -> Result<Pushed, Untranslatable> {
        let fits = |value: &Value| match test {
            Test::Present => true,
            Test::Compare(op, wanted) => holds(value, op, wanted, self.case_exact),
        };
        match &self.otherwise {
            Otherwise::Value(other) if fits(other) => {
                // Everything that is there, but for the rows that read as something else.
                let others = self.known(next, |row| !fits(&row.scim))?;
                Ok(Pushed::all([next(Test::Present)?, others.negated()]))
            }
            _ => self.known(next, |row| fits(&row.scim)),
        }
    }

    fn class(&self) -> Class {
        let lost: Vec<_> = self
            .rows
            .iter()
            .filter(|row| !row.read)
            .map(|row| row.scim.to_string())
            .collect();
        if lost.is_empty() {
            Class::Lossless
        } else {
            Class::Lossy(format!("{} reads back as another value", lost.join(", ")))
        }
    }

    fn hides(&self) -> bool {
        // Any value that stands in no row, or in a row of several.
        true
    }

    fn ambiguous(&self, value: &Value) -> bool {
        let several = self.row(value).is_some_and(|row| row.targets.len() > 1);
        let open = matches!(&self.otherwise, Otherwise::Value(other) if self.is(other, value));
        several || open
    }
}
