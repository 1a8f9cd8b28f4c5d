//! Keys that mean nothing on the line that they stand on.

use super::error;
use crate::mapping::ruleset::LineRule;
use crate::yaml::{Diagnostics, Source};

/// Says which keys of a line mean nothing on this kind of line.
pub(super) fn leftover(source: &Source, line: &LineRule, what: &'static str, d: &mut Diagnostics) {
    let valued = line.scim.is_some() && line.target.is_some();
    let own = &line.ldap;
    let (flag, marker) = (own.bit.is_some(), own.marker.is_some());
    let plain = valued && !flag && !marker;
    let made = own.allocate.is_some() || own.from.is_some() || own.random.is_some();
    let written = line.target.is_some() && (line.join.is_some() || line.constant.is_some());
    let odd = [
        (line.with.is_some() && line.join.is_none(), "with"),
        (
            line.otherwise.is_some() && line.values.is_none(),
            "otherwise",
        ),
        (!line.prefer.is_empty() && line.values.is_none(), "prefer"),
        (line.values.is_some() && !plain, "values"),
        (
            line.prefix.is_some() && !plain && own.from.is_none(),
            "prefix",
        ),
        (!line.suffix.is_empty() && !plain, "suffix"),
        (line.swap.is_some() && !plain, "swap"),
        (line.default.is_some() && !(plain || flag), "default"),
        (line.form.is_some() && !plain, "as"),
        (line.many.is_some() && !plain, "many"),
        (line.rest.is_some() && !plain, "rest"),
        (line.unique && !valued, "unique"),
        (line.required && !valued, "required"),
        (!line.element.is_empty() && line.scim.is_none(), "element"),
        (line.direction.is_some() && !valued && !written, "direction"),
        (own.inverted.is_some() && !flag, "inverted"),
        (own.means.is_some() && !marker, "means"),
        (own.reference.is_some() && !plain, "reference"),
        (own.domain.is_some() && line.suffix.len() < 2, "domain"),
        (own.until.is_some() && own.from.is_none(), "until"),
        (own.max.is_some() && own.from.is_none(), "max"),
        (
            own.on_collision.is_some() && own.from.is_none(),
            "on_collision",
        ),
        (
            own.needs_class.is_some() && line.target.is_none(),
            "needs_class",
        ),
        (line.constant.is_some() && made, "constant"),
        (line.join.is_some() && made, "join"),
    ];
    for (is_odd, key) in odd {
        if is_odd {
            let text = format!("`{key}` means nothing on this line ({what})");
            d.push(error(source, line.span, text, None));
        }
    }
}
