//! Writes of every kind, and what servers say to them.

use std::sync::Arc;

use bytes::Bytes;
use postern::directory::ldap::{
    Attribute, Change, ChangeKind, Code, Control, Dn, Filter, Pool, Search, Write,
};

use crate::place::{Kind, Place, done, on_every_server, soon};

on_every_server! {
    an_entry_is_made_changed_renamed_and_removed
    what_a_server_refuses_is_told_by_its_code
    a_write_tells_what_became_of_the_entry
    a_write_can_depend_on_what_the_entry_is
    what_is_there_can_be_added_without_harm
}

async fn change(pool: &Arc<Pool>, dn: &Dn, changes: Vec<Change>, controls: &[Control]) -> Code {
    let write = Write::Modify {
        dn: dn.clone(),
        changes,
    };
    let outcome = pool.write(write, controls, soon()).await.unwrap();
    outcome.result.code
}

fn add(name: &str, value: &'static str) -> Vec<Change> {
    vec![Change::new(ChangeKind::Add, Attribute::one(name, value))]
}

fn delete(name: &str, value: &'static str) -> Vec<Change> {
    vec![Change::new(ChangeKind::Delete, Attribute::one(name, value))]
}

fn replace(name: &str, value: &'static str) -> Vec<Change> {
    vec![Change::new(
        ChangeKind::Replace,
        Attribute::one(name, value),
    )]
}

async fn made(place: &Place, pool: &Arc<Pool>, unit: &str, cn: &str) -> (Dn, Dn) {
    let unit = place.unit(pool, unit).await;
    let person = place.person(&unit, cn, &[]);
    let dn = person.dn().clone();
    done(pool.write(person, &[], soon()).await.map(|o| o.result));
    (unit, dn)
}

async fn an_entry_is_made_changed_renamed_and_removed(place: Place) {
    let pool = place.pool();
    let (unit, dn) = made(&place, &pool, "cycle", "one").await;
    let there = async |dn: &Dn| pool.one(Search::entry(dn.clone(), &["*"]), soon()).await;
    assert_eq!(
        change(&pool, &dn, replace("description", "d"), &[]).await,
        Code::SUCCESS
    );
    let entry = there(&dn).await.unwrap().unwrap();
    assert_eq!(
        (entry.text("cn"), entry.text("description")),
        (Some("one"), Some("d"))
    );
    assert!(entry.dn.parse::<Dn>().unwrap().is_same(&dn));

    let other = place.unit(&pool, "cycle2").await;
    let moved = other.child("cn", "two").unwrap();
    let rename = Write::Rename {
        dn: dn.clone(),
        rdn: moved.rdn().unwrap().clone(),
        delete_old: true,
        above: Some(other.clone()),
    };
    done(pool.write(rename, &[], soon()).await.map(|o| o.result));
    assert_eq!(
        there(&dn).await.unwrap_err().code(),
        Some(Code::NO_SUCH_OBJECT)
    );
    let entry = there(&moved).await.unwrap().unwrap();
    assert_eq!(entry.values("cn"), ["two"]);
    for dn in [moved, other, unit] {
        done(
            pool.write(Write::Delete { dn }, &[], soon())
                .await
                .map(|o| o.result),
        );
    }
}

async fn what_a_server_refuses_is_told_by_its_code(place: Place) {
    let pool = place.pool();
    let (unit, dn) = made(&place, &pool, "refused", "one").await;
    let again = place.person(&unit, "one", &[]);
    let again = pool.write(again, &[], soon()).await.unwrap();
    assert_eq!(again.result.code, Code::ENTRY_ALREADY_EXISTS);
    let nobody = unit.child("cn", "nobody").unwrap();
    let gone = Write::Delete { dn: nobody.clone() };
    let gone = pool.write(gone, &[], soon()).await.unwrap();
    assert_eq!(gone.result.code, Code::NO_SUCH_OBJECT);
    let code = change(&pool, &dn, delete("description", "x"), &[]).await;
    assert_eq!(code, Code::NO_SUCH_ATTRIBUTE);
    let unknown = change(&pool, &dn, add("noSuchThing", "x"), &[]).await;
    assert!(
        [
            Code::UNDEFINED_ATTRIBUTE_TYPE,
            Code::OBJECT_CLASS_VIOLATION,
            Code::NO_SUCH_ATTRIBUTE
        ]
        .contains(&unknown),
        "{unknown}"
    );
    let parent = pool.write(Write::Delete { dn: unit }, &[], soon()).await;
    assert_eq!(parent.unwrap().result.code, Code::NOT_ALLOWED_ON_NON_LEAF);
    // Refusals are no faults.
    assert_eq!(pool.health(), postern::directory::Health::Up);
}

