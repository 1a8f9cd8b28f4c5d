//! What requests cost: operations of the directory, time and memory. Small in the usual run; with
//! `scripts/test --long` 100,000 users and a group of 50,000.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Instant;

use serde_json::{Value, json};

use crate::front::{Group, Way, rule};
use crate::own::Slapd;
use crate::relay::{Relay, Seen};
use crate::support::program::Serving;
use crate::support::{Program, long};

const MEMBER: &str = "member";

/// Users, of whom the first so many are in the group `big`; the server keeps it both ways.
fn filled(users: usize, members: usize) -> String {
    let mut ldif = String::new();
    for number in 0..users {
        let dn = format!("uid=user-{number:06},ou=people,dc=example,dc=com");
        let _ = write!(
            ldif,
            "dn: {dn}\nobjectClass: inetOrgPerson\nuid: user-{number:06}\nsn: Test\ncn: User {number}\n"
        );
        if number < members {
            ldif += "memberOf: cn=big,ou=groups,dc=example,dc=com\n";
        }
        ldif.push('\n');
    }
    ldif += "dn: cn=big,ou=groups,dc=example,dc=com\nobjectClass: groupOfNames\ncn: big\n";
    for number in 0..members {
        let _ = writeln!(
            ldif,
            "member: uid=user-{number:06},ou=people,dc=example,dc=com"
        );
    }
    ldif.push('\n');
    ldif
}

/// Groups `list-000` and on, that share these users by turns.
fn groups(count: usize, members: usize, users: usize) -> String {
    let mut ldif = String::new();
    for group in 0..count {
        let _ = write!(
            ldif,
            "dn: cn=list-{group:03},ou=groups,dc=example,dc=com\nobjectClass: groupOfNames\n\
             cn: list-{group:03}\n"
        );
        for number in 0..members {
            let number = (group * 97 + number) % users;
            let _ = writeln!(
                ldif,
                "member: uid=user-{number:06},ou=people,dc=example,dc=com"
            );
        }
        ldif.push('\n');
    }
    ldif
}

/// All members of all groups in one list: it is told part by part, whatever the groups hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_large_groups_is_told_in_parts() {
    // Small ones do not fit in hand together either.
    let (count, members) = (long(100, 30), long(5_000, 900));
    let users = members + 1_000;
    let ldif = [filled(users, 0), groups(count, members, users)].concat();
    let ldif = ldif.replace(
        "cn: big\n",
        "cn: big\nmember: cn=nobody,dc=example,dc=com\n",
    );
    let Some(slapd) = Slapd::filled("listed", &ldif) else {
        return;
    };
    let relay = Relay::new(&format!("127.0.0.1:{}", slapd.port())).await;
    let (_program, serving) = before(&slapd, &relay);
    let client = serving.client.clone();
    let filter = "filter=displayName%20sw%20%22list-%22";
    client.get(&format!("/Groups?{filter}&count=0")).await;
    let idle = memory(serving.id(), "VmRSS");
    let (mut next, mut seen) = (String::new(), BTreeMap::new());
    for (what, query) in [
        ("all", filter.to_owned()),
        ("a page of 100", format!("{filter}&startIndex=1&count=100")),
    ] {
        relay.take();
        peak_from_here(serving.id());
        let began = Instant::now();
        let answer = client.get(&format!("/Groups?{query}")).await.expect(200);
        let took = began.elapsed();
        let more = memory(serving.id(), "VmHWM").saturating_sub(idle);
        println!(
            "{count} groups of {members} members, {what}: {} operations, {took:.1?}, {} KiB of \
             answer, at most {more} KiB over idle",
            relay.take().len(),
            answer.body.len() / 1024,
        );
        assert!(more < 64 * 1024, "{what}: {more} KiB over idle");
        let list: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(list["totalResults"], json!(count), "{what}");
        seen.clear();
        tell(&list, &mut seen);
        assert_eq!(seen.len(), count, "{what}");
        assert!(seen.values().all(|known| *known == members), "{what}");
    }
    // By cursor a page is as long as there is room.
    let mut pages = 0;
    seen.clear();
    peak_from_here(serving.id());
    loop {
        let path = format!("/Groups?{filter}&count=100&cursor={next}");
        let list = client.get(&path).await.expect(200).json();
        assert_eq!(list["totalResults"], json!(count));
        tell(&list, &mut seen);
        pages += 1;
        match list["nextCursor"].as_str() {
            Some(cursor) => next = cursor.to_owned(),
            None => break,
        }
    }
    let more = memory(serving.id(), "VmHWM").saturating_sub(idle);
    println!("by cursor: {pages} pages, at most {more} KiB over idle");
    assert!(pages > 1, "they would not fit");
    assert!(more < 64 * 1024, "by cursor: {more} KiB over idle");
    assert_eq!(seen.len(), count);
    assert!(seen.values().all(|known| *known == members));
}

/// How many members each group of a list has, each told once.
fn tell(list: &Value, seen: &mut BTreeMap<String, usize>) {
    for group in list["Resources"].as_array().unwrap() {
        let id = group["id"].as_str().unwrap().to_owned();
        let members = group["members"].as_array().unwrap().len();
        assert_eq!(seen.insert(id, members), None, "told twice");
    }
}

