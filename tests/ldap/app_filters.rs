//! Filters as clients send them, through the shipped rules, against what they mean by our own
//! reckoning over the whole list: what is found is that, or the filter is refused with the reason;
//! never another list, and never an error of the directory.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use postern::mapping::{Plan, Ruleset};
use postern::scim::accent::Accents;
use postern::scim::schema::TypeSchema;
use postern::scim::{Resource, parse};
use postern::yaml::Source;
use serde_json::{Value, json};

use crate::app::App;
use crate::filters::Dice;
use crate::place::{Kind, Place, on_every_server};

on_every_server! {
    what_clients_ask_for_is_what_they_get
}

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

const TEXTS: [&str; 16] = [
    "a",
    "B",
    "ab",
    "Boss",
    "boss man",
    "*",
    "(x)",
    r"a\\b",
    "ä",
    "Ärger",
    "\u{1f600}z",
    "a,b",
    "a+b=c",
    "#a",
    "42",
    "-7",
];
/// What nobody has, what nobody can have, and what a server may take for something else.
const ODD: [&str; 17] = [
    "",
    " ",
    "nobody",
    "*)(uid=*",
    r"a\u0000b",
    r"\\",
    "Ünï",
    "\u{10ffff}",
    r"\\2a",
    "TRUE",
    "false",
    "000001010000Z",
    "512",
    "cn=x",
    "2026",
    "+",
    "\u{202e}",
];
/// Pieces with spaces at their ends, which servers take for nothing, or for one of several.
const PIECES: [&str; 9] = [
    " ", "  ", "s m", "boss ", " man", " m", "s ", "s  m", "man ",
];
const MAILS: [&str; 4] = [
    "a@example.com",
    "B@example.com",
    "x+y@example.com",
    "c.d@Example.org",
];
const NUMBERS: [&str; 3] = ["+1 555 1", "+15552", "42"];
const TIMES: [&str; 3] = [
    "2020-01-01T00:00:00Z",
    "2099-01-01T00:00:00.5Z",
    "2026-11-24T12:00:00+02:00",
];

/// Everything that a filter may name, and the values to ask for.
struct Words {
    ids: Vec<String>,
    users: Vec<String>,
    groups: Vec<String>,
    times: Vec<String>,
}

impl Words {
    fn filter(&self, dice: &mut Dice, depth: usize) -> String {
        match dice.roll(if depth == 0 { 6 } else { 12 }) {
            0 => format!("{} pr", self.path(dice)),
            1..=4 => self.comparison(dice),
            5 => Self::element(dice),
            6 | 7 => {
                let (a, b) = (self.filter(dice, depth - 1), self.filter(dice, depth - 1));
                format!("({a}) and ({b})")
            }
            8 | 9 => {
                let (a, b) = (self.filter(dice, depth - 1), self.filter(dice, depth - 1));
                format!("{a} or {b}")
            }
            _ => format!("not ({})", self.filter(dice, depth - 1)),
        }
    }

    fn path(&self, dice: &mut Dice) -> String {
        let manager = format!("{ENTERPRISE}:manager.value");
        let department = format!("{ENTERPRISE}:department");
        let paths = [
            "userName",
            "name.familyName",
            "name.givenName",
            "displayName",
            "title",
            "userType",
            "externalId",
            "emails",
            "emails.value",
            "emails.type",
            "phoneNumbers",
            "phoneNumbers.value",
            "active",
            "id",
            "meta.created",
            "meta.lastModified",
            "groups",
            "groups.value",
            "name",
            &manager,
            &department,
            "TITLE",
            "urn:ietf:params:scim:schemas:core:2.0:User:title",
        ];
        dice.of(&paths).to_owned()
    }

