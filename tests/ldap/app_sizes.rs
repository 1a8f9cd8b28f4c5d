//! What requests cost: operations of the directory, time and memory. Small in the usual run; with
//! `scripts/test --long` 100,000 users and a group of 50,000.

use std::fmt::Write as _;
use std::time::Instant;

use serde_json::{Value, json};

use crate::front::{Group, Way, rule};
use crate::own::Slapd;
use crate::relay::{Relay, Seen};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_group_costs_little() {
    let (users, members) = (long(100_000, 600), long(50_000, 400));
    let Some(slapd) = Slapd::filled("large", &filled(users, members)) else {
        return;
    };
    let relay = Relay::new(&format!("127.0.0.1:{}", slapd.port())).await;
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
        std::fs::write(format!("/proc/{}/clear_refs", serving.id()), "5").unwrap();
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
