//! Rules with a guard and protected resources: what the compiler must say about them.

use super::support::*;

fn said(head: &str, user: &str) -> Vec<String> {
    let text = format!(
        "tenant_url: https://scim.example.com/corp\n\
         backend: {{scim: {{url: \"https://directory.internal\"}}}}\n\
         {head}\nresources:\n  User:\n{user}\n"
    );
    match compile(&text) {
        Ok((_, warnings)) => complaints(&warnings),
        Err(found) => complaints(&found),
    }
}

const LINES: &str = "    attributes:\n      - {scim: userName, target: login}\n      \
                     - {scim: externalId, target: ext}\n";

#[test]
fn what_is_only_written_cannot_be_watched() {
    let active = format!("{LINES}      - {{scim: active, target: on, direction: write}}");
    assert!(said("", &active).is_empty());
    let found = said("guard: {disable: {most: 5}}", &active);
    assert!(found[0].contains("`active` is only written"), "{found:?}");
    let own = format!("    protect: {{ids: [root]}}\n{active}");
    let found = said("", &own);
    assert!(found[0].contains("`active` is only written"), "{found:?}");
}

#[test]
fn a_limit_that_counts_nothing_is_told() {
    let found = said("guard: {disable: {most: 5}, empty: {most: 1}}", LINES);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("`disable` counts nothing"), "{found:?}");
    assert!(found[1].contains("`empty` counts nothing"), "{found:?}");
}

#[test]
fn protection_is_neither_by_a_secret_nor_beside_what_passes() {
    for (filter, line) in [
        ("userPassword pr", ""),
        (
            "pin eq \\\"1\\\"",
            "      - {scim: title, target: pin, secret: true}\n",
        ),
    ] {
        let own = format!("    protect: {{filter: \"{filter}\"}}\n{LINES}{line}");
        let found = said("", &own);
        assert!(found[0].contains("which is a secret"), "{found:?}");
    }
    let own = format!("    protect: {{ids: [root]}}\n{LINES}    unmapped: pass");
    let found = said("", &own);
    assert!(found[0].contains("`unmapped: pass` beside"), "{found:?}");
}
