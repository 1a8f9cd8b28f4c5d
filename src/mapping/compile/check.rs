//! What no single line shows: two lines that write or read the same, and attributes that clients
//! need and no line has.

use crate::yaml::{Diagnostic, Diagnostics, Source};

use super::{Line, error, write_together};
use crate::mapping::place::Terms;
use crate::mapping::plan::reads;
use crate::mapping::ruleset::{TypeRule, Unmapped};

/// Lines that get into each other's way.
pub(super) fn conflicts(source: &Source, lines: &[Line], d: &mut Diagnostics) {
    for (index, line) in lines.iter().enumerate() {
        for earlier in lines.get(..index).unwrap_or_default() {
            let (theirs, mine) = (&earlier.kind.touches().target, &line.kind.touches().target);
            let pairs = theirs.iter().flat_map(|a| mine.iter().map(move |b| (a, b)));
            let shared = earlier.share.with(line.share);
            for (a, b) in pairs.filter(|_| write_together(earlier, line) && !shared) {
                if a.overlaps(b) {
                    let text = format!(
                        "`{}` is written by the line {} as well",
                        line.target_text, earlier.number
                    );
                    d.push(error(source, line.span, text, None));
                } else if a.is_beside(b.uri.as_ref(), &b.name)
                    && !apart(a.element.as_ref(), b.element.as_ref())
                {
                    let text = format!(
                        "an element of `{}` could be meant by the line {} as well",
                        b.name, earlier.number
                    );
                    d.push(error(source, line.span, text, None));
                }
            }
            let (Some(a), Some(b)) = (&earlier.scim, &line.scim) else {
                continue;
            };
            if !a.is_beside(b.uri.as_ref(), &b.name) {
                continue;
            }
            if a.element.is_some() != b.element.is_some() && (line.rest || earlier.rest) {
                continue;
            }
            if !apart(a.element.as_ref(), b.element.as_ref()) {
                let text = format!(
                    "an element of `{}` could be meant by the line {} as well",
                    b.name, earlier.number
                );
                let help = "filters on one attribute must be the same or exclude each other, as \
                            two values of `type` do";
                d.push(error(source, line.span, text, Some(help.to_owned())));
            } else if reads(earlier) && reads(line) && a.overlaps(b) {
                let text = format!(
                    "`{}` is read by the line {} as well",
                    line.scim_text, earlier.number
                );
                let help = (a.element.is_some() != b.element.is_some()).then(|| {
                    "`rest: true` on the line without a filter takes the other elements".to_owned()
                });
                d.push(error(source, line.span, text, help));
            }
        }
    }
}

/// Whether two element filters are the same or exclude each other.
fn apart(a: Option<&Terms>, b: Option<&Terms>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.same(b) || a.disjoint(b),
        _ => true,
    }
}

/// Attributes that clients need and no line has.
pub(super) fn missing(source: &Source, rule: &TypeRule, d: &mut Diagnostics) {
    if rule.unmapped == Unmapped::Pass {
        return;
    }
    let has = |name: &str| {
        rule.lines
            .iter()
            .filter_map(|line| line.scim.as_ref())
            .any(|spot| spot.place.uri.is_none() && spot.place.name.is(name))
    };
    for attribute in rule.schema.base.attributes.iter().filter(|a| a.required) {
        if !has(attribute.name.as_str()) {
            let text = format!("`{}` needs a line for `{}`", rule.name, attribute.name);
            let help = format!("such as `{{scim: {}, target: …}}`", attribute.name);
            d.push(error(source, rule.span, text, Some(help)));
        }
    }
    let is_rfc = matches!(rule.name.as_str(), "User" | "Group");
    if is_rfc && !has("externalId") {
        let text = format!("`{}` has no line for `externalId`", rule.name);
        let warning = Diagnostic::warning(source, rule.span, text);
        d.push(warning.help("Entra ID and Okta match on it"));
    }
}
