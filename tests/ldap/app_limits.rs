//! Limits of Active Directory as large as they are, and what else stands between it and a client:
//! references that nobody keeps, parts of a tree that other servers have, writes sent elsewhere.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use postern::directory::ldap::{
    Attribute, Change, ChangeKind, Code, Dn, Filter, LdapConfig, Pool, Search, Write,
};
use serde_json::json;

use crate::app_ranges::stored;
use crate::front::{Front, Group, Way, sorted};
use crate::limits::Limits;
use crate::own::Slapd;
use crate::place::{Kind, done, soon};
use crate::relay::Relay;

/// The limit as Active Directory has it, and a group of 4,000.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_of_thousands() {
    let count = 4000;
    let mut people = String::new();
    for number in 0..count {
        let _ = write!(
            people,
            "dn: uid=t{number:04},ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\n\
             uid: t{number:04}\nsn: Test\ncn: T {number}\n\n"
        );
    }
    let Some(slapd) = Slapd::filled("thousands", &people) else {
        return;
    };
    let limits = Limits {
        cuts_itself: true,
        ..Limits::of_values(1500)
    };
    let relay = Relay::with(&format!("127.0.0.1:{}", slapd.port()), limits).await;
    let front = Front::own(&slapd, &relay.url(), &Group::of_names());
    let mut ids = Vec::new();
    let mut start = 1;
    while ids.len() < count {
        let page = format!("/Users?attributes=id&count=1000&startIndex={start}");
        let list = front.read(&page).await;
        assert_eq!(list["totalResults"], json!(count));
        let told = list["Resources"].as_array().unwrap();
        ids.extend(
            told.iter()
                .map(|one| one["id"].as_str().unwrap().to_owned()),
        );
        start += told.len();
    }
    let refs: Vec<&str> = ids.iter().map(String::as_str).collect();
    let id = front.group("large", &refs).await;
    assert_eq!(front.members(&id).await, sorted(&refs));
    let dn = front.groups.child("cn", "large").unwrap();
    let order = stored(&front.pool, &dn).await;
    assert_eq!(order.len(), count);
    relay.told("member");
    let path = format!("/Groups/{id}");
    front
        .read(&format!("{path}?excludedAttributes=members"))
        .await;
    assert_eq!(relay.told("member"), 0);
    // One that is beyond the first part, one that is none.
    let change = async |op: &str, who: &str| {
        let patch = json!([{"op": op, "path": "members", "value": [{"value": who}]}]);
        front.client.patch(&path, &patch).await.expect(204);
    };
    change("add", refs[3999]).await;
    change("remove", refs[2500]).await;
    change("remove", refs[2500]).await;
    assert_eq!(front.stored(dn.clone(), "member").await.len(), count - 1);
    change("add", refs[2500]).await;
    // More go before the next part than the parts share.
    let gone: Vec<String> = order[100..400].to_vec();
    let once = Arc::new(AtomicUsize::new(0));
    let (pool, group, left) = (Arc::clone(&front.pool), dn.clone(), gone.clone());
    relay.between(Some(Arc::new(move |_| {
        let first = once.fetch_add(1, SeqCst) == 0;
        let (pool, dn, gone) = (Arc::clone(&pool), group.clone(), left.clone());
        Box::pin(async move {
            if first {
                let change = Change::new(ChangeKind::Delete, Attribute::many("member", gone));
                let write = Write::Modify {
                    dn,
                    changes: vec![change],
                };
                done(pool.write(write, &[], soon()).await.map(|o| o.result));
            }
        })
    })));
    let read = front.members(&id).await;
    relay.between(None);
    let mut deduped = read.clone();
    deduped.dedup();
    assert_eq!(deduped, read, "nobody is told twice");
    let left = front.members(&id).await;
    assert_eq!(left.len(), count - gone.len());
    assert!(
        left.iter().all(|one| read.binary_search(one).is_ok()),
        "who stays is told"
    );
    // All but a few go, by PUT.
    let meant = [&refs[..2], &refs[3990..]].concat();
    let whole = crate::front::group("large", &meant);
    front.client.put(&path, &whole).await.expect(200);
    assert_eq!(front.members(&id).await, sorted(&meant));
    assert_eq!(front.stored(dn, "member").await.len(), meant.len());
}

