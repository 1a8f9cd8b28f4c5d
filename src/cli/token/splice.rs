//! Changes to the text of `access.yaml` at one place, every other byte kept: comments, order,
//! spacing. A change counts only if the new text, read again, is the old file with just that
//! token more or less; what cannot be done so is left to the reader of the message.

use std::ops::Range;

use super::owner::Owner;
use crate::yaml::{Node, Source, Span, Value, parse};

/// Why a text was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::cli) enum SpliceError {
    /// No account or operator has this name.
    #[error("there is no such account or operator")]
    NoOwner,
    /// No token has this key id.
    #[error("there is no such token")]
    NoToken,
    /// The file is laid out in a way that this does not understand.
    #[error("the file is laid out in a way that cannot be changed safely")]
    Layout,
}

/// The text with a token more: `item` is a table in braces.
///
/// # Errors
/// [`SpliceError::NoOwner`], [`SpliceError::Layout`].
pub(in crate::cli) fn add(
    source: &Source,
    owner: Owner<'_>,
    item: &str,
) -> Result<String, SpliceError> {
    let mut tree = parse(source).map_err(|_| SpliceError::Layout)?;
    let found = find(&tree, owner).ok_or(SpliceError::NoOwner)?;
    let edit = addition(&source.text, found, owner.items(), item).ok_or(SpliceError::Layout)?;
    let text = apply(&source.text, &[edit]).ok_or(SpliceError::Layout)?;
    let item = parse(&Source::new("", item)).map_err(|_| SpliceError::Layout)?;
    expect_added(&mut tree, owner, item);
    confirm(text, &tree)
}

/// The text without the token of a key id.
///
/// # Errors
/// [`SpliceError::NoToken`], [`SpliceError::Layout`].
pub(super) fn remove(source: &Source, id: &str) -> Result<String, SpliceError> {
    remove_from(source, "tokens", id)
}

/// The text without the first line of a client.
///
/// # Errors
/// [`SpliceError::NoToken`], [`SpliceError::Layout`].
pub(in crate::cli) fn remove_client(source: &Source, id: &str) -> Result<String, SpliceError> {
    remove_from(source, "clients", id)
}

fn remove_from(source: &Source, name: &str, id: &str) -> Result<String, SpliceError> {
    let mut tree = parse(source).map_err(|_| SpliceError::Layout)?;
    let (items, at, span) = item_of(&tree, name, id).ok_or(SpliceError::NoToken)?;
    let edits = removal(&source.text, items, at, span).ok_or(SpliceError::Layout)?;
    let text = apply(&source.text, &edits).ok_or(SpliceError::Layout)?;
    expect_removed(&mut tree, name, id);
    confirm(text, &tree)
}

/// The text in which the token of a key id ends at a moment.
///
/// # Errors
/// [`SpliceError::NoToken`], [`SpliceError::Layout`].
pub(super) fn end(source: &Source, id: &str, moment: &str) -> Result<String, SpliceError> {
    let mut tree = parse(source).map_err(|_| SpliceError::Layout)?;
    let (items, at, _) = token_of(&tree, id).ok_or(SpliceError::NoToken)?;
    let item = items.get(at).ok_or(SpliceError::NoToken)?;
    let edit = ending(&source.text, item, moment).ok_or(SpliceError::Layout)?;
    let text = apply(&source.text, &[edit]).ok_or(SpliceError::Layout)?;
    expect_ended(&mut tree, id, moment);
    confirm(text, &tree)
}

/// One place of a text, and what is to stand there.
#[derive(Debug)]
struct Edit {
    place: Range<usize>,
    text: String,
}

