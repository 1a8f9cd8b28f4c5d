//! A strict reader of Prometheus' text format: what it takes, Prometheus takes, and more.

use std::collections::{BTreeMap, BTreeSet};

/// One page of `/metrics`, read.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Name of each family, with its type.
    pub families: BTreeMap<String, String>,
    samples: BTreeMap<(String, BTreeMap<String, String>), f64>,
}

impl Page {
    /// Reads a page; panics at the first thing that is not as it must be.
    pub(crate) fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has no end");
        let mut page = Self::default();
        let mut family: Option<(String, String)> = None;
        let mut help: Option<String> = None;
        for line in text.lines() {
            assert!(!line.is_empty(), "an empty line");
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, words) = rest.split_once(' ').expect(line);
                assert!(is_name(name) && !words.trim().is_empty(), "{line}");
                help = Some(name.to_owned());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect(line);
                assert_eq!(
                    help.take().as_deref(),
                    Some(name),
                    "HELP stands before TYPE"
                );
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                let before = page.families.insert(name.to_owned(), kind.to_owned());
                assert!(before.is_none(), "{name} stands twice");
                family = Some((name.to_owned(), kind.to_owned()));
            } else {
                let (name, labels, value) = sample(line);
                let (of, kind) = family.as_ref().expect(line);
                let fits = match name.strip_prefix(of.as_str()) {
                    Some("") => kind != "histogram",
                    Some("_bucket" | "_sum" | "_count") => kind == "histogram",
                    _ => false,
                };
                assert!(fits, "{line} stands under {of}");
                assert_eq!(
                    labels.contains_key("le"),
                    name.ends_with("_bucket"),
                    "{line}"
                );
                assert!(kind == "gauge" || value >= 0.0, "{line}");
                let before = page.samples.insert((name.clone(), labels), value);
                assert!(before.is_none(), "twice: {line}");
            }
        }
        page.check_histograms();
        page
    }

    /// The value of a series, where it is there.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        self.samples.get(&(name.to_owned(), labels)).copied()
    }

    /// The values that a label has anywhere.
    pub(crate) fn values_of(&self, label: &str) -> BTreeSet<&str> {
        let labels = self
            .samples
            .keys()
            .filter_map(|(_, labels)| labels.get(label));
        labels.map(String::as_str).collect()
    }

    fn check_histograms(&self) {
        let mut buckets: BTreeMap<_, Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), value) in &self.samples {
            if let Some(family) = name.strip_suffix("_bucket") {
                let mut labels = labels.clone();
                let end = number(&labels.remove("le").unwrap());
                buckets
                    .entry((family, labels))
                    .or_default()
                    .push((end, *value));
            }
        }
        for ((family, labels), mut ends) in buckets {
            ends.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(
                ends.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1),
                "{family}: {ends:?}"
            );
            let (last, all) = *ends.last().unwrap();
            assert_eq!(last, f64::INFINITY, "{family}");
            let of = |suffix: &str| {
                self.samples
                    .get(&(format!("{family}{suffix}"), labels.clone()))
            };
            assert_eq!(of("_count"), Some(&all), "{family}");
            assert!(of("_sum").is_some(), "{family}");
        }
    }
}

fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let end = line.find(['{', ' ']).expect(line);
    let name = &line[..end];
    assert!(is_name(name), "{line}");
    let mut labels = BTreeMap::new();
    let mut rest = &line[end..];
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").expect(line);
            assert!(
                is_name(label) && !label.contains(':') && !label.starts_with("__"),
                "{line}"
            );
            let (value, after) = quoted(after, line);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            match after.strip_prefix(',') {
                Some(more) => rest = more,
                None => {
                    rest = after.strip_prefix('}').expect(line);
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ').expect(line);
    (name.to_owned(), labels, number(value))
}

/// A value up to its closing quote, and what follows.
fn quoted<'t>(text: &'t str, line: &str) -> (String, &'t str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.push(match chars.next().map(|(_, c)| c) {
                Some('n') => '\n',
                Some(c @ ('\\' | '"')) => c,
                other => panic!("\\{other:?} in {line}"),
            }),
            c => value.push(c),
        }
    }
    panic!("no closing quote in {line}")
}

fn is_name(text: &str) -> bool {
    let first = text.chars().next();
    first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == ':')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        text => {
            assert!(!text.is_empty() && !text.contains(' '), "{text:?}");
            text.parse()
                .unwrap_or_else(|_| panic!("{text:?} is no number"))
        }
    }
}

#[test]
fn what_is_not_the_format_is_refused() {
    let good = "# HELP a_total x\n# TYPE a_total counter\na_total{b=\"c\\\"\\\\\\n\"} 1\n";
    let page = Page::read(good);
    assert_eq!(page.get("a_total", &[("b", "c\"\\\n")]), Some(1.0));
    for bad in [
        "a_total 1\n",
        "# HELP a_total x\n# TYPE a_total counter\na_total 1",
        "# HELP a_total x\n# TYPE a_total counter\na_total -1\n",
        "# HELP a_total x\n# TYPE a_total counter\na_total 1\na_total 2\n",
        "# HELP a_total x\n# TYPE a_total counter\nb_total 1\n",
        "# HELP a_total x\n# TYPE a_total counter\na_total{b=\"\\x\"} 1\n",
        "# HELP a_total x\n# TYPE a_total counter\na_total{b=\"c} 1\n",
        "# TYPE a_total counter\na_total 1\n",
        "# HELP a x\n# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 2\n",
        "# HELP a x\n# TYPE a histogram\na_bucket{le=\"1\"} 1\na_sum 1\na_count 1\n",
    ] {
        let read = std::panic::catch_unwind(|| Page::read(bad));
        assert!(read.is_err(), "{bad}");
    }
}
