//! Rehearsals by themselves: what the real client hears from them.

use std::time::{Duration, Instant};

use super::super::ldif;
use super::super::{Attribute, Change, ChangeKind, LdapConfig, Offers, Product, Rdn, Write};
use super::*;
use crate::ldap::id::IdForm;
use crate::ldap::layout::{self, Flavor, Home, Syntax, Values};

fn dn(text: &str) -> Dn {
    text.parse().unwrap()
}

fn attribute(name: &str, unique: bool) -> layout::Attribute {
    layout::Attribute {
        name: name.parse().unwrap(),
        values: Values::One,
        syntax: Syntax::Text,
        reference: None,
        secret: None,
        needs_class: None,
        unique,
        made: None,
        guarded: false,
        created: true,
        filtered: true,
        line: 1,
    }
}

fn layout(flavor: Flavor) -> Layout {
    Layout {
        flavor,
        keeps_references: true,
        keeps_unique: true,
        keeps_memberships: true,
        types: vec![Home {
            resource: "User".parse().unwrap(),
            base: dn("ou=people,dc=x"),
            scope: layout::Scope::Sub,
            filter: "(objectClass=person)".parse().unwrap(),
            id: "entryUUID".parse().unwrap(),
            id_form: IdForm::Uuid,
            create: None,
            attributes: vec![attribute("uid", true), attribute("sn", false)],
            on_delete: layout::OnDelete::Remove,
            revive: false,
            protect: None,
            display: None,
            line: 1,
        }],
    }
}

/// A pool before a rehearsal, which would have to ask a server that is not there.
fn stage(flavor: Flavor, scene: Scene) -> (Arc<Pool>, Arc<Rehearsal>) {
    let nowhere = || LdapConfig::new(vec!["ldaps://127.0.0.1:9".parse().unwrap()]);
    let real = Pool::open(nowhere(), None).unwrap();
    let rehearsal = Rehearsal::new(layout(flavor), scene, real);
    let config = LdapConfig {
        rehearsal: Some(Arc::clone(&rehearsal)),
        ..nowhere()
    };
    (Pool::open(config, None).unwrap(), rehearsal)
}