/// References are kept right by postern, in groups of which one part does not show them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn references_beyond_the_first_part_are_kept_right() {
    let own = "overlay refint\nrefint_attributes member manager\n";
    let Some(slapd) = Slapd::with("cleaning", own, "") else {
        return;
    };
    let limits = Limits {
        cuts_itself: true,
        ..Limits::of_values(4)
    };
    let relay = Relay::with(&format!("127.0.0.1:{}", slapd.port()), limits).await;
    let (url, password) = (relay.url(), slapd.password_file());
    let way = Way {
        flavor: "openldap",
        url: &url,
        bind_dn: "cn=admin,dc=example,dc=com",
        password_file: password.to_str().unwrap(),
        more: "    integrity: postern\n",
    };
    let pool = Pool::open(slapd.config(), None).unwrap();
    let unit = |name| format!("ou={name},dc=example,dc=com").parse().unwrap();
    let units = (unit("people"), unit("groups"));
    let front = Front::before(&way, pool, units, &Group::of_names());
    let mut ids = Vec::new();
    for number in 0..11 {
        ids.push(front.user(&format!("k{number}")).await);
    }
    let refs: Vec<&str> = ids.iter().map(String::as_str).collect();
    let (one, two) = (
        front.group("one", &refs).await,
        front.group("two", &refs[2..]).await,
    );
    let patch = json!([{"op": "replace", "path": "userName", "value": "renamed"}]);
    let path = format!("/Users/{}", ids[8]);
    front.client.patch(&path, &patch).await.expect(200);
    assert_eq!(front.members(&one).await, sorted(&refs));
    let path = format!("/Users/{}", ids[9]);
    front.client.delete(&path).await.expect(204);
    let left = [&refs[..9], &refs[10..]].concat();
    assert_eq!(front.members(&one).await, sorted(&left));
    assert_eq!(front.members(&two).await, sorted(&left[2..]));
    for (name, count) in [("one", 10), ("two", 8)] {
        let stored = front
            .stored(front.groups.child("cn", name).unwrap(), "member")
            .await;
        assert_eq!(stored.len(), count, "{stored:?}");
        assert!(
            !stored
                .iter()
                .any(|dn| dn.contains("k9,") || dn.contains("k8,"))
        );
    }
}

/// Other servers are told of in every search of a tree: they are counted, and nobody goes there.
#[tokio::test]
async fn references_to_other_servers_are_left_out() {
    let Some(place) = Kind::Samba.place() else {
        return;
    };
    let relay = Relay::limited(&place, Limits::of_values(1500)).await;
    let config = LdapConfig {
        ca: Some(std::fs::read(relay.ca_file()).unwrap()),
        urls: vec![relay.url().parse().unwrap()],
        ..place.config()
    };
    let through = Pool::open(config, None).unwrap();
    // Where the domain begins, the server itself tells of others too.
    let search = |base: Dn| Search::below(base, Filter::present("objectClass"), &["cn"]);
    let mut found = through.search(search(place.base()), &[], soon());
    while found.next().await.unwrap().is_some() {}
    assert!(found.referrals() >= 2);
    // Nobody changes this.
    let search = search(place.base().child("cn", "Configuration").unwrap());
    let mut found = through.search(search.clone(), &[], soon());
    let mut names = BTreeSet::new();
    while let Some(entry) = found.next().await.unwrap() {
        assert!(names.insert(entry.dn), "an entry is told twice");
    }
    assert!(found.referrals() >= 2);
    assert!(names.len() > 1000, "more than a page");
    // Without pages the server tells a thousand at most.
    let limits = Limits {
        page: 100,
        ..Limits::of_values(1500)
    };
    let relay = Relay::limited(&place, limits).await;
    let config = LdapConfig {
        ca: Some(std::fs::read(relay.ca_file()).unwrap()),
        urls: vec![relay.url().parse().unwrap()],
        page: 0,
        ..place.config()
    };
    let unpaged = Pool::open(config.clone(), None).unwrap();
    let mut found = unpaged.search(search.clone(), &[], soon());
    let end = loop {
        match found.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ends well"),
            Err(error) => break error,
        }
    };
    assert_eq!(end.code(), Some(Code::SIZE_LIMIT_EXCEEDED));
    assert_eq!(found.handed_on(), 100);
    // Pages are as large as the server likes.
    let large = Pool::open(
        LdapConfig {
            page: 500,
            ..config
        },
        None,
    )
    .unwrap();
    let mut found = large.search(search, &[], soon());
    let mut count = 0;
    while found.next().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, names.len());
}

/// A server that sends writes elsewhere cannot be used, and nobody goes where it says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_sent_elsewhere_is_an_error() {
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let Some(slapd) = Slapd::new("elsewhere") else {
        return;
    };
    let limits = Limits {
        refers_writes: elsewhere.local_addr().unwrap().port(),
        ..Limits::default()
    };
    let relay = Relay::with(&format!("127.0.0.1:{}", slapd.port()), limits).await;
    let front = Front::own(&slapd, &relay.url(), &Group::of_names());
    let answer = front
        .client
        .post("/Users", &crate::front::user("ann"))
        .await;
    assert_eq!(answer.status, 502);
    let said = String::from_utf8_lossy(&answer.body);
    assert!(!said.contains("127.0.0.1"), "{said}");
    assert_eq!(front.read("/Users").await["totalResults"], json!(0));
    assert!(elsewhere.accept().is_err(), "nobody goes there");
}