/// What is taken from here on counts as the most that was taken.
fn peak_from_here(process: u32) {
    std::fs::write(format!("/proc/{process}/clear_refs"), "5").unwrap();
}

/// The program before a server, through a relay.
fn before(slapd: &Slapd, relay: &Relay) -> (Program, Serving) {
    let (url, password) = (relay.url(), slapd.password_file());
    let way = Way {
        flavor: "openldap",
        url: &url,
        bind_dn: "cn=admin,dc=example,dc=com",
        password_file: password.to_str().unwrap(),
        more: "",
    };
    let unit = |name| format!("ou={name},dc=example,dc=com").parse().unwrap();
    let rule = rule(&way, &unit("people"), &unit("groups"), &Group::of_names());
    let program = Program::new(&[("t.yaml", &rule)]);
    let serving = program.serve("/t");
    (program, serving)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_group_costs_little() {
    let (users, members) = (long(100_000, 600), long(50_000, 400));
    let Some(slapd) = Slapd::filled("large", &filled(users, members)) else {
        return;
    };
    let relay = Relay::new(&format!("127.0.0.1:{}", slapd.port())).await;
    let (_program, serving) = before(&slapd, &relay);
    let client = serving.client.clone();
    let find = async |kind: &str, filter: &str| {
        let filter = filter.replace(' ', "%20").replace('"', "%22");
        let path = format!("/{kind}?filter={filter}&attributes=id");
        let list = client.get(&path).await.expect(200).json();
        list["Resources"][0]["id"].as_str().unwrap().to_owned()
    };
    let group = find("Groups", "displayName eq \"big\"").await;
    let last = find("Users", &format!("userName eq \"user-{:06}\"", users - 1)).await;
    let idle = memory(serving.id(), "VmRSS");
    relay.take();
    let path = format!("/Groups/{group}");
    let cost = async |what: &str, work: &dyn Fn() -> Asking| {
        peak_from_here(serving.id());
        let began = Instant::now();
        let answer = work().await;
        let took = began.elapsed();
        let asked = relay.take();
        let more = memory(serving.id(), "VmHWM").saturating_sub(idle);
        println!(
            "{what}: {} operations, {took:.1?}, {} KiB of answer, at most {more} KiB over idle",
            asked.len(),
            answer.1.len() / 1024,
        );
        assert!(more < 64 * 1024, "{what}: {more} KiB over idle");
        (answer, asked)
    };
    let change = |op: &'static str| {
        let (client, path, last) = (client.clone(), path.clone(), last.clone());
        move || -> Asking {
            let (client, path) = (client.clone(), path.clone());
            let patch = json!([{"op": op, "path": "members", "value": [{"value": last}]}]);
            Box::pin(async move {
                let answer = client.patch(&path, &patch).await;
                (answer.status.as_u16(), answer.body.to_vec())
            })
        }
    };
    let get = |path: String| {
        let client = client.clone();
        move || -> Asking {
            let (client, path) = (client.clone(), path.clone());
            Box::pin(async move {
                let answer = client.get(&path).await;
                (answer.status.as_u16(), answer.body.to_vec())
            })
        }
    };
    for (op, most) in [
        ("add", 3),
        ("add", 3),
        ("remove", 3),
        ("remove", 5),
        ("add", 3),
    ] {
        let ((status, body), asked) = cost(&format!("{op} one member"), &change(op)).await;
        assert_eq!((status, body.len()), (204, 0));
        // That one was gone already must be found out.
        assert!(asked.len() <= most, "{asked:?}");
        assert!(no_member(&asked), "{asked:?}");
    }
    let without = get(format!("{path}?excludedAttributes=members"));
    let ((status, _), asked) = cost("read without members", &without).await;
    assert_eq!((status, asked.len()), (200, 1));
    assert!(no_member(&asked), "{asked:?}");
    let named = get(format!("{path}?attributes=displayName"));
    let ((status, _), asked) = cost("read the name", &named).await;
    assert_eq!((status, asked.len()), (200, 1));
    assert!(no_member(&asked), "{asked:?}");
    let ((status, body), asked) = cost("read the group", &get(path.clone())).await;
    assert_eq!(status, 200);
    assert!(
        asked.iter().any(|one| one.asks_for(MEMBER)),
        "it would be seen"
    );
    // Its entry, its members by pages, and one question for each that does not say so.
    assert!(asked.len() <= 8 + members / 400, "{}", asked.len());
    let read: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(read["members"].as_array().unwrap().len(), members + 1);
    let user = get(format!("/Users/{last}"));
    let ((status, _), asked) = cost("read a member", &user).await;
    assert_eq!((status, asked.len()), (200, 2));
    assert!(no_member(&asked), "{asked:?}");
}

type Asking = std::pin::Pin<Box<dyn Future<Output = (u16, Vec<u8>)> + Send>>;

fn no_member(asked: &[Seen]) -> bool {
    !asked.iter().any(|one| one.asks_for(MEMBER))
}

/// In KiB.
fn memory(process: u32, what: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
