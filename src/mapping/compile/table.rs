//! A value table out of the rule's text: each key becomes a value of the SCIM attribute's type.

use serde_json::Value;

use crate::scim::filter::CompareOp;
use crate::scim::schema::{Attribute, Kind};
use crate::scim::value::same;
use crate::yaml::{Diagnostic, Diagnostics, Source, suggest};

use super::shown;
use crate::mapping::ruleset::LineRule;
use crate::mapping::transform::holds;
use crate::mapping::transform::table::{Otherwise, Row, Table};

/// The table of a line that has one.
pub(super) fn table(
    source: &Source,
    line: &LineRule,
    scim: &str,
    attribute: &Attribute,
    d: &mut Diagnostics,
) -> Option<Table> {
    let (rows, span) = line.values.as_ref()?;
    let exact = attribute.case_exact;
    let is = |a: &Value, b: &Value| holds(a, CompareOp::Eq, b, exact);
    let mut table: Vec<Row> = Vec::new();
    for (key, key_span, targets) in rows {
        let Some(value) = typed(key, attribute.kind) else {
            let message = format!("`{key}` is not a value of `{scim}`");
            let error = Diagnostic::error(source, *key_span, message);
            d.push(error.help(match attribute.kind {
                Kind::Boolean => "its values are `\"true\"` and `\"false\"`".to_owned(),
                _ => "its values are numbers".to_owned(),
            }));
            continue;
        };
        if let Some(row) = table.iter().find(|row| is(&row.scim, &value)) {
            let message = format!(
                "`{scim}` compares without case: `{key}` and `{}` are one value",
                shown(&row.scim)
            );
            d.push(Diagnostic::error(source, *key_span, message));
            continue;
        }
        table.push(Row {
            scim: value,
            targets: targets.clone(),
            read: true,
        });
    }
    prefer(source, line, scim, attribute, &mut table, d);
    let otherwise =
        match &line.otherwise {
            None => {
                let message = format!("the value table of `{scim}` needs `otherwise`");
                let error = Diagnostic::error(source, *span, message);
                d.push(error.help(
                    "what another value of the directory reads as: a value, `omit` or `error`",
                ));
                Otherwise::Omit
            }
            Some((Value::String(word), _)) if word == "omit" => Otherwise::Omit,
            Some((Value::String(word), _)) if word == "error" => Otherwise::Error,
            Some((value, span)) => {
                let text = match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                match typed(&text, attribute.kind) {
                    Some(value) => Otherwise::Value(value),
                    None => {
                        let message = format!("`{text}` is not a value of `{scim}`");
                        let error = Diagnostic::error(source, *span, message);
                        d.push(error.help("a value of the attribute, `omit` or `error`"));
                        Otherwise::Omit
                    }
                }
            }
        };
    if attribute.kind == Kind::Boolean && table.len() < 2 {
        let missing = if table.iter().any(|row| row.scim == Value::Bool(true)) {
            "false"
        } else {
            "true"
        };
        let message = format!("the value table of `{scim}` has no row for `\"{missing}\"`");
        let warning = Diagnostic::warning(source, *span, message);
        d.push(warning.help("a client that sends it is refused"));
    }
    Some(Table {
        rows: table,
        otherwise,
        case_exact: exact,
        texts: false,
    })
}

/// Sees to it that each value of the directory reads as one.
fn prefer(
    source: &Source,
    line: &LineRule,
    scim: &str,
    attribute: &Attribute,
    table: &mut [Row],
    d: &mut Diagnostics,
) {
    let exact = attribute.case_exact;
    let mut preferred: Vec<Value> = Vec::new();
    for (text, span) in &line.prefer {
        let value = typed(text, attribute.kind).filter(|v| {
            table
                .iter()
                .any(|row| holds(&row.scim, CompareOp::Eq, v, exact))
        });
        match value {
            Some(value) => preferred.push(value),
            None => {
                let keys: Vec<String> = table.iter().map(|row| shown(&row.scim)).collect();
                let message = format!("`{text}` is not in the value table");
                let error = Diagnostic::error(source, *span, message);
                let near = suggest(text, keys.iter().map(String::as_str));
                d.push(error.help(near.map_or_else(
                    || format!("one of `{}`", keys.join("`, `")),
                    |near| format!("did you mean `{near}`?"),
                )));
            }
        }
    }
    let is_preferred = |row: &Row| {
        preferred
            .iter()
            .any(|v| holds(&row.scim, CompareOp::Eq, v, exact))
    };
    let mut hidden = Vec::new();
    for (index, row) in table.iter().enumerate() {
        let shared = |other: &Row| {
            other
                .targets
                .iter()
                .any(|target| row.targets.iter().any(|mine| same(mine, target)))
        };
        let twins: Vec<usize> = table
            .iter()
            .enumerate()
            .filter(|(other, r)| *other != index && shared(r))
            .map(|(other, _)| other)
            .collect();
        if twins.is_empty() {
            continue;
        }
        let chosen = std::iter::once(row)
            .chain(twins.iter().filter_map(|twin| table.get(*twin)))
            .filter(|row| is_preferred(row))
            .count();
        if chosen != 1 {
            let before = twins.iter().any(|twin| *twin < index);
            if !before {
                let span = line.values.as_ref().map_or(line.span, |(_, span)| *span);
                let names: Vec<String> = std::iter::once(row)
                    .chain(twins.iter().filter_map(|twin| table.get(*twin)))
                    .map(|row| format!("`{}`", shown(&row.scim)))
                    .collect();
                let message = format!(
                    "the value table of `{scim}` is not one to one: {} are the same in the directory",
                    names.join(" and ")
                );
                let error = Diagnostic::error(source, span, message);
                d.push(error.help("say which one is read with `prefer: …`"));
            }
        } else if !is_preferred(row) {
            hidden.push(index);
        }
    }
    for index in hidden {
        if let Some(row) = table.get_mut(index) {
            row.read = false;
        }
    }
}

/// A text of the rule as a value of the attribute's type.
fn typed(text: &str, kind: Kind) -> Option<Value> {
    match kind {
        Kind::Boolean => match text {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
        Kind::Integer | Kind::Decimal => serde_json::from_str::<serde_json::Number>(text)
            .ok()
            .map(Value::Number),
        Kind::String | Kind::DateTime | Kind::Binary | Kind::Reference | Kind::Complex => {
            Some(Value::String(text.to_owned()))
        }
    }
}
