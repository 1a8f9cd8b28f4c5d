//! Names and values that mean something elsewhere mean nothing here, and come back as sent.

use bytes::Bytes;
use postern::directory::ldap::{Attribute, Dn, Filter, Search};

use crate::place::{Kind, Place, done, on_every_server, soon};

on_every_server! {
    names_come_back_as_sent
    large_values_come_back_as_sent
    a_value_is_never_a_filter
}

const NASTY: &[&str] = &[
    "a,b",
    "a+b=c",
    "\"quoted\"",
    " leading",
    "trailing ",
    "#hash",
    "back\\slash",
    "*)(uid=*",
    "<angle>;semi",
    "\u{1d54f}\u{1f600} non-BMP",
    "ou=people,dc=example,dc=com",
    "\\2c\\00",
    "in  between",
];

async fn names_come_back_as_sent(place: Place) {
    let pool = place.pool();
    let unit = place.unit(&pool, "names").await;
    for name in NASTY {
        if place.kind == Kind::Samba && (name.starts_with(' ') || name.ends_with(' ')) {
            continue; // it takes the spaces away
        }
        let person = place.person(&unit, name, &[]);
        let dn = person.dn().clone();
        let made = pool.write(person, &[], soon()).await.unwrap().result;
        assert!(made.is_success(), "{name}: {made} {}", made.message);
        let found = pool.one(Search::entry(dn.clone(), &["cn"]), soon()).await;
        let found = found.unwrap_or_else(|e| panic!("{name}: {e}")).unwrap();
        assert!(found.values("cn").iter().any(|cn| cn == name), "{name}");
        let told: Dn = found.dn.parse().unwrap();
        assert!(
            told.is_same(&dn) && told.is_under(&unit),
            "{name}: {}",
            found.dn
        );
        let by_value = Search::below(unit.clone(), Filter::equal("cn", *name), &["cn"]);
        let found = pool.one(by_value, soon()).await.unwrap().unwrap();
        assert!(found.dn.parse::<Dn>().unwrap().is_same(&dn), "{name}");
    }
}

async fn large_values_come_back_as_sent(place: Place) {
    let pool = place.pool();
    let unit = place.unit(&pool, "large").await;
    let mut values = vec![Bytes::from("x".repeat(64 * 1024))];
    if place.kind != Kind::Samba {
        // Of a description, one value only there.
        values.push(Bytes::from("\u{1f600}*)(\\".repeat(1000)));
    }
    if place.kind == Kind::Samba {
        values[0].truncate(1000);
    }
    let person = place.person(
        &unit,
        "large",
        &[Attribute::many("description", values.clone())],
    );
    let dn = person.dn().clone();
    done(pool.write(person, &[], soon()).await.map(|o| o.result));
    let entry = pool.one(Search::entry(dn, &["description"]), soon()).await;
    let entry = entry.unwrap().unwrap();
    let mut got = entry.values("description").to_vec();
    got.sort();
    values.sort();
    assert!(got == values);
}

async fn a_value_is_never_a_filter(place: Place) {
    let pool = place.pool();
    let unit = place.unit(&pool, "filters").await;
    place.people(&pool, &unit, 3).await;
    let mut values = vec!["*", "x*", "*)(cn=*", "x0)(|(cn=*", "\\2a"];
    if place.kind == Kind::Slapd {
        // The others read a value only up to its first NUL: who asks must not let one through.
        values.push("x0\0");
    }
    for value in values {
        let search = Search::below(unit.clone(), Filter::equal("cn", value), &["cn"]);
        let found = pool.one(search, soon()).await.unwrap();
        assert_eq!(found.map(|entry| entry.dn), None, "{value:?}");
    }
    let filter = "(&(cn=x*)(!(cn=x1)))".parse().unwrap();
    let mut entries = pool.search(Search::below(unit, filter, &["cn"]), &[], soon());
    let mut names = Vec::new();
    while let Some(entry) = entries.next().await.unwrap() {
        names.push(entry.text("cn").unwrap().to_owned());
    }
    names.sort();
    assert_eq!(names, ["x0", "x2"]);
}