/// Where and how a token is added to an account or an operator.
fn addition(text: &str, owner: &Node, name: &str, item: &str) -> Option<Edit> {
    let Value::Table(entries) = &owner.value else {
        return None;
    };
    let Some((key, tokens)) = entries.iter().find(|(key, _)| key.text == name) else {
        let end = entries.last()?.1.span.end();
        return if is_flow(text, owner.span, '{') {
            insert(end, format!(", {name}: [{item}]"))
        } else {
            let indent = " ".repeat(owner.span.column.checked_sub(1)?);
            let new = line_end(text);
            insert_line(
                text,
                end,
                &format!("{indent}{name}:{new}{indent}  - {item}"),
            )
        };
    };
    match &tokens.value {
        // `tokens:` and nothing behind it: the node has no place of its own.
        Value::Null if tokens.span == key.span => {
            let colon = key.span.end() + text.get(key.span.end()..)?.find(':')? + 1;
            insert(colon, format!(" [{item}]"))
        }
        Value::Null => Some(Edit {
            place: tokens.span.range(),
            text: format!("[{item}]"),
        }),
        Value::List(items) if is_flow(text, tokens.span, '[') => match items.last() {
            Some(last) => insert(last.span.end(), format!(", {item}")),
            None => insert(tokens.span.offset + 1, item.to_owned()),
        },
        Value::List(items) => {
            let last = items.last()?.span;
            let dash = dash_before(text, key.span.end(), last.offset)?;
            let line = text.get(dash..)?;
            let indent = line.get(..line.find('-')?)?;
            insert_line(text, last.end(), &format!("{indent}- {item}"))
        }
        _ => None,
    }
}

/// Where and how a token gets an end, or another one.
fn ending(text: &str, item: &Node, moment: &str) -> Option<Edit> {
    let Value::Table(entries) = &item.value else {
        return None;
    };
    let quoted = format!("\"{moment}\"");
    if let Some((_, expires)) = entries.iter().find(|(key, _)| key.text == "expires") {
        let place = expires.span.range();
        return Some(Edit {
            place,
            text: quoted,
        });
    }
    let (first, last) = (&entries.first()?.0, entries.last()?.1.span.end());
    if is_flow(text, item.span, '{') {
        return insert(last, format!(", expires: {quoted}"));
    }
    let indent = " ".repeat(first.span.column.checked_sub(1)?);
    insert_line(text, last, &format!("{indent}expires: {quoted}"))
}

/// What to cut out so that an item of a list is gone.
fn removal(text: &str, items: &[Node], at: usize, list: Span) -> Option<Vec<Edit>> {
    let item = items.get(at)?.span;
    let before = at.checked_sub(1).and_then(|at| items.get(at));
    if !is_flow(text, list, '[') {
        let from = before.map_or(list.offset, |node| node.span.end());
        let dash = dash_before(text, from, item.offset)?;
        let end = end_of_line(text, item.end());
        return cut(dash..(end + line_end_at(text, end)).min(text.len()));
    }
    let after = comma_after(text, item.end());
    let comma = match (after, before) {
        (Some(comma), _) => Some(comma),
        (None, Some(before)) => Some(comma_after(text, before.span.end())?),
        (None, None) => None,
    };
    let Some(comma) = comma else {
        return cut(with_its_line(text, item.range()));
    };
    let (from, to) = if comma < item.offset {
        (comma, item.end())
    } else {
        (item.offset, comma + 1)
    };
    let between = if comma < item.offset {
        text.get(comma + 1..item.offset)?
    } else {
        text.get(item.end()..comma)?
    };
    if !between.trim().is_empty() {
        // A comment stands between them: both are cut, and it stays.
        let (first, second) = if comma < item.offset {
            (comma..comma + 1, item.range())
        } else {
            (item.range(), comma..comma + 1)
        };
        return Some(vec![Edit::cut(first), Edit::cut(second)]);
    }
    let spaces = if comma < item.offset {
        0
    } else {
        let rest = text.get(to..)?;
        rest.len() - rest.trim_start_matches(' ').len()
    };
    let whole = with_its_line(text, from..to);
    cut(if whole == (from..to) {
        from..to + spaces
    } else {
        whole
    })
}

impl Edit {
    fn cut(place: Range<usize>) -> Self {
        Self {
            place,
            text: String::new(),
        }
    }
}

fn insert(at: usize, text: String) -> Option<Edit> {
    let place = at..at;
    Some(Edit { place, text })
}