fn given(text: &str) -> Scene {
    Scene::Given(ldif::entries(text).unwrap())
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

async fn found(pool: &Arc<Pool>, search: Search) -> Result<Vec<String>, Option<Code>> {
    let mut entries = pool.search(search, &[], soon());
    let mut names = Vec::new();
    loop {
        match entries.next().await {
            Ok(Some(entry)) => names.push(entry.dn),
            Ok(None) => return Ok(names),
            Err(error) => return Err(error.code()),
        }
    }
}

async fn done(pool: &Arc<Pool>, write: Write, controls: &[Control]) -> Code {
    let outcome = pool.write(write, controls, soon()).await.unwrap();
    outcome.result.code
}

const TWO: &str = "dn: uid=ann,ou=people,dc=x\nobjectClass: person\nuid: ann\nsn: A\n\n\
                   dn: uid=bob,ou=people,dc=x\nobjectClass: person\nuid: bob\nsn: B\n";

#[tokio::test]
async fn every_kind_of_server_is_taken_for_what_it_is() {
    for (flavor, product) in [
        (Flavor::OpenLdap, Product::OpenLdap),
        (Flavor::Ds389, Product::Ds389),
        (Flavor::ActiveDirectory, Product::ActiveDirectory),
    ] {
        let (pool, rehearsal) = stage(flavor, Scene::MadeUp);
        let pinned = pool.pinned(soon()).await.unwrap();
        let offers: &Offers = pinned.offers();
        assert_eq!(offers.product, product);
        assert_eq!(offers.assertion, flavor == Flavor::OpenLdap);
        assert_eq!(offers.post_read, flavor != Flavor::ActiveDirectory);
        assert_eq!(offers.permissive, flavor != Flavor::Ds389);
        // That is no part of any request.
        assert!(rehearsal.acts().await.is_empty());
    }
}

#[tokio::test]
async fn searches_find_what_was_given() {
    let (pool, rehearsal) = stage(Flavor::OpenLdap, given(TWO));
    let below = |filter: &str| Search::below(dn("dc=x"), filter.parse().unwrap(), &["sn"]);
    assert_eq!(
        found(&pool, below("(sn=b)")).await,
        Ok(vec!["uid=bob,ou=people,dc=x".to_owned()])
    );
    assert_eq!(found(&pool, below("(uid=*)")).await.unwrap().len(), 2);
    let one = Search {
        size_limit: 1,
        ..below("(uid=*)")
    };
    assert_eq!(
        found(&pool, one).await,
        Err(Some(Code::SIZE_LIMIT_EXCEEDED))
    );
    let nobody = Search::entry(dn("uid=eve,ou=people,dc=x"), &[]);
    assert_eq!(found(&pool, nobody).await, Err(Some(Code::NO_SUCH_OBJECT)));
    // Nothing is made up where entries were given.
    let id = below("(&(objectClass=person)(entryUUID=597ae2f6-16a6-1027-98f4-d28b5365dc14))");
    let id = Search {
        base: dn("ou=people,dc=x"),
        ..id
    };
    assert_eq!(found(&pool, id).await, Ok(Vec::new()));
    assert_eq!(rehearsal.acts().await.len(), 5);
    assert!(rehearsal.made_up().await.is_empty());
}

#[tokio::test]
async fn somebody_is_made_up_for_every_id_and_stays_the_same() {
    let (pool, rehearsal) = stage(Flavor::OpenLdap, Scene::MadeUp);
    let ids = [
        "597ae2f6-16a6-1027-98f4-d28b5365dc14",
        "697ae2f6-16a6-1027-98f4-d28b5365dc14",
    ];
    let parts = ids.map(|id| Filter::equal("entryUUID", id));
    let person: Filter = "(objectClass=person)".parse().unwrap();
    let filter = person.and(Filter::Or(parts.to_vec()));
    let search = Search::below(dn("ou=people,dc=x"), filter, &["uid"]);
    let first = found(&pool, search.clone()).await.unwrap();
    assert_eq!(first.len(), 2);
    assert_ne!(first[0], first[1]);
    assert_eq!(found(&pool, search).await.unwrap(), first);
    assert_eq!(rehearsal.made_up().await, first);
    assert_eq!(
        rehearsal.acts().await[0].what,
        "looks for Users by their ids"
    );
}

#[tokio::test]
async fn writes_are_read_afterwards_and_refused_as_a_server_does() {
    let (pool, rehearsal) = stage(Flavor::OpenLdap, given(TWO));
    let ann = dn("uid=ann,ou=people,dc=x");
    let set = |name: &str, value: &str| Write::Modify {
        dn: ann.clone(),
        changes: vec![Change::new(
            ChangeKind::Replace,
            Attribute::one(name, value.to_owned()),
        )],
    };
    let read = Control::post_read(&["sn".into()]);
    let outcome = pool.write(set("sn", "C"), &[read], soon()).await.unwrap();
    assert_eq!(outcome.post_read.unwrap().text("sn"), Some("C"));
    let held = Control::assertion(&Filter::equal("sn", "A"));
    assert_eq!(
        done(&pool, set("sn", "D"), &[held]).await,
        Code::ASSERTION_FAILED
    );
    let twice = Write::Add {
        dn: dn("cn=eve,ou=people,dc=x"),
        attributes: vec![
            Attribute::one("objectClass", "person"),
            Attribute::one("uid", "ANN"),
        ],
    };
    assert_eq!(done(&pool, twice, &[]).await, Code::CONSTRAINT_VIOLATION);
    let rename = Write::Rename {
        dn: ann.clone(),
        rdn: Rdn::new("uid", "bob").unwrap(),
        delete_old: true,
        above: None,
    };
    assert_eq!(done(&pool, rename, &[]).await, Code::ENTRY_ALREADY_EXISTS);
    let delete = Write::Delete { dn: ann.clone() };
    assert_eq!(done(&pool, delete.clone(), &[]).await, Code::SUCCESS);
    assert_eq!(done(&pool, delete, &[]).await, Code::NO_SUCH_OBJECT);
    let fine: Vec<bool> = rehearsal
        .acts()
        .await
        .iter()
        .map(Act::code_is_fine)
        .collect();
    assert_eq!(fine, [true, false, false, false, true, false]);
}

#[tokio::test]
async fn what_is_no_ldap_ends_it() {
    let (_, rehearsal) = stage(Flavor::OpenLdap, Scene::MadeUp);
    for noise in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x30\x03\x02\x01\x01",
        b"\x30\x84\xff\xff\xff\xff",
    ] {
        let (mut ours, theirs) = tokio::io::duplex(64);
        let serving = tokio::spawn(Arc::clone(&rehearsal).serve(theirs));
        ours.write_all(noise).await.unwrap();
        serving.await.unwrap();
    }
}