    fn comparison(&self, dice: &mut Dice) -> String {
        let path = match self.path(dice).as_str() {
            // It has no `value` to compare.
            "name" => "name.givenName".to_owned(),
            // Directories compare it without regard to case.
            "externalId" => "title".to_owned(),
            path => path.to_owned(),
        };
        let op = dice.of(&[
            "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "eq", "eq", "EQ",
        ]);
        let ordered = ["gt", "ge", "lt", "le"].contains(&op);
        let value = match path.as_str() {
            _ if dice.roll(12) == 0 => dice.of(&["null", "true", "false", "42", "-1.5"]).to_owned(),
            "active" => dice
                .of(&["true", "false", "true", "false", "\"true\"", "null"])
                .to_owned(),
            "meta.created" | "meta.lastModified" if dice.roll(2) == 0 => {
                quoted(one(dice, &self.times))
            }
            "meta.created" | "meta.lastModified" => quoted(dice.of(&TIMES)),
            "id" => quoted(one(dice, &self.ids)),
            path if path.contains("manager") => quoted(one(dice, &self.ids)),
            "groups" | "groups.value" => quoted(one(dice, &self.groups)),
            _ if ["co", "sw", "ew"].contains(&op) && dice.roll(4) == 0 => quoted(dice.of(&PIECES)),
            // Servers put signs before letters or behind them.
            _ if ordered => quoted(dice.of(&["B", "Boss", "42", "C"])),
            _ if dice.roll(4) == 0 => quoted(dice.of(&ODD)),
            "userName" => quoted(one(dice, &self.users)),
            "emails" | "emails.value" => quoted(dice.of(&MAILS)),
            "emails.type" => quoted(dice.of(&["work", "home"])),
            "phoneNumbers" | "phoneNumbers.value" => quoted(dice.of(&NUMBERS)),
            _ => quoted(dice.of(&TEXTS)),
        };
        format!("{path} {op} {value}")
    }

    fn element(dice: &mut Dice) -> String {
        let mail = quoted(dice.of(&MAILS));
        let number = quoted(dice.of(&NUMBERS));
        let kind = dice.of(&["work", "home", "mobile", "WORK"]);
        let op = dice.of(&["eq", "co", "sw", "ew", "ne"]);
        match dice.roll(6) {
            0 => format!("emails[type eq \"{kind}\"]"),
            1 => format!("emails[type eq \"{kind}\" and value {op} {mail}]"),
            2 => format!("emails[value {op} {mail}]"),
            3 => format!("phoneNumbers[type eq \"{kind}\" and value {op} {number}]"),
            4 => format!("phoneNumbers[not (value {op} {number}) or type ne \"{kind}\"]"),
            _ => format!("emails[primary eq true and value {op} {mail}]"),
        }
    }
}

fn one<'a>(dice: &mut Dice, all: &'a [String]) -> &'a str {
    &all[dice.roll(all.len())]
}

/// The texts above are as they stand in JSON.
fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn plain(text: &str) -> Value {
    serde_json::from_str(&quoted(text)).unwrap()
}

fn person(app: &App, dice: &mut Dice, number: usize, managers: &[String]) -> Value {
    let mut user = app.user(&format!("p{number}"));
    user["name"]["familyName"] = plain(dice.of(&TEXTS));
    // Names of entries are made of both in Active Directory.
    user["name"]["givenName"] = json!(format!("N{number}"));
    for name in ["title", "displayName", "userType", "externalId"] {
        let ascii = app.kind == Kind::Samba && name != "title";
        let value = dice.of(&TEXTS);
        if dice.roll(2) == 0 && (!ascii || value.is_ascii()) {
            user[name] = plain(value);
        }
    }
    if dice.roll(2) == 0 {
        user["emails"] = json!([{"type": "work", "value": dice.of(&MAILS), "primary": true}]);
    }
    let mut phones = Vec::new();
    for kind in ["work", "mobile"] {
        if dice.roll(2) == 0 {
            phones.push(json!({"type": kind, "value": dice.of(&NUMBERS)}));
        }
    }
    if !phones.is_empty() {
        user["phoneNumbers"] = json!(phones);
    }
    user["active"] = json!(dice.roll(3) > 0);
    if dice.roll(2) == 0 && !managers.is_empty() {
        user[ENTERPRISE] = json!({"manager": {"value": one(dice, managers)}});
    }
    if dice.roll(2) == 0 {
        user[ENTERPRISE]["department"] = json!(dice.of(&["sales", "lab", "Boss"]));
    }
    user
}