/// A line of its own after the line that a place is in.
fn insert_line(text: &str, after: usize, line: &str) -> Option<Edit> {
    let end = end_of_line(text, after);
    insert(end, format!("{}{line}", line_end(text)))
}

fn cut(place: Range<usize>) -> Option<Vec<Edit>> {
    Some(vec![Edit::cut(place)])
}

/// The text after edits that stand in its order.
fn apply(text: &str, edits: &[Edit]) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 200);
    let mut at = 0;
    for edit in edits {
        out.push_str(text.get(at..edit.place.start)?);
        out.push_str(&edit.text);
        at = edit.place.end;
    }
    out.push_str(text.get(at..)?);
    Some(out)
}

/// The new text, if it reads as what is wanted.
fn confirm(text: String, wanted: &Node) -> Result<String, SpliceError> {
    let source = Source::new("", text.as_str());
    match parse(&source) {
        Ok(found) if same(&found, wanted) => Ok(text),
        _ => Err(SpliceError::Layout),
    }
}

/// Whether two trees hold the same; an empty list is as good as nothing at all.
fn same(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Table(a), Value::Table(b)) => {
            let alike = a
                .iter()
                .zip(b)
                .all(|((k, v), (l, w))| k.text == l.text && same(v, w));
            a.len() == b.len() && alike
        }
        (Value::Null, Value::List(items)) | (Value::List(items), Value::Null) => items.is_empty(),
        (a, b) => a == b,
    }
}

fn list<'a>(tree: &'a Node, name: &str) -> &'a [Node] {
    match entry(tree, name).map(|node| &node.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}

fn find<'a>(tree: &'a Node, owner: Owner<'_>) -> Option<&'a Node> {
    list(tree, owner.list())
        .iter()
        .find(|one| entry(one, "name").is_some_and(|node| is_text(node, owner.name())))
}

/// The list that holds a token, the token's place in it, and the list's place in the text.
fn token_of<'a>(tree: &'a Node, id: &str) -> Option<(&'a [Node], usize, Span)> {
    item_of(tree, "tokens", id)
}

/// The same of the items of this name.
fn item_of<'a>(tree: &'a Node, name: &str, id: &str) -> Option<(&'a [Node], usize, Span)> {
    let owners = LISTS.into_iter().flat_map(|name| list(tree, name));
    owners.into_iter().find_map(|owner| {
        let tokens = entry(owner, name)?;
        let Value::List(items) = &tokens.value else {
            return None;
        };
        let at = items
            .iter()
            .position(|item| entry(item, "id").is_some_and(|node| is_text(node, id)))?;
        Some((items.as_slice(), at, tokens.span))
    })
}

fn expect_added(tree: &mut Node, owner: Owner<'_>, item: Node) {
    let span = Span::default();
    let Some(Value::Table(entries)) = find_mut(tree, owner).map(|node| &mut node.value) else {
        return;
    };
    let tokens = entries
        .iter_mut()
        .find(|(key, _)| key.text == owner.items());
    match tokens.map(|(_, node)| &mut node.value) {
        Some(Value::List(items)) => items.push(item),
        Some(other) => *other = Value::List(vec![item]),
        None => {
            let key = crate::yaml::Key {
                span,
                text: owner.items().to_owned(),
            };
            let value = Value::List(vec![item]);
            entries.push((key, Node { span, value }));
        }
    }
}

/// Takes the first item of an id out of the first list that has one.
fn expect_removed(tree: &mut Node, items: &str, id: &str) {
    for name in LISTS {
        let Some(Value::List(owners)) = entry_mut(tree, name).map(|node| &mut node.value) else {
            continue;
        };
        for owner in owners {
            let Some(Value::List(items)) = entry_mut(owner, items).map(|node| &mut node.value)
            else {
                continue;
            };
            let its = |item: &Node| entry(item, "id").is_some_and(|node| is_text(node, id));
            if let Some(at) = items.iter().position(its) {
                items.remove(at);
                return;
            }
        }
    }
}

