//! A directory's explanation in the client's words, where every name in it can be brought back.

use crate::mapping::compile::{Type, is_secret};

/// The text with targets replaced by SCIM names; `None` when anything in it could be a name, a
/// value or an address that the client has nothing to do with.
pub(super) fn detail(ty: &Type, text: &str) -> Option<String> {
    if text.is_empty() || text.len() > MAX_LENGTH {
        return None;
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    let mut quoted = false;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(end)?;
        if !word.is_empty() {
            out.push_str(&translate(ty, word, quoted)?);
        }
        let next = after.find(is_word).unwrap_or(after.len());
        let (between, after) = after.split_at_checked(next)?;
        // Only the punctuation of sentences.
        if !between.chars().all(|c| " ,;()'\"`!?".contains(c)) {
            return None;
        }
        quoted = between.ends_with(['"', '\'', '`']);
        out.push_str(between);
        rest = after;
    }
    Some(out)
}

fn translate(ty: &Type, word: &str, quoted: bool) -> Option<String> {
    let bare = word.trim_end_matches(['.', ':']);
    let (name, tail) = word.split_at_checked(bare.len())?;
    if is_secret(name) {
        return None;
    }
    for line in ty.lines.iter().filter(|line| !line.secret) {
        if line.scim.is_some() && line.target_text.eq_ignore_ascii_case(name) {
            return Some(format!("{}{tail}", line.scim_text));
        }
    }
    let is_target = ty
        .lines
        .iter()
        .any(|line| line.target_text.eq_ignore_ascii_case(name));
    if is_target {
        return None;
    }
    let is_scim = ty
        .lines
        .iter()
        .any(|line| line.scim.is_some() && line.scim_text.eq_ignore_ascii_case(name));
    // A quoted word that is no name is a value.
    (is_scim || (!quoted && is_plain(name))).then(|| word.to_owned())
}

/// A word of ordinary language: letters only, no capital but perhaps the first.
fn is_plain(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_alphabetic())
        && word.chars().skip(1).all(|c| c.is_ascii_lowercase())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || "_-.:$".contains(c)
}

const MAX_LENGTH: usize = 300;
