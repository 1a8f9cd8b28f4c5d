//! What only a domain controller has: ids in two byte orders, first groups that are in no list of
//! members, account names of a domain, accounts that are ready at once.

use postern::directory::ldap::{Attribute, Change, ChangeKind, Dn, Filter, Search, Write};
use serde_json::json;

use crate::app::{App, add};
use crate::place::{Kind, done, soon};

/// `objectGUID` has the low byte of its first three fields first; clients see it as Windows prints
/// it, so that people find the same text on both sides.
#[tokio::test]
async fn an_id_is_the_one_that_windows_prints() {
    let Some(place) = Kind::Samba.place() else {
        return;
    };
    let app = App::start(&place, "windows id").await;
    let id = app.made("guid").await;
    let found = app.found("sn", "guid").await;
    let entry = app.entry(&found[0].parse().unwrap()).await.unwrap();
    let bytes = &entry.values("objectGUID")[0];
    let text: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let field = |range: std::ops::Range<usize>, turned: bool| {
        let mut part = text[range].to_vec();
        if turned {
            part.reverse();
        }
        part.concat()
    };
    let printed = [
        field(0..4, true),
        field(4..6, true),
        field(6..8, true),
        field(8..10, false),
        field(10..16, false),
    ];
    assert_eq!(id, printed.join("-"));
    for other in [id.to_uppercase(), text.concat()] {
        let status = app.client.get(&format!("/Users/{other}")).await.status;
        assert_eq!(
            status,
            if other.contains('-') { 200 } else { 404 },
            "{other}"
        );
    }
}

/// The first group shows in `groups` of the user and in no `members`, can be asked for, and nobody
/// changes it.
#[tokio::test]
async fn the_first_group_is_shown_and_only_read() {
    let Some(place) = Kind::Samba.place() else {
        return;
    };
    let app = App::start(&place, "windows primary").await;
    let id = app.made("first").await;
    let own = app.group("own first", &[&id]).await;
    let other = app.group("other", &[&id]).await;
    let path = format!("/Users/{id}");
    let groups = async || {
        let user = app.client.get(&path).await.expect(200).json();
        let groups = user["groups"].as_array().cloned().unwrap_or_default();
        let mut ids: Vec<String> = groups
            .iter()
            .map(|group| group["value"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    };
    let mut both = vec![own.clone(), other.clone()];
    both.sort();
    assert_eq!(groups().await, both);

    // The administrator makes one of them the first: the server takes it out of the members.
    let entry = app.found("cn", "own first").await;
    let entry = app.entry(&entry[0].parse().unwrap()).await.unwrap();
    let sid = entry.values("objectSid")[0].to_vec();
    let number = u32::from_le_bytes(*sid.last_chunk::<4>().unwrap());
    let dn: Dn = app.found("sn", "first").await[0].parse().unwrap();
    let first = Attribute::one("primaryGroupID", number.to_string());
    let changes = vec![Change::new(ChangeKind::Replace, first)];
    let write = Write::Modify { dn, changes };
    done(app.pool.write(write, &[], soon()).await.map(|o| o.result));
    assert!(app.members(&own).await.is_empty());
    assert_eq!(groups().await, both);
    let filter = format!("/Users?filter=groups.value%20eq%20%22{own}%22");
    let found = app.client.get(&filter).await.expect(200).json();
    assert_eq!(found["Resources"][0]["id"], json!(id));

    let change = json!([{"op": "remove", "path": "groups"}]);
    app.patch_user(&id, change)
        .await
        .expect_error(400, Some("mutability"));
    let mut user = app.client.get(&path).await.expect(200).json();
    user["groups"] = json!([]);
    app.client.put(&path, &user).await.expect(200);
    assert_eq!(groups().await, both);
}

/// Account names are one in the domain, and hold 20 characters: what is taken, by whomever, gets a
/// number.
#[tokio::test]
async fn an_account_name_that_is_taken_gets_a_number() {
    let Some(place) = Kind::Samba.place() else {
        return;
    };
    let app = App::start(&place, "windows names").await;
    let own = std::process::id();
    // Twenty characters and more are the same after the twentieth.
    let long = format!("accountname{own:0>9}");
    assert_eq!(long.len(), 20);
    let elsewhere = app.unit.child("cn", "elsewhere").unwrap();
    let stranger = vec![
        Attribute::one("objectClass", "user"),
        Attribute::one("cn", "elsewhere"),
        Attribute::one("sAMAccountName", long.clone()),
    ];
    add(&app.pool, elsewhere, stranger).await;
    let mut names = Vec::new();
    for name in [long.clone(), format!("{long}x"), format!("{long}y")] {
        let mut user = app.user(&name);
        user["userName"] = json!(format!("{name}@example.com"));
        app.make(&user).await.expect(201);
        let dn: Dn = app.found("sn", &name).await[0].parse().unwrap();
        let entry = app.entry(&dn).await.unwrap();
        names.push(entry.text("sAMAccountName").unwrap().to_owned());
    }
    let mut distinct = names.clone();
    distinct.push(long);
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 4, "{names:?}");
    assert!(names.iter().all(|name| name.len() <= 20), "{names:?}");
}

/// An account is made with its password and enabled by one request, so that there is no moment in
/// which it is neither; it lets its owner in, and one without a password lets nobody in.
#[tokio::test]
async fn an_account_is_ready_at_once() {
    let Some(place) = Kind::Samba.place() else {
        return;
    };
    let app = App::start(&place, "windows ready").await;
    let mut user = app.user("ready");
    user["password"] = json!("Ready-Secret-1");
    app.make(&user).await.expect(201);
    let dn: Dn = app.found("sn", "ready").await[0].parse().unwrap();
    let entry = app.entry(&dn).await.unwrap();
    assert_eq!(entry.text("userAccountControl"), Some("512"));
    // Nothing was changed after it was made.
    assert_eq!(entry.text("whenCreated"), entry.text("whenChanged"));
    assert_eq!(entry.text("uSNCreated"), entry.text("uSNChanged"));
    assert_ne!(entry.text("pwdLastSet"), Some("0"));

    let mut user = app.user("disabled");
    user["active"] = json!(false);
    app.make(&user).await.expect(201);
    let dn: Dn = app.found("sn", "disabled").await[0].parse().unwrap();
    let entry = app.entry(&dn).await.unwrap();
    assert_eq!(entry.text("userAccountControl"), Some("514"));
    assert_eq!(entry.text("uSNCreated"), entry.text("uSNChanged"));

    // What is refused leaves nothing behind.
    let mut user = app.user("refused");
    user["password"] = json!("short");
    app.make(&user)
        .await
        .expect_error(400, Some("invalidValue"));
    let filter = Filter::equal("sn", "refused");
    let search = Search::below(app.unit.clone(), filter, &[]);
    let mut found = app.pool.search(search, &[], soon());
    assert!(found.next().await.unwrap().is_none());
}