async fn what_clients_ask_for_is_what_they_get(place: Place) {
    let mut rule = String::new();
    let app = App::with(&place, "app filters", |own| {
        rule.clone_from(&own);
        own
    })
    .await;
    let schema = schema(&rule);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut ids: Vec<String> = Vec::new();
    for number in 0..40 {
        let user = person(&app, &mut dice, number, &ids);
        ids.push(app.make(&user).await.expect(201).id());
        if number == 20 {
            // So that times differ.
            tokio::time::sleep(Duration::from_millis(1100)).await;
        }
    }
    let mut groups = Vec::new();
    for (name, members) in [
        ("few", &ids[..3]),
        ("many", &ids[10..30]),
        ("none", &ids[..0]),
    ] {
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        groups.push(app.group(name, &members).await);
    }
    groups.push(ids[0].clone());
    let listed = app.client.get("/Users?count=1000").await.expect(200).json();
    let everybody: Vec<Value> = listed["Resources"].as_array().unwrap().clone();
    assert_eq!(everybody.len(), 40);
    let mut words = Words {
        users: everybody.iter().map(|one| text(&one["userName"])).collect(),
        times: everybody
            .iter()
            .map(|one| text(&one["meta"]["created"]))
            .collect(),
        ids,
        groups,
    };
    words
        .ids
        .extend([groups_first(&words), "x".to_owned(), "*".to_owned()]);
    words
        .users
        .extend(["P1".to_owned(), "p".to_owned(), "example".to_owned()]);
    let resources: Vec<Resource> = everybody
        .iter()
        .map(|one| Resource::from(one.as_object().unwrap().clone()))
        .collect();
    let long = std::env::var_os("POSTERN_TEST_LONG").is_some();
    let rounds = if long { 3_000 } else { 300 };
    let (mut compared, mut refused, mut wrong) = (0, 0, Vec::new());
    for _ in 0..rounds {
        let filter = words.filter(&mut dice, 2);
        let escaped: String = filter.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let path = format!("/Users?count=1000&attributes=id&filter={escaped}");
        let answer = app.client.send(Method::GET, &path, &[], "").await;
        let body = answer.json();
        if answer.status == 400 && body["scimType"] == "invalidFilter" {
            refused += 1;
            continue;
        }
        if answer.status != 200 {
            wrong.push(format!("{filter}: {} {body}", answer.status));
            continue;
        }
        let found: BTreeSet<String> = body["Resources"]
            .as_array()
            .map(|all| all.iter().map(|one| text(&one["id"])).collect())
            .unwrap_or_default();
        let Ok(read) = parse::filter(&filter, &schema, &mut Accents::accepted()) else {
            wrong.push(format!("{filter}: answered, and not understood here"));
            continue;
        };
        let meant: BTreeSet<String> = resources
            .iter()
            .filter(|one| read.matches(one, &schema))
            .map(|one| text(&one.as_map()["id"]))
            .collect();
        if found != meant {
            let show = |these: &BTreeSet<String>, those: &BTreeSet<String>| {
                let one = these.difference(those).next();
                let one = one.and_then(|id| everybody.iter().find(|one| one["id"] == json!(id)));
                one.map(Value::to_string).unwrap_or_default()
            };
            wrong.push(format!(
                "{filter}\n  {} found, {} meant\n  too many {}\n  missing {}",
                found.len(),
                meant.len(),
                show(&found, &meant),
                show(&meant, &found)
            ));
        }
        compared += 1;
    }
    println!("{compared} filters found what they mean, {refused} were refused");
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(compared > rounds / 4);
}

fn groups_first(words: &Words) -> String {
    words.groups[0].clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// What clients are told of users.
fn schema(rule: &str) -> TypeSchema {
    let (rules, _) = Ruleset::read(&Source::new("rules/x.yaml", rule)).unwrap();
    let (plan, _) = Plan::compile(&rules).unwrap();
    plan.types().next().unwrap().clone()
}