async fn a_write_tells_what_became_of_the_entry(place: Place) {
    let pool = place.pool();
    let (_, dn) = made(&place, &pool, "postread", "one").await;
    if place.kind == Kind::Samba {
        println!("skipped: Active Directory has no post-read control");
        return;
    }
    let id = if place.kind == Kind::Slapd {
        "entryUUID"
    } else {
        "nsUniqueId"
    };
    let read = [id, "description", "modifyTimestamp"].map(Arc::from);
    let write = Write::Modify {
        dn,
        changes: replace("description", "after"),
    };
    let controls = [Control::post_read(&read), Control::pre_read(&read)];
    let outcome = pool.write(write, &controls, soon()).await.unwrap();
    let after = outcome.post_read.unwrap();
    assert_eq!(after.text("description"), Some("after"));
    assert_eq!(after.values(id).len(), 1);
    assert_eq!(outcome.pre_read.unwrap().text("description"), None);
}

async fn a_write_can_depend_on_what_the_entry_is(place: Place) {
    let pool = place.pool();
    let (_, dn) = made(&place, &pool, "assert", "one").await;
    if place.kind == Kind::Slapd {
        let only_if = |value: &'static str| [Control::assertion(&Filter::equal("sn", value))];
        let code = change(&pool, &dn, replace("description", "a"), &only_if("Other")).await;
        assert_eq!(code, Code::ASSERTION_FAILED);
        let code = change(&pool, &dn, replace("description", "a"), &only_if("test")).await;
        assert_eq!(code, Code::SUCCESS);
        return;
    }
    // Without the control, the modify carries the condition (decisions 46).
    assert_eq!(
        change(&pool, &dn, replace("description", "old"), &[]).await,
        Code::SUCCESS
    );
    let swap = |from| [delete("description", from), add("description", "new")].concat();
    assert_eq!(
        change(&pool, &dn, swap("other"), &[]).await,
        Code::NO_SUCH_ATTRIBUTE
    );
    assert_eq!(change(&pool, &dn, swap("old"), &[]).await, Code::SUCCESS);
}

async fn what_is_there_can_be_added_without_harm(place: Place) {
    let pool = place.pool();
    let (_, dn) = made(&place, &pool, "permissive", "one").await;
    assert_eq!(
        change(&pool, &dn, add("description", "a"), &[]).await,
        Code::SUCCESS
    );
    let again = change(&pool, &dn, add("description", "a"), &[]).await;
    assert_eq!(again, Code::ATTRIBUTE_OR_VALUE_EXISTS);
    if !pool.offers().unwrap().permissive {
        println!("skipped: 389 DS has no permissive modify");
        return;
    }
    let permissive = [Control::permissive()];
    let again = change(&pool, &dn, add("description", "a"), &permissive).await;
    assert_eq!(again, Code::SUCCESS);
    // slapd forgives only where the attribute has no value at all.
    let gone = change(&pool, &dn, delete("description", "b"), &permissive).await;
    let forgives = pool.offers().unwrap().permissive_delete;
    assert_eq!(gone == Code::SUCCESS, forgives, "{gone}");
    let nothing = change(&pool, &dn, delete("telephoneNumber", "1"), &permissive).await;
    assert_eq!(nothing, Code::SUCCESS);
    let entry = pool.one(Search::entry(dn, &["description"]), soon()).await;
    assert_eq!(
        entry.unwrap().unwrap().values("description"),
        [Bytes::from("a")]
    );
}
