//! What is moved stays the text that it came as, so the spelling of a text must not matter: escapes
//! in names and strings, and space, change nothing but themselves.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::laws::{any_document, every_kind, record, user_document};
use super::support::*;
use crate::mapping::{Encoded, Event, Plan, Witness};
use crate::scim::json::{Checked, Node, check};
use crate::scim::operation::{Document, Projection, Verb};

/// Writes down everything that it sees.
#[derive(Default)]
struct Notes(Vec<String>);

impl Witness for Notes {
    fn saw(&mut self, event: Event<'_>) {
        self.0.push(format!("{event:?}"));
    }
}

/// The same text with some characters of strings escaped, and space where space may be.
fn respell(text: &str, seed: u64) -> String {
    let mut out = String::new();
    let (mut inside, mut escaped, mut state) = (false, false, seed);
    for c in text.chars() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let roll = (state >> 33) % 8;
        if inside {
            let special = escaped || c == '\\' || c == '"';
            if !special && roll == 0 && c.is_ascii() {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            } else {
                out.push(c);
            }
            inside = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        inside = c == '"';
        // Not within numbers and words.
        let apart = "{}[],:".contains(c);
        out.push_str(if apart && roll == 0 { " \n" } else { "" });
        out.push(c);
        out.push_str(if apart && roll == 1 { "\t " } else { "" });
    }
    out
}

fn spelled(value: &Value, seed: u64) -> Checked {
    let text = respell(&value.to_string(), seed);
    let checked = check(text.into()).unwrap();
    assert_eq!(Value::from(checked.parse()), *value);
    checked
}

fn sent(plan: &Plan, document: Document, overwrites: Option<Value>) -> (String, Vec<String>) {
    let verb = match overwrites {
        Some(_) => Verb::Replace("1".parse().unwrap(), document),
        None => Verb::Create(document),
    };
    let mut notes = Notes::default();
    let before = overwrites.map(|value| crate::mapping::Before {
        resource: resource(value),
        guard: crate::mapping::Guard::None,
    });
    let encoded = plan.encode_operation(
        operation(verb),
        (&scope(), None),
        FULL,
        before.as_ref(),
        &mut notes,
    );
    let text = match encoded {
        Ok((Encoded::Ask(operation), _)) => match operation.verb {
            Verb::Create(document) | Verb::Replace(_, document) => tree(document).to_string(),
            other => format!("{other:?}"),
        },
        Ok((Encoded::Unchanged(resource), _)) => Value::from(resource).to_string(),
        other => format!("{other:?}"),
    };
    (text, notes.0)
}

fn seen_text(plan: &Plan, text: &Checked) -> (String, Vec<String>) {
    let mut notes = Notes::default();
    let ty = plan.ty(&user()).unwrap();
    let view = view(Projection::All);
    let shown = plan
        .show(ty, text.members(), &view, None, &mut notes)
        .map(Option::unwrap);
    // As a value of its own and as text it is the same, and the text is strict JSON.
    let shown = shown.unwrap();
    let printed = Checked::print(&shown, 0).into_bytes();
    let value = Value::from(check(printed).unwrap().parse());
    assert_eq!(value, Node::from(shown).to_value());
    (value.to_string(), notes.0)
}

fn document() -> BoxedStrategy<Value> {
    prop_oneof![
        any_document().boxed(),
        user_document().boxed(),
        record().boxed()
    ]
    .prop_filter("no name twice", |value| {
        check(value.to_string().into()).is_ok()
    })
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_spelling_of_a_document_does_not_matter(
        document in document(), before in document(), seed: u64,
        policy in prop::sample::select(vec!["drop", "reject", "pass"]),
    ) {
        let plan = every_kind(policy);
        let mut record = before;
        record["id"] = json!("1");
        prop_assert_eq!(
            seen_text(&plan, &spelled(&record, seed)),
            seen_text(&plan, &Checked::of(&resource(record.clone())))
        );
        for before in [None, Some(record)] {
            let other = Document::Checked(spelled(&document, seed));
            let plain = Document::Tree(resource(document.clone()));
            prop_assert_eq!(sent(&plan, other, before.clone()), sent(&plan, plain, before));
        }
    }
}
