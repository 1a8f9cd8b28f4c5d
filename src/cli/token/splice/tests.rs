//! Additions and removals on every layout that people write.

use proptest::prelude::*;

use super::*;

const ITEM: &str = "{id: new, sha256: \"00\", expires: 2027-02-01}";

fn added(text: &str) -> Result<String, SpliceError> {
    add(&Source::new("access.yaml", text), Owner::Account("a"), ITEM)
}

fn removed(text: &str, id: &str) -> Result<String, SpliceError> {
    remove(&Source::new("access.yaml", text), id)
}

/// Adds, checks that taking out again brings back the text (or one with an empty list), and gives
/// the text in between.
#[track_caller]
fn there_and_back(text: &str, between: &str, back: &str) {
    assert_eq!(added(text).as_deref(), Ok(between));
    assert_eq!(removed(between, "new").as_deref(), Ok(back));
}

#[test]
fn layouts() {
    let block = "accounts:\n  - name: a # one\n    tenants: [x] # two\n# three\n  - name: b\n";
    there_and_back(
        block,
        &block.replace("# two\n", &format!("# two\n    tokens:\n      - {ITEM}\n")),
        &block.replace("# two\n", "# two\n    tokens:\n"),
    );
    let flow = "accounts: [{name: b}, {name: a, tenants: [x] }] # end";
    there_and_back(
        flow,
        &flow.replace("[x] }", &format!("[x], tokens: [{ITEM}] }}")),
        &flow.replace("[x] }", "[x], tokens: [] }"),
    );
    let empty = "accounts: [{name: a, tokens: [ ], tenants: []}]";
    there_and_back(empty, &empty.replace("[ ]", &format!("[{ITEM} ]")), empty);
    let null = "accounts:\n- tokens: # none yet\n  name: a\n";
    there_and_back(
        null,
        &null.replace("tokens:", &format!("tokens: [{ITEM}]")),
        &null.replace("tokens:", "tokens: []"),
    );
    let tilde = "accounts: [{name: a, tokens: ~ }]";
    let list = tilde.replace('~', &format!("[{ITEM}]"));
    there_and_back(tilde, &list, &tilde.replace('~', "[]"));
    let end = "accounts:\n- name: a\n  tokens:\n  - {id: k}";
    there_and_back(end, &format!("{end}\n  - {ITEM}"), &format!("{end}\n"));
}

#[test]
fn lists_that_have_tokens() {
    let block = "accounts:\n  - name: a\n    tokens:\n      # first\n      - {id: k} # k\n      - id: l\n        sha256: x # l\n      # last\n    tenants: [x]\n";
    there_and_back(
        block,
        &block.replace("# l\n", &format!("# l\n      - {ITEM}\n")),
        block,
    );
    let without_k = block.replace("      - {id: k} # k\n", "");
    assert_eq!(removed(block, "k"), Ok(without_k));
    let without_l = block.replace("      - id: l\n        sha256: x # l\n", "");
    assert_eq!(removed(block, "l"), Ok(without_l));

    let flow = "accounts: [{name: a, tokens: [{id: k}, {id: l} , {id: m},]}]";
    there_and_back(
        flow,
        &flow.replace("m},", &format!("m}}, {ITEM},")),
        &flow.replace("m},", "m}, "),
    );
    assert_eq!(removed(flow, "k"), Ok(flow.replace("{id: k}, ", "")));
    assert_eq!(removed(flow, "l"), Ok(flow.replace("{id: l} , ", "")));
    assert_eq!(removed(flow, "m"), Ok(flow.replace("{id: m},", "")));

    let lines = "accounts:\n- name: a\n  tokens: [\n    {id: k}, # k\n    {id: l} # l\n    , {id: m} # m\n  ]\n";
    there_and_back(
        lines,
        &lines.replace("{id: m}", &format!("{{id: m}}, {ITEM}")),
        lines,
    );
    assert_eq!(removed(lines, "k"), Ok(lines.replace("{id: k}, ", "")));
    assert_eq!(
        removed(lines, "l"),
        Ok(lines.replace("{id: l} # l\n    , ", " # l\n     "))
    );
    assert_eq!(removed(lines, "m"), Ok(lines.replace(", {id: m}", "")));

    let lines = "accounts:\n- name: a\n  tokens: [\n    {id: k},\n    {id: l}\n  ]\n";
    assert_eq!(removed(lines, "k"), Ok(lines.replace("    {id: k},\n", "")));
    assert_eq!(removed(lines, "l"), Ok(lines.replace(",\n    {id: l}", "")));
}

