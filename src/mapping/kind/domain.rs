//! A name and its domain, apart in the directory: `userName` is `uid` and, after one of several
//! domains, the attribute that keeps which.

use serde_json::Value;

use super::{Delta, Fault, Kind, Pushed, Refusal, Test, Touch, Untranslatable, Write};
use crate::mapping::place::Place;
use crate::scim::AttrPath;
use crate::scim::filter::CompareOp;
use crate::scim::json::Members;
use crate::scim::patch::{Change, PatchOp};

/// `{scim: userName, target: uid, suffix: ["@a.example.com", "@b.example.com"], domain: o}`.
#[derive(Debug)]
pub struct Domain {
    touch: Touch,
    scim: Place,
    target: Place,
    domain: Place,
    suffixes: Vec<String>,
    case_exact: bool,
    clears: bool,
}

impl Domain {
    /// A line whose target has the name, and `domain` the suffix as it stands in the rule.
    #[must_use]
    pub fn new(
        touch: Touch,
        scim: Place,
        (target, domain): (Place, Place),
        suffixes: Vec<String>,
        (case_exact, clears): (bool, bool),
    ) -> Self {
        Self {
            touch,
            scim,
            target,
            domain,
            suffixes,
            case_exact,
            clears,
        }
    }

    fn same(&self, a: &str, b: &str) -> bool {
        a == b || (!self.case_exact && a.eq_ignore_ascii_case(b))
    }

    /// The name, and the suffix as the rule has it.
    fn split<'t>(&self, text: &'t str) -> Option<(&'t str, &str)> {
        self.suffixes.iter().find_map(|suffix| {
            let at = text.len().checked_sub(suffix.len())?;
            let (name, tail) = text.split_at_checked(at)?;
            (self.same(tail, suffix) && !name.is_empty()).then_some((name, suffix.as_str()))
        })
    }

    fn wrong(&self) -> Fault {
        let all: Vec<String> = self.suffixes.iter().map(|s| format!("`{s}`")).collect();
        Fault(format!("must end with {}", all.join(" or ")))
    }

    /// Both are there, and the domain is one of ours.
    fn present(&self) -> Pushed {
        let one = |suffix: &String| {
            let value = Value::String(suffix.clone());
            Pushed::Ask(self.domain.compare(CompareOp::Eq, &value))
        };
        Pushed::all([
            Pushed::Ask(self.target.present()),
            Pushed::any(self.suffixes.iter().map(one)),
        ])
    }
}

impl Kind for Domain {
    fn touches(&self) -> &Touch {
        &self.touch
    }

    fn put<'a>(
        &'a self,
        from: &mut Members<'a>,
        out: &mut Members<'a>,
        write: Write,
    ) -> Result<(), Fault> {
        let Some(value) = self.scim.peek(from) else {
            let ours = self.domain.peek(out).is_some_and(|domain| {
                let domain = domain.as_str().unwrap_or_default();
                self.suffixes
                    .iter()
                    .any(|suffix| self.same(suffix, &domain))
            });
            if write == Write::Replace && self.clears && ours {
                self.target.clear(out);
                self.domain.clear(out);
            }
            return Ok(());
        };
        let text = value
            .as_str()
            .ok_or_else(|| Fault("must be a string".to_owned()))?;
        let (name, suffix) = self.split(&text).ok_or_else(|| self.wrong())?;
        self.target.set(out, name.to_owned().into(), &[]);
        self.domain.set(out, suffix.to_owned().into(), &[]);
        Ok(())
    }

    fn get<'a>(&'a self, from: &mut Members<'a>, out: &mut Members<'a>) -> Result<(), Fault> {
        let text = |place: &Place, from: &mut Members<'a>| {
            let value = place.peek(from)?;
            Some(value.as_str().map(std::borrow::Cow::into_owned))
        };
        let (name, domain) = match (text(&self.target, from), text(&self.domain, from)) {
            (None, _) => return Ok(()),
            (Some(Some(name)), Some(Some(domain))) => (name, domain),
            _ => return Err(Fault("has no domain".to_owned())),
        };
        let known = self
            .suffixes
            .iter()
            .find(|suffix| self.same(suffix, &domain));
        let known = known.ok_or_else(|| Fault("has a domain that is not ours".to_owned()))?;
        self.scim
            .set(out, format!("{name}{known}").into(), &self.touch.constants);
        Ok(())
    }

    fn filter(&self, test: &Test<'_>) -> Result<Pushed, Untranslatable> {
        match test {
            Test::Present => Ok(self.present()),
            Test::Compare(CompareOp::Eq, value) => {
                Ok(match value.as_str().and_then(|t| self.split(t)) {
                    None => Pushed::Never,
                    Some((name, suffix)) => {
                        let is = |place: &Place, text: &str| {
                            let value = Value::String(text.to_owned());
                            Pushed::Ask(place.compare(CompareOp::Eq, &value))
                        };
                        Pushed::all([is(&self.target, name), is(&self.domain, suffix)])
                    }
                })
            }
            Test::Compare(op, _) => Err(Untranslatable(format!(
                "it is kept in two attributes, so `{}` cannot be asked, only `eq`, `ne` and `pr`",
                op.as_str()
            ))),
        }
    }

    fn patch(&self, delta: Delta<'_>) -> Result<Vec<Change>, Refusal> {
        let change = |place: &Place, op, value: Option<&str>| Change {
            op,
            path: place.patch_path(),
            value: value.map(Value::from),
        };
        match delta {
            Delta::Set(_, value) => {
                let split = value.as_str().and_then(|text| self.split(text));
                let (name, suffix) = split.ok_or_else(|| self.wrong())?;
                Ok(vec![
                    change(&self.target, PatchOp::Replace, Some(name)),
                    change(&self.domain, PatchOp::Replace, Some(suffix)),
                ])
            }
            Delta::Clear => Ok(vec![
                change(&self.target, PatchOp::Remove, None),
                change(&self.domain, PatchOp::Remove, None),
            ]),
            Delta::Add(_) | Delta::Remove(_) | Delta::Within(_) => Err(Refusal::NeedsBefore),
        }
    }

    fn sort(&self) -> Option<AttrPath> {
        None
    }

    fn looks(&self) -> bool {
        // A name of another domain is not ours to take away.
        true
    }
}
