//! "Did you mean": the nearest of a set of words.

/// The candidate nearest to `word` by edit distance, if it is near enough to be meant: one edit
/// in three characters, case aside. Of equally near ones the first.
///
/// ```
/// use postern::yaml::suggest;
/// assert_eq!(suggest("tenent_url", ["hosts", "tenant_url"]), Some("tenant_url"));
/// assert_eq!(suggest("colour", ["hosts", "tenant_url"]), None);
/// ```
#[must_use]
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = fold(word)?;
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let folded = fold(candidate)?;
            let distance = distance(&word, &folded);
            let near = word.len().max(folded.len()).div_ceil(3);
            // A distance of all characters is another word.
            (distance <= near && distance < folded.len()).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The characters in lower case; nothing for what is too long to compare.
fn fold(word: &str) -> Option<Vec<char>> {
    (word.len() <= MAX_WORD).then(|| word.chars().flat_map(char::to_lowercase).collect())
}

/// Insertions, deletions, replacements and swaps of neighbours that make `b` of `a`.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous_a = None;
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        let mut previous_b = None;
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let mut best = at(&last, j) + usize::from(x != y);
            best = best.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            if previous_a == Some(y) && previous_b == Some(x) {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
            previous_b = Some(y);
        }
        before = std::mem::replace(&mut last, row);
        previous_a = Some(x);
    }
    last.last().copied().unwrap_or_default()
}

/// Longer words are not compared: the work grows with the square.
const MAX_WORD: usize = 128;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn near_words_are_found() {
        let keys = ["required", "direction", "target", "scim"];
        assert_eq!(suggest("requird", keys), Some("required"));
        assert_eq!(suggest("Target", keys), Some("target"));
        assert_eq!(suggest("taregt", keys), Some("target"));
        assert_eq!(suggest("scmi", keys), Some("scim"));
        assert_eq!(suggest("", keys), None);
        assert_eq!(suggest("ab", ["cd"]), None);
        assert_eq!(suggest(&"a".repeat(1000), keys), None);
    }

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    proptest! {
        #[test]
        fn distance_is_a_distance(a in "[a-d]{0,8}", b in "[a-d]{0,8}") {
            let (a, b) = (chars(&a), chars(&b));
            let d = distance(&a, &b);
            prop_assert_eq!(d, distance(&b, &a));
            prop_assert_eq!(d == 0, a == b);
            prop_assert!(d <= a.len().max(b.len()));
            prop_assert!(d >= a.len().abs_diff(b.len()));
        }

        #[test]
        fn one_typo_is_distance_one(a in "[a-z]{2,8}", at in 0usize..7, c in "[A-Z]") {
            let mut b = chars(&a);
            let at = at.min(b.len() - 1);
            b[at] = chars(&c)[0];
            prop_assert_eq!(distance(&chars(&a), &b), 1);
        }
    }
}
