//! What filters find, compared with what our own evaluation says of the same resources: whatever a
//! server makes of a filter, it is that, or the filter is refused; never a list that is too short.

use std::collections::BTreeSet;

use postern::directory::DirectoryError;
use postern::directory::ldap::Attribute;
use postern::scim::filter::{CompareOp, Comparison, Filter};
use postern::scim::query::Query;
use postern::scim::{AttrPath, Resource, ScimType};
use serde_json::Value;

use crate::lists::Directed;
use crate::place::{Place, done, on_every_server, soon};

on_every_server! {
    what_a_filter_finds_is_what_it_means
    no_value_breaks_out
}

/// Numbers that look random, the same in each run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % sides
    }

    pub(crate) fn of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.roll(texts.len())]
    }
}

/// Values of the people, and what is asked for; all short, so that they meet often.
const VALUES: [&str; 16] = [
    "a",
    "B",
    "ab",
    "Boss",
    "boss man",
    "*",
    "(x)",
    r"a\b",
    "é",
    "\u{1f600}z",
    "a,b",
    "a+b=c",
    "#a",
    "<a>",
    "42",
    "-7",
];
/// What nobody has, or nobody can have.
const ODD: [&str; 8] = [
    "",
    "nobody",
    "*)(uid=*",
    "a\0b",
    "\\",
    "Ünï",
    "\u{10ffff}",
    "00000000",
];
const MAILS: [&str; 4] = ["a@example.com", "B@example.com", "x+y@example.com", "a"];
const NUMBERS: [&str; 3] = ["+15551", "+15552", "42"];
const TEXTS: [&str; 4] = ["title", "displayName", "sn", "employeeNumber"];
const NAMES: [&str; 7] = [
    "title",
    "displayName",
    "sn",
    "employeeNumber",
    "mail",
    "telephoneNumber",
    "createTimestamp",
];
const OPS: [CompareOp; 9] = [
    CompareOp::Eq,
    CompareOp::Ne,
    CompareOp::Co,
    CompareOp::Sw,
    CompareOp::Ew,
    CompareOp::Gt,
    CompareOp::Ge,
    CompareOp::Lt,
    CompareOp::Le,
];

fn filter(dice: &mut Dice, depth: usize) -> Filter {
    match dice.roll(if depth == 0 { 5 } else { 9 }) {
        0 => Filter::Present(path(dice.of(&NAMES))),
        1..=4 => {
            let name = dice.of(&NAMES);
            let op = match name {
                "createTimestamp" => OPS[5 + dice.roll(4)],
                _ => OPS[dice.roll(OPS.len())],
            };
            let order = matches!(
                op,
                CompareOp::Gt | CompareOp::Ge | CompareOp::Lt | CompareOp::Le
            );
            let value = match name {
                "createTimestamp" => dice.of(&["20200101000000Z", "20990101000000Z"]),
                // Servers put signs before letters or behind them.
                _ if order => dice.of(&["B", "Boss", "42", "C"]),
                _ if dice.roll(4) == 0 => dice.of(&ODD),
                "mail" => dice.of(&MAILS),
                "telephoneNumber" => dice.of(&NUMBERS),
                _ => dice.of(&VALUES),
            };
            compare(name, op, value)
        }
        5 => Filter::And(vec![filter(dice, depth - 1), filter(dice, depth - 1)]),
        6 => Filter::Or(vec![filter(dice, depth - 1), filter(dice, depth - 1)]),
        _ => Filter::Not(Box::new(filter(dice, depth - 1))),
    }
}

fn path(name: &str) -> AttrPath {
    AttrPath::of(name.parse().unwrap())
}

fn compare(name: &str, op: CompareOp, value: &str) -> Filter {
    Filter::Compare(Comparison {
        path: path(name),
        op,
        value: value.into(),
    })
}

fn asked(filter: &Filter) -> Query {
    Query {
        filter: Some(filter.clone()),
        ..Query::default()
    }
}

async fn people(place: &Place, name: &str, count: usize) -> Directed {
    let pool = place.pool();
    let directed = Directed::new(place, &pool, name).await;
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for number in 0..count {
        let mut more = Vec::new();
        for name in TEXTS {
            if name != "sn" && dice.roll(2) == 0 && may_have(place, name) {
                more.push(Attribute::one(name, dice.of(&VALUES).to_owned()));
            }
        }
        if dice.roll(2) == 0 {
            more.push(Attribute::one("mail", dice.of(&MAILS).to_owned()));
        }
        if dice.roll(2) == 0 {
            more.push(Attribute::one(
                "telephoneNumber",
                dice.of(&NUMBERS).to_owned(),
            ));
        }
        let write = place.person(&directed.unit, &format!("p{number}"), &more);
        done(pool.write(write, &[], soon()).await.map(|o| o.result));
    }
    directed
}

/// A contact of Active Directory has fewer attributes.
fn may_have(place: &Place, name: &str) -> bool {
    place.kind != crate::place::Kind::Samba || name != "employeeNumber"
}

async fn what_a_filter_finds_is_what_it_means(place: Place) {
    if place.kind == crate::place::Kind::Samba {
        println!("skipped: the filters name attributes that Active Directory does not have");
        return;
    }
    let directed = people(&place, "findings", 200).await;
    let everybody = directed.resources(Query::default()).await.unwrap();
    assert_eq!(everybody.len(), 200);
    let schema = directed.schema();
    let (mut compared, mut refused) = (0, 0);
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let rounds = if std::env::var_os("POSTERN_TEST_LONG").is_some() {
        8_000
    } else {
        400
    };
    for _ in 0..rounds {
        let filter = filter(&mut dice, 3);
        let found = match directed.resources(asked(&filter)).await {
            Ok(found) => ids(&found),
            Err(DirectoryError::Refused {
                scim_type: Some(ScimType::InvalidFilter),
                ..
            }) => {
                refused += 1;
                continue;
            }
            Err(error) => panic!("{filter}: {error:?}"),
        };
        let meant = everybody.iter().filter(|one| filter.matches(one, &schema));
        let meant = ids(&meant.cloned().collect::<Vec<_>>());
        assert_eq!(found, meant, "{filter}");
        compared += 1;
    }
    println!("{compared} filters found what they mean, {refused} were refused");
    assert!(compared > rounds / 4);
}

fn ids(resources: &[Resource]) -> BTreeSet<String> {
    let id = |resource: &Resource| {
        let names = ["entryUUID", "nsUniqueId", "objectGUID"];
        let mut found = names.iter().filter_map(|name| resource.as_map().get(*name));
        found.next().and_then(Value::as_str).unwrap().to_owned()
    };
    resources.iter().map(id).collect()
}

async fn no_value_breaks_out(place: Place) {
    let directed = people(&place, "odd", 20).await;
    for value in [
        "*",
        "*)(cn=*",
        "p1)(|(cn=*",
        "\\2a",
        "p*",
        "\0",
        "\u{1f600}",
        "p1\\",
    ] {
        for name in ["cn", "sn", "title"] {
            for op in [CompareOp::Eq, CompareOp::Co, CompareOp::Sw, CompareOp::Ew] {
                let filter = compare(name, op, value);
                let found = directed.resources(asked(&filter)).await.unwrap();
                for one in &found {
                    let text = one.as_map()[name].as_str().unwrap();
                    assert!(text.contains(value), "{filter} found {text:?}");
                }
            }
        }
    }
}