#[test]
fn ends() {
    let ended = |text: &str, id: &str| {
        end(
            &Source::new("access.yaml", text),
            id,
            "2027-01-01T00:00:00Z",
        )
    };
    let flow = "accounts: [{name: a, tokens: [{id: k, sha256: x }, {id: l, expires: 2030-01-01, sha256: y}]}] # end";
    let at = "expires: \"2027-01-01T00:00:00Z\"";
    assert_eq!(
        ended(flow, "k"),
        Ok(flow.replace("x }", &format!("x, {at} }}")))
    );
    assert_eq!(
        ended(flow, "l"),
        Ok(flow.replace("expires: 2030-01-01", at))
    );
    let block = "operators:\r\n- name: b\r\n  tokens:\r\n  - id: k # one\r\n    sha256: x # two\r\n  # three\r\n  - sha256: y\r\n    expires: '2030-01-01' # four\r\n    id: l\r\n";
    assert_eq!(
        ended(block, "k"),
        Ok(block.replace("# two\r\n", &format!("# two\r\n    {at}\r\n")))
    );
    assert_eq!(
        ended(block, "l"),
        Ok(block.replace("expires: '2030-01-01'", at))
    );
    assert_eq!(ended(block, "m"), Err(SpliceError::NoToken));
    let lines = "accounts: [{name: a, tokens: [{\n  id: k, # one\n  sha256: x, # two\n}]}]";
    assert_eq!(
        ended(lines, "k"),
        Ok(lines.replace("sha256: x,", &format!("sha256: x, {at},")))
    );
    let last = "accounts:\n- name: a\n  tokens:\n  - id: k";
    assert_eq!(ended(last, "k"), Ok(format!("{last}\n    {at}")));
}

#[test]
fn line_ends_are_the_file_s_own() {
    let text = "accounts:\r\n- name: a\r\n  tokens:\r\n  - {id: k}\r\n";
    there_and_back(text, &format!("{text}  - {ITEM}\r\n"), text);
    let bare = "accounts:\r\n- name: a\r\n";
    let back = format!("{bare}  tokens:\r\n");
    there_and_back(bare, &format!("{back}    - {ITEM}\r\n"), &back);
}

#[test]
fn what_is_not_there() {
    assert_eq!(added("accounts: [{name: b}]"), Err(SpliceError::NoOwner));
    assert_eq!(added("accounts: {name: a}"), Err(SpliceError::NoOwner));
    assert_eq!(
        removed("accounts: [{name: a, tokens: [{id: k}]}]", "new"),
        Err(SpliceError::NoToken)
    );
    assert_eq!(added("accounts: ["), Err(SpliceError::Layout));
}

#[test]
fn what_is_not_understood_is_left_alone() {
    assert_eq!(
        added("accounts: [{name: a, tokens: {id: k}}]"),
        Err(SpliceError::Layout)
    );
    // The colon is in the comment: the new text would read as the old one.
    assert_eq!(
        added("accounts:\n- ? name\n  : a\n  ? tokens # a: b\n  :\n"),
        Err(SpliceError::Layout)
    );
    assert_eq!(
        added("accounts:\n- {name: a, ? tokens\n  : }\n"),
        Ok(format!(
            "accounts:\n- {{name: a, ? tokens\n  : [{ITEM}] }}\n"
        ))
    );
    assert_eq!(
        added("accounts:\n- name: a\n  tokens:\n  - id: k\n    note: |\n      two\n\n      lines\n"),
        Ok("accounts:\n- name: a\n  tokens:\n  - id: k\n    note: |\n      two\n\n      lines\n  - ".to_owned() + ITEM + "\n")
    );
}

