//! Endings that are others in the directory: `bjensen@corp.example.com` and `bjensen@corp.local`.
//! A value with none of them is refused, one of the directory's is left out: nothing is guessed.

use serde_json::Value;

use super::{Next, Transform};
use crate::mapping::kind::{Fault, Pushed, Test, Untranslatable};
use crate::scim::filter::CompareOp;

/// `swap: {"@corp.example.com": "@corp.local"}`; no ending of a side ends like another of it.
#[derive(Debug)]
pub struct Swap {
    /// The client's, and the directory's.
    pub rows: Vec<(String, String)>,
    /// Whether the SCIM attribute compares with case.
    pub case_exact: bool,
}

impl Swap {
    /// The text with the other ending; `None` where it has none of them, or nothing before it.
    fn swapped(&self, text: &str, back: bool) -> Option<String> {
        self.rows.iter().find_map(|(ours, theirs)| {
            let (from, to) = if back { (theirs, ours) } else { (ours, theirs) };
            let at = text.len().checked_sub(from.len())?;
            let (head, tail) = text.split_at_checked(at)?;
            let same = tail == from || (!self.case_exact && tail.eq_ignore_ascii_case(from));
            (same && !head.is_empty()).then(|| format!("{head}{to}"))
        })
    }

    fn endings(&self, back: bool) -> String {
        let all: Vec<String> = self
            .rows
            .iter()
            .map(|(ours, theirs)| format!("`{}`", if back { theirs } else { ours }))
            .collect();
        all.join(" or ")
    }

    /// The longest text that no ending can have a part of: what stands before the sign that every
    /// ending begins with.
    fn is_before_every_ending(&self, text: &str) -> bool {
        let first = |row: &(String, String)| row.0.chars().next();
        self.rows
            .iter()
            .all(|row| first(row).is_some_and(|sign| !text.contains(sign)))
            && self
                .rows
                .iter()
                .all(|row| row.0.chars().next() == row.1.chars().next())
    }
}

impl Transform for Swap {
    fn put(&self, value: Value) -> Result<Value, Fault> {
        let swapped = value.as_str().and_then(|text| self.swapped(text, false));
        match swapped {
            Some(text) => Ok(text.into()),
            None => Err(Fault(format!("must end with {}", self.endings(false)))),
        }
    }

    fn get(&self, value: Value) -> Result<Option<Value>, Fault> {
        let swapped = value.as_str().and_then(|text| self.swapped(text, true));
        match swapped {
            Some(text) => Ok(Some(text.into())),
            None => Err(Fault(format!("does not end with {}", self.endings(true)))),
        }
    }

    fn test(&self, test: Test<'_>, next: Next<'_>) -> Result<Pushed, Untranslatable> {
        let ask = |op, text: &str| next(Test::Compare(op, &Value::String(text.to_owned())));
        // Only what has an ending of the table is there at all.
        let ours = || -> Result<Pushed, Untranslatable> {
            let endings = self
                .rows
                .iter()
                .map(|(_, theirs)| ask(CompareOp::Ew, theirs));
            Ok(Pushed::any(endings.collect::<Result<Vec<_>, _>>()?))
        };
        let Test::Compare(op, value) = test else {
            return ours();
        };
        let Some(text) = value.as_str() else {
            return Ok(Pushed::Never);
        };
        match op {
            CompareOp::Eq => match self.swapped(text, false) {
                Some(text) => ask(op, &text),
                None => Ok(Pushed::Never),
            },
            CompareOp::Sw if self.is_before_every_ending(text) => {
                Ok(Pushed::all([ask(op, text)?, ours()?]))
            }
            CompareOp::Sw => match self.swapped(text, false) {
                // Nothing can follow an ending of the table.
                Some(text) => ask(CompareOp::Eq, &text),
                None => refuse(op),
            },
            CompareOp::Ew => match self
                .rows
                .iter()
                .find(|(ours, _)| text.eq_ignore_ascii_case(ours))
            {
                Some((_, theirs)) => ask(op, theirs),
                None => match self.swapped(text, false) {
                    Some(text) => ask(op, &text),
                    None => refuse(op),
                },
            },
            CompareOp::Co
            | CompareOp::Ne
            | CompareOp::Gt
            | CompareOp::Ge
            | CompareOp::Lt
            | CompareOp::Le => refuse(op),
        }
    }

    fn hides(&self) -> bool {
        true
    }
}

fn refuse(op: CompareOp) -> Result<Pushed, Untranslatable> {
    Err(Untranslatable(format!(
        "its ending is another in the directory, so `{}` of this text cannot be asked",
        op.as_str()
    )))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::mapping::transform::holds;
    use crate::scim::filter::Filter;

    fn swap() -> Swap {
        Swap {
            rows: vec![
                ("@corp.example.com".into(), "@corp.local".into()),
                ("@lab.example.com".into(), "@lab.local".into()),
            ],
            case_exact: false,
        }
    }

    #[test]
    fn endings_are_swapped_and_nothing_else() {
        assert_eq!(
            swap().put(json!("b@CORP.example.com")),
            Ok(json!("b@corp.local"))
        );
        assert_eq!(
            swap().get(json!("b@lab.local")),
            Ok(Some(json!("b@lab.example.com")))
        );
        for wrong in [
            json!("b"),
            json!("@corp.example.com"),
            json!("b@corp.local"),
            json!(1),
        ] {
            assert!(swap().put(wrong).is_err());
        }
        assert!(swap().get(json!("b@elsewhere.local")).is_err());
    }

    /// Whether a pushed question holds of a value of the directory.
    fn of(pushed: &Pushed, kept: &str) -> bool {
        fn filter(f: &Filter, kept: &str) -> bool {
            match f {
                Filter::And(parts) => parts.iter().all(|part| filter(part, kept)),
                Filter::Or(parts) => parts.iter().any(|part| filter(part, kept)),
                Filter::Not(part) => !filter(part, kept),
                Filter::Compare(c) => holds(&json!(kept), c.op, &c.value, false),
                Filter::Present(_) | Filter::Element(..) => true,
            }
        }
        match pushed {
            Pushed::Always => true,
            Pushed::Never => false,
            Pushed::Ask(asked) => filter(asked, kept),
        }
    }

    proptest! {
        #[test]
        fn put_and_get_undo_each_other(name in "[a-z@.]{1,6}", which in 0usize..2) {
            let seen = json!(format!("{name}{}", swap().rows[which].0));
            let kept = swap().put(seen.clone()).unwrap();
            prop_assert_eq!(swap().get(kept), Ok(Some(seen)));
        }

        #[test]
        fn a_question_means_the_same_on_either_side(
            kept in "[ab]{1,2}@(corp|lab|other)\\.local",
            asked in prop_oneof!["[ab]{1,2}@(corp|lab)\\.(example\\.com|local)", "[ab@.]{1,3}", "@(corp|lab)\\.example\\.com"],
            op in prop::sample::select(vec![CompareOp::Eq, CompareOp::Sw, CompareOp::Ew]),
        ) {
            use crate::mapping::place::Place;
            let place = Place::of("upn".parse().unwrap());
            let wanted = json!(asked);
            let pushed = swap().test(Test::Compare(op, &wanted), &|test| Ok(Pushed::Ask(match test {
                Test::Present => place.present(),
                Test::Compare(op, value) => place.compare(op, value),
            })));
            if let Ok(pushed) = pushed {
                let seen = swap().get(json!(kept)).ok().flatten();
                let meant = seen.is_some_and(|seen| holds(&seen, op, &wanted, false));
                prop_assert_eq!(of(&pushed, &kept), meant, "{:?}", pushed);
            }
        }
    }
}
