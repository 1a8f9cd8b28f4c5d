//! The whole of it: files in, trees or rendered findings out.

use proptest::prelude::*;

use super::*;

fn source(text: &str) -> Source {
    Source::new("rules/corp.yaml", text)
}

/// The findings of a file, each as it is printed.
fn rendered(text: &str) -> String {
    let source = source(text);
    let mut diagnostics = Diagnostics::default();
    match parse(&source) {
        Ok(node) => read_rule(&source, &node, &mut diagnostics),
        Err(found) => diagnostics.extend(found),
    }
    diagnostics.render(false)
}

/// A reader such as the mapping and access files have, small.
fn read_rule(source: &Source, node: &Node, diagnostics: &mut Diagnostics) {
    let Some(mut rule) = Table::open(source, node, "a rule", diagnostics) else {
        return;
    };
    if let Some(url) = rule.required("tenant_url", diagnostics) {
        url.string(source, diagnostics);
    }
    if let Some(count) = rule.optional("count") {
        count.integer(source, diagnostics);
    }
    if let Some(lines) = rule.optional("attributes") {
        for line in lines.list(source, diagnostics).unwrap_or_default() {
            let Some(mut line) = Table::open(source, line, "an attribute", diagnostics) else {
                continue;
            };
            line.required("scim", diagnostics);
            line.required("target", diagnostics);
            if let Some(required) = line.optional("required") {
                required.boolean(source, diagnostics);
            }
            line.finish(diagnostics);
        }
    }
    rule.finish(diagnostics);
}

macro_rules! golden {
    ($($name:ident: $text:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(rendered($text));
        }
    )*};
}

golden! {
    several_mistakes_in_one_go: "\
tenent_url: https://scim.example.com/corp
count: many
attributes:
  - {scim: userName, target: uid, required: yes}
  - scim: name.familyName
    taregt: sn
  - userName
hosts: []
";
    duplicate_keys: "tenant_url: a\ncount: 1\n\"tenant_url\": b\nattributes: [{scim: a, target: b, scim: c}]\n";
    anchors_aliases_tags: "\
tenant_url: &url x
count: !!int 3
attributes: [*url, *nowhere]
? [a]
: b
<<: {a: b}
: empty
";
    tabs: "tenant_url: x\nattributes:\n\t- a\n";
    unclosed: "tenant_url: x\nattributes: [{scim: a\n";
    unclosed_quote: "tenant_url: \"x\ncount: 1\n";
    bad_indent: "tenant_url: x\n  count: 1\n";
    two_documents: "tenant_url: x\n---\ntenant_url: y\n";
    directive: "%YAML 1.1\n---\ntenant_url: x\n";
    empty: "";
    not_a_table: "- a\n- b\n";
    value_missing: "tenant_url:\ncount:\nattributes: [{scim: ä, target: b, größe: 1}]\n";
    reserved_character: "tenant_url: @x\n";
    long_line: &format!("tenant_url: x\npadding: {}, unknown: 1\n", "y".repeat(300));
}

#[test]
fn colour_is_only_there_when_asked_for() {
    let source = source("a: b\n");
    let finding = Diagnostic::error(&source, Span::default(), "no");
    assert!(finding.render(true).contains('\u{1b}'));
    assert!(!finding.render(false).contains('\u{1b}'));
}

#[test]
fn one_line_is_one_line() {
    let text = "a: 1\n\"x\\ny\\e[31m\\u202e\": 2\n";
    let source = source(text);
    let node = parse(&source).unwrap();
    let mut diagnostics = Diagnostics::default();
    let mut table = Table::open(&source, &node, "a rule", &mut diagnostics).unwrap();
    table.optional("a");
    table.finish(&mut diagnostics);
    let line = diagnostics.iter().next().unwrap().one_line();
    assert_eq!(
        line,
        "rules/corp.yaml:2:1: unknown key `x\\ny\\u{1b}[31m\\u{202e}` in a rule (known here: `a`)"
    );
}

#[test]
fn scalars_are_what_they_look_like() {
    let text = "[true, false, True, yes, no, 'true', null, ~, 0, -0, 1.10, 1e5, 012, 1_000, \
                0x1F, +1, .5, 1., .inf, 2026-11-01, 18446744073709551616, -1.5E-3, 1e, \"1\"]";
    let node = parse(&source(text)).unwrap();
    insta::assert_debug_snapshot!(match node.value {
        Value::List(items) => items.into_iter().map(|n| n.value).collect::<Vec<_>>(),
        other => vec![other],
    });
}