/// A file in some layout: account blocks or braces, tokens absent, empty, flow or block, comments
/// and blank lines in between.
fn file() -> impl Strategy<Value = String> {
    let tokens = prop::collection::vec(("[a-z]{1,6}", any::<bool>()), 0..4);
    let account = (any::<bool>(), 0u8..5, tokens, any::<bool>(), 0usize..3);
    (
        prop::collection::vec(account, 1..4),
        0usize..3,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(accounts, indent, crlf, newline)| {
            let pad = " ".repeat(indent);
            let mut out = "# head\nroles: {}\naccounts:\n".to_owned();
            for (at, (flow, layout, tokens, note, deep)) in accounts.into_iter().enumerate() {
                let name = ["a", "b", "c"][at];
                let ids: Vec<String> = tokens
                    .iter()
                    .enumerate()
                    .map(|(n, (id, _))| format!("{id}{at}{n}"))
                    .collect();
                let items: Vec<String> = ids.iter().map(|id| format!("{{id: {id}}}")).collect();
                let flow_list = format!("[{}]", items.join(", "));
                let note = if note { " # note" } else { "" };
                if flow {
                    let tokens = match layout {
                        0 => String::new(),
                        1 => ", tokens: ".to_owned(),
                        _ => format!(", tokens: {flow_list}"),
                    };
                    out += &format!("{pad}- {{name: {name}{tokens}, tenants: [x]}}{note}\n");
                    continue;
                }
                out += &format!("{pad}- name: {name}{note}\n{pad}  tenants:\n{pad}  - x{note}\n");
                match layout {
                    0 => {}
                    1 => out += &format!("{pad}  tokens:{note}\n"),
                    2 => out += &format!("{pad}  tokens: {flow_list}{note}\n"),
                    _ if ids.is_empty() => out += &format!("{pad}  tokens: []\n"),
                    3 => {
                        out += &format!("{pad}  tokens:\n");
                        let deep = " ".repeat(deep);
                        for ((_, long), id) in tokens.iter().zip(&ids) {
                            let long = if *long {
                                format!("\n{pad}  {deep}  sha256: x{note}")
                            } else {
                                String::new()
                            };
                            out +=
                                &format!("{pad}  {deep}# above\n{pad}  {deep}- id: {id}{long}\n");
                        }
                    }
                    _ => {
                        let items = items.join(&format!(",{note}\n{pad}    "));
                        out += &format!("{pad}  tokens: [\n{pad}    {items}{note}\n{pad}  ]\n");
                    }
                }
            }
            if !newline {
                out.pop();
            }
            if crlf { out.replace('\n', "\r\n") } else { out }
        })
}

fn ids(text: &str) -> Vec<String> {
    text.split("id: ")
        .skip(1)
        .map(|rest| {
            rest.chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect()
        })
        .collect()
}

proptest! {
    #[test]
    fn an_addition_inserts_and_changes_nothing_else(text in file()) {
        let between = added(&text);
        prop_assert!(between.is_ok(), "{}", text);
        let between = between.unwrap();
        // All of the old text is there, before and after what is new.
        let prefix = text.bytes().zip(between.bytes()).take_while(|(a, b)| a == b).count();
        let suffix = text.bytes().rev().zip(between.bytes().rev()).take_while(|(a, b)| a == b).count();
        prop_assert!(prefix + suffix >= text.len(), "{}\n{}", text, between);
        let back = removed(&between, "new");
        prop_assert!(back.is_ok(), "{}", between);
        prop_assert_eq!(ids(&back.unwrap()), ids(&text));
    }

    #[test]
    fn a_removal_takes_out_and_changes_nothing_else(text in file(), pick: prop::sample::Index) {
        let all = ids(&text);
        if all.is_empty() {
            prop_assert_eq!(removed(&text, "k"), Err(SpliceError::NoToken));
            return Ok(());
        }
        let id = &all[pick.index(all.len())];
        let without = removed(&text, id);
        prop_assert!(without.is_ok(), "{} of\n{}", id, text);
        let without = without.unwrap();
        let left: Vec<String> = all.iter().filter(|other| *other != id).cloned().collect();
        prop_assert_eq!(ids(&without), left);
        // What is left is a subsequence of what was there.
        let mut rest = text.chars();
        prop_assert!(without.chars().all(|c| rest.any(|d| d == c)));
    }

    #[test]
    fn odd_files_do_no_harm(text in "(accounts: |- |name: a|tokens:|\\[|\\]|\\{|\\}|id: k|, |,|#|\n|\n  |  |~|\"|\\||ä){0,24}") {
        let _ = added(&text);
        let _ = removed(&text, "k");
    }
}
