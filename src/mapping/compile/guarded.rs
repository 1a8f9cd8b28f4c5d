//! What `guard` and `protect` must be able to see: an attribute that is only written cannot be
//! watched, and what passes without a line is not understood.

use crate::mapping::ruleset::{Direction, Harm, LineRule, Ruleset, TypeRule, Unmapped};
use crate::scim::AttrPath;
use crate::yaml::{Diagnostic, Diagnostics};

use super::{error, is_secret};

pub(super) fn watched(rules: &Ruleset, d: &mut Diagnostics) {
    let protects = rules.types.iter().any(|rule| rule.protect.is_some());
    let counts = |harm| rules.guard.is_some_and(|guard| guard.limit(harm).is_some());
    for rule in &rules.types {
        let own = rule.protect.is_some();
        let mut seen = Vec::new();
        if own || counts(Harm::Disable) {
            seen.push("active");
        }
        if protects || counts(Harm::Empty) {
            seen.push("members");
        }
        if own {
            seen.extend(["userName", "displayName"]);
        }
        for name in seen {
            for line in rule.lines.iter().filter(|line| only_written(line, name)) {
                let text = format!(
                    "`{name}` is only written: what the guard or `protect` must see of it is never \
                     read"
                );
                let help = "let it go both ways, or take its limit or the protection out";
                d.push(error(&rules.source, line.span, text, Some(help.to_owned())));
            }
        }
        if own {
            filter(rules, rule, d);
        }
        if protects && rule.unmapped == Unmapped::Pass {
            let text = format!(
                "`{}` has `unmapped: pass` beside `protect`: what passes without a line is not \
                 understood, and protects nobody",
                rule.name
            );
            let warning = Diagnostic::warning(&rules.source, rule.span, text);
            d.push(warning.help("map what clients need, and drop the rest"));
        }
    }
    if counts(Harm::Disable) && !any(rules, "active") {
        nothing(rules, "disable", "active", d);
    }
    if counts(Harm::Empty) && !any(rules, "members") {
        nothing(rules, "empty", "members", d);
    }
}

/// A protection by a secret could not be asked for, and would be an oracle.
fn filter(rules: &Ruleset, rule: &TypeRule, d: &mut Diagnostics) {
    let Some(protect) = &rule.protect else {
        return;
    };
    let targets = |path: &AttrPath| {
        let lines = rule.lines.iter().filter(|line| line.secret);
        let mut targets = lines.filter_map(|line| line.target.as_ref());
        targets.any(|spot| spot.place.parent() == path.parent())
    };
    for path in protect.asks() {
        if is_secret(path.name.as_str()) || targets(&path) {
            let text = format!("the filter of `protect` asks about `{path}`, which is a secret");
            let help = "protect by an attribute that can be read";
            d.push(error(&rules.source, rule.span, text, Some(help.to_owned())));
        }
    }
}

fn nothing(rules: &Ruleset, limit: &str, attribute: &str, d: &mut Diagnostics) {
    let Some(first) = rules.types.first() else {
        return;
    };
    let text =
        format!("the guard's `{limit}` counts nothing: no type has a line for `{attribute}`");
    d.push(Diagnostic::warning(&rules.source, first.span, text));
}

fn any(rules: &Ruleset, name: &str) -> bool {
    let mut types = rules.types.iter();
    types.any(|rule| {
        rule.unmapped == Unmapped::Pass || rule.lines.iter().any(|line| is_of(line, name))
    })
}

fn only_written(line: &LineRule, name: &str) -> bool {
    let writes = matches!(line.direction, Some((Direction::Write, _)));
    is_of(line, name) && (writes || line.secret)
}

fn is_of(line: &LineRule, name: &str) -> bool {
    let place = line.scim.as_ref().map(|spot| &spot.place);
    place.is_some_and(|place| place.uri.is_none() && place.name.is(name))
}