#[test]
fn places_are_exact() {
    let text = "\u{feff}ä: {b: \"x y\"}\r\nlist:\r\n  - 'it''s'\r\n  - ü: plain text # note\r\nflat:\r\n# c\r\n- 1\r\n- 2\r\n";
    let source = source(text);
    let node = parse(&source).unwrap();
    let mut seen = Vec::new();
    walk(&node, &mut |name, span| {
        seen.push(format!(
            "{name} {}:{} {:?}",
            span.line,
            span.column,
            source.slice(span)
        ));
    });
    insta::assert_snapshot!(seen.join("\n"));
}

#[test]
fn a_part_of_a_scalar_has_a_place() {
    let source = source("a: 'ä[type eq \"x\"]'\nb: \"q\\\"uoted\"\n");
    let node = parse(&source).unwrap();
    let Value::Table(entries) = &node.value else {
        panic!("a table");
    };
    let a = &entries[0].1;
    let Value::String(text) = &a.value else {
        panic!("a string");
    };
    let part = a.span.part(&source, text, text.find("eq").unwrap(), 2);
    assert_eq!((source.slice(part), part.line, part.column), ("eq", 1, 12));
    let b = entries[1].1.span;
    assert_eq!(b.part(&source, "q\"uoted", 2, 1), b);
}

#[test]
fn too_large_and_too_deep_are_refused() {
    let large = format!("a: {}", "x".repeat(MAX_FILE));
    assert!(rendered(&large).contains("more than 16777216"));
    let just = format!("a: {}", "x".repeat(MAX_FILE - 3));
    assert!(parse(&source(&just)).is_ok());
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(parse(&source(&deep(MAX_DEPTH))).is_ok());
    assert!(rendered(&deep(MAX_DEPTH + 1)).contains("more than 64 deep"));
    assert!(rendered(&"- ".repeat(100_000)).contains("more than 64 deep"));
}

fn walk(node: &Node, see: &mut impl FnMut(&str, Span)) {
    match &node.value {
        Value::List(items) => {
            see("list", node.span);
            items.iter().for_each(|item| walk(item, see));
        }
        Value::Table(entries) => {
            see("table", node.span);
            for (key, node) in entries {
                see("key", key.span);
                walk(node, see);
            }
        }
        _ => see("scalar", node.span),
    }
}

/// A tree of JSON, which YAML reads as it is.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "\\PC{0,12}".prop_map(Into::into),
        Just("true".into()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map("\\PC{0,8}", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn as_json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(text) => serde_json::from_str(text).unwrap(),
        Value::String(text) => text.as_str().into(),
        Value::List(items) => items.iter().map(as_json).collect(),
        Value::Table(entries) => entries
            .iter()
            .map(|(key, node)| (key.text.clone(), as_json(node)))
            .collect(),
    }
}

proptest! {
    #[test]
    fn json_is_read_as_json(value in json()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let node = parse(&source(&text)).map_err(|d| TestCaseError::fail(format!("{text}: {d:?}")))?;
            prop_assert_eq!(as_json(&node), value.clone());
        }
    }

    #[test]
    fn odd_text_is_read_or_refused_with_places_inside_the_file(
        text in "([-:?,#&*!|>'\"%@`{}\\[\\]~<\t\r\n ]|[ab0]|: |- |\n  |ä|\u{feff}|\u{2028}){0,40}",
        colour in any::<bool>(),
    ) {
        let source = source(&text);
        let mut diagnostics = Diagnostics::default();
        match parse(&source) {
            Ok(node) => {
                walk(&node, &mut |_, span| assert!(text.get(span.range()).is_some(), "{span:?}"));
                read_rule(&source, &node, &mut diagnostics);
            }
            Err(found) => {
                prop_assert!(found.has_errors());
                diagnostics.extend(found);
            }
        }
        for diagnostic in diagnostics.iter() {
            prop_assert!(!diagnostic.render(colour).is_empty());
            prop_assert!(!diagnostic.one_line().contains('\n'));
        }
    }

    #[test]
    fn any_place_can_be_rendered(text in "\\PC{0,20}(\r?\n\\PC{0,9}){0,3}", offset in 0usize..60, len in 0usize..60) {
        let source = source(&text);
        let span = Span { line: 1, column: 1, offset, len };
        let finding = Diagnostic::warning(&source, span, "m\u{1b}").help("h").related(span, "here");
        prop_assert!(finding.render(false).contains("warning"));
    }
}