fn expect_ended(tree: &mut Node, id: &str, moment: &str) {
    let value = Value::String(moment.to_owned());
    for name in LISTS {
        let Some(Value::List(owners)) = entry_mut(tree, name).map(|node| &mut node.value) else {
            continue;
        };
        let tokens =
            owners
                .iter_mut()
                .filter_map(|owner| match &mut entry_mut(owner, "tokens")?.value {
                    Value::List(items) => Some(items),
                    _ => None,
                });
        for item in tokens.flatten() {
            if !entry(item, "id").is_some_and(|node| is_text(node, id)) {
                continue;
            }
            let span = Span::default();
            if let Some(expires) = entry_mut(item, "expires") {
                expires.value = value.clone();
            } else if let Value::Table(entries) = &mut item.value {
                let text = "expires".to_owned();
                let value = value.clone();
                entries.push((crate::yaml::Key { span, text }, Node { span, value }));
            }
        }
    }
}

fn find_mut<'a>(tree: &'a mut Node, owner: Owner<'_>) -> Option<&'a mut Node> {
    let Value::List(owners) = &mut entry_mut(tree, owner.list())?.value else {
        return None;
    };
    owners
        .iter_mut()
        .find(|one| entry(one, "name").is_some_and(|node| is_text(node, owner.name())))
}

fn entry<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    match &node.value {
        Value::Table(entries) => entries.iter().find(|(k, _)| k.text == key).map(|(_, v)| v),
        _ => None,
    }
}

fn entry_mut<'a>(node: &'a mut Node, key: &str) -> Option<&'a mut Node> {
    match &mut node.value {
        Value::Table(entries) => entries
            .iter_mut()
            .find(|(k, _)| k.text == key)
            .map(|(_, v)| v),
        _ => None,
    }
}

fn is_text(node: &Node, wanted: &str) -> bool {
    matches!(&node.value, Value::String(text) | Value::Number(text) if text == wanted)
}

fn is_flow(text: &str, span: Span, mark: char) -> bool {
    text.get(span.range())
        .is_some_and(|raw| raw.starts_with(mark))
}

/// The line end that the file uses.
fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// The offset of the line end after a place, or of the end of the text.
fn end_of_line(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let end = rest.find('\n').unwrap_or(rest.len());
    let line = rest.get(..end).unwrap_or_default();
    at + line.strip_suffix('\r').unwrap_or(line).len()
}

/// The length of the line end at a place.
fn line_end_at(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    ["\r\n", "\n"]
        .iter()
        .find(|end| rest.starts_with(**end))
        .map_or(0, |end| end.len())
}

/// The start of the line whose dash opens the item that begins at `item`.
fn dash_before(text: &str, from: usize, item: usize) -> Option<usize> {
    let from = text.get(..from)?.rfind('\n').map_or(0, |at| at + 1);
    let region = text.get(from..item)?;
    let mut start = from;
    let mut found = None;
    for line in region.split_inclusive('\n') {
        if line.trim_start_matches(' ').starts_with('-') {
            found = Some(start);
        }
        start += line.len();
    }
    found
}

/// The comma behind a place, with nothing but space and comments before it.
fn comma_after(text: &str, at: usize) -> Option<usize> {
    let mut comment = false;
    for (offset, c) in text.get(at..)?.char_indices() {
        match c {
            '\n' => comment = false,
            _ if comment => {}
            '#' => comment = true,
            ',' => return Some(at + offset),
            c if c.is_whitespace() => {}
            _ => return None,
        }
    }
    None
}

/// The whole line where nothing else stands in it.
fn with_its_line(text: &str, place: Range<usize>) -> Range<usize> {
    let start = text
        .get(..place.start)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |at| at + 1);
    let end = end_of_line(text, place.end);
    let blank = |part: Range<usize>| text.get(part).is_some_and(|part| part.trim().is_empty());
    let line = line_end_at(text, end);
    if start > 0 && line > 0 && blank(start..place.start) && blank(place.end..end) {
        start..end + line
    } else {
        place
    }
}

/// The lists of who can have tokens.
const LISTS: [&str; 2] = ["accounts", "operators"];

#[cfg(test)]
mod tests;
