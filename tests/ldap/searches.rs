//! Searches that find much: in pages, several at a time, given up early, by ranges.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use postern::directory::ldap::{Attribute, Filter, LdapConfig, LdapError, Pool, Search, Write};
use postern::ldap::attribute::range;

use crate::place::{Kind, Place, done, on_every_server, soon};

on_every_server! {
    all_pages_are_gone_through_by_several_at_a_time
    a_search_that_is_dropped_is_abandoned
    one_means_one
}

/// So many as the server makes in reasonable time.
fn many(place: &Place) -> usize {
    match place.kind {
        Kind::Slapd => 3000,
        Kind::Ds389 => 1200,
        Kind::Samba => 300,
    }
}

async fn walk(pool: &Arc<Pool>, search: Search) -> Vec<String> {
    let mut entries = pool.search(search, &[], soon());
    let mut names = Vec::new();
    while let Some(entry) = entries.next().await.unwrap() {
        names.push(entry.dn);
    }
    names
}

async fn all_pages_are_gone_through_by_several_at_a_time(place: Place) {
    let config = LdapConfig {
        page: 100,
        ..place.config()
    };
    let pool = Pool::open(config, None).unwrap();
    let unit = place.unit(&pool, "pages").await;
    let count = many(&place);
    place.people(&pool, &unit, count).await;
    let search = Search::below(unit, "(cn=x*)".parse().unwrap(), &["cn"]);
    let (a, b, c) = tokio::join!(
        walk(&pool, search.clone()),
        walk(&pool, search.clone()),
        walk(&pool, search.clone())
    );
    for names in [a, b, c] {
        assert_eq!(names.len(), count);
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), count);
    }
    // A page that is full is the last one too, where no more follow.
    let hundred = Search {
        filter: "(cn=x1*)".parse().unwrap(),
        ..search
    };
    let expected = (0..count)
        .filter(|n| n.to_string().starts_with('1'))
        .count();
    assert_eq!(walk(&pool, hundred).await.len(), expected);
}

async fn a_search_that_is_dropped_is_abandoned(place: Place) {
    if place.kind == Kind::Samba {
        println!("skipped: samba answers a search wholly before it reads on, Abandon or not");
        return;
    }
    let config = LdapConfig {
        page: 0,
        connections: 1,
        ..place.config()
    };
    let pool = Pool::open(config, None).unwrap();
    let unit = place.unit(&pool, "dropped").await;
    let count = many(&place);
    place.people(&pool, &unit, count).await;
    let pinned = pool.pinned(soon()).await.unwrap();
    let before = pinned.connection().messages();
    let rounds = 60;
    for _ in 0..rounds {
        let search = Search::below(unit.clone(), Filter::everything(), &["*"]);
        let mut entries = pinned.search(search, &[], soon());
        entries.next().await.unwrap().unwrap();
    }
    let small = Search::entry(unit, &["ou"]);
    pinned.one(small, soon()).await.unwrap().unwrap();
    let came = pinned.connection().messages() - before;
    let all = rounds * u64::try_from(count).unwrap();
    println!("{came} messages came for {rounds} dropped searches that would have brought {all}");
    // 389 DS may have sent all before it gets to read on; that we say Abandon is told by `faults`.
    if place.kind == Kind::Slapd {
        assert!(came < all, "{came} of {all}");
    }
}

async fn one_means_one(place: Place) {
    let pool = place.pool();
    let unit = place.unit(&pool, "one").await;
    place.people(&pool, &unit, 3).await;
    let search = |filter: &str| Search::below(unit.clone(), filter.parse().unwrap(), &["cn"]);
    let found = pool.one(search("(cn=x1)"), soon()).await.unwrap().unwrap();
    assert_eq!(found.text("cn"), Some("x1"));
    assert_eq!(pool.one(search("(cn=nobody)"), soon()).await, Ok(None));
    let several = pool.one(search("(cn=x*)"), soon()).await;
    assert_eq!(several, Err(LdapError::Ambiguous));
}

#[tokio::test]
async fn samba_gives_members_by_ranges() {
    let Some(place) = Kind::Samba.place() else {
        return;
    };
    let pool = place.pool();
    let unit = place.unit(&pool, "ranges").await;
    place.people(&pool, &unit, 25).await;
    let members = (0..25).map(|n| unit.child("cn", format!("x{n}")).unwrap().to_string());
    let dn = unit.child("cn", "group").unwrap();
    let group = Write::Add {
        dn: dn.clone(),
        attributes: vec![
            Attribute::one("objectClass", "group"),
            Attribute::one("sAMAccountName", "ranges-group"),
            Attribute::many("member", members),
        ],
    };
    done(pool.write(group, &[], soon()).await.map(|o| o.result));
    let mut all: Vec<Bytes> = Vec::new();
    loop {
        let wanted = format!("member;range={}-{}", all.len(), all.len() + 9);
        let search = Search::entry(dn.clone(), &[&wanted]);
        let mut found = pool.search(search, &[], soon());
        let entry = found.next().await.unwrap().unwrap();
        let attribute = entry.attributes.first().unwrap();
        let range = range(&attribute.name).expect("a range");
        assert_eq!(usize::try_from(range.from).unwrap(), all.len());
        all.extend_from_slice(&attribute.values);
        if range.to.is_none() {
            break;
        }
    }
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 25);
    // Who asks for the one entry is given all of them.
    let search = Search::entry(dn, &["member;range=0-9"]);
    let entry = pool.one(search, soon()).await.unwrap().unwrap();
    let values = entry.values("member").iter();
    assert_eq!(values.collect::<HashSet<_>>(), all.iter().collect());
}
