//! Tokens that somebody pasted into a file by mistake are not repeated in findings and logs.

use std::borrow::Cow;

/// What every token of ours begins with, so that a leaked one can be found.
pub const TOKEN_PREFIX: &str = "postern_";

/// The text with every token's secret part replaced by as many `*`: places stay where they are.
#[must_use]
pub fn mask(text: &str) -> Cow<'_, str> {
    if !text.contains(TOKEN_PREFIX) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(TOKEN_PREFIX) {
        out.push_str(before);
        out.push_str(TOKEN_PREFIX);
        let end = after
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(after.len());
        let (word, next) = after.split_at_checked(end).unwrap_or((after, ""));
        // The key id is no secret; a short word is a name that begins as tokens do.
        let id = word.find('_').map_or(0, |at| at + 1);
        let (id, secret) = word.split_at_checked(id).unwrap_or(("", word));
        out.push_str(id);
        if secret.len() < SHORTEST_SECRET {
            out.push_str(secret);
        } else {
            out.push_str(&"*".repeat(secret.len()));
        }
        rest = next;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Shorter words cannot be guessed from, or are none of ours.
const SHORTEST_SECRET: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_in_place() {
        let text =
            "ä postern_k1_abcdefghijKLMNOP, postern_metrics postern_ postern_k2_ABCDEFGHIJKL0";
        assert_eq!(
            mask(text),
            "ä postern_k1_****************, postern_metrics postern_ postern_k2_*************"
        );
        assert!(matches!(mask("nothing here"), Cow::Borrowed(_)));
    }
}
