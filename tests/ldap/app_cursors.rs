//! Cursors of RFC 9865 as clients meet them: through HTTP, the whole program, real servers.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::app::App;
use crate::front::{Group, Way, rule};
use crate::own::Slapd;
use crate::place::{Place, on_every_server};
use crate::support::world::{ADMIN, Account, access, token};
use crate::support::{Client, Program, long};

on_every_server! {
    cursors_lead_through_all_on_every_replica
}

const NOTHING: &str = "filter=id%20eq%20%22none%22";
const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// The ids of a page, and the cursor of the next.
fn page(list: &Value) -> (Vec<String>, Option<String>) {
    let resources = list["Resources"].as_array().unwrap();
    assert_eq!(list["itemsPerPage"], json!(resources.len()));
    assert!(list.get("previousCursor").is_none());
    let ids = resources
        .iter()
        .map(|resource| resource["id"].as_str().unwrap().to_owned());
    let next = list.get("nextCursor");
    (
        ids.collect(),
        next.map(|next| next.as_str().unwrap().to_owned()),
    )
}

/// A page of at most so many, by GET.
async fn ask(client: &Client, cursor: &str, more: &str) -> Value {
    let path = format!("/Users?cursor={cursor}&{more}");
    client.get(&path).await.expect(200).json()
}

async fn cursors_lead_through_all_on_every_replica(place: Place) {
    let app = App::start(&place, "cursors over HTTP").await;
    let mut made = HashSet::new();
    for number in 0..23 {
        made.insert(app.made(&format!("c{number}")).await);
    }
    let filter = "filter=name.givenName%20eq%20%22Barbara%22";
    // As a second replica, which is the same as this one after a restart.
    let other = app.again("limits: {page: 50}\n");
    for query in ["", filter] {
        let (mut walk, mut sizes, mut cursor) = (Vec::new(), Vec::new(), Some(String::new()));
        while let Some(now) = cursor {
            // As the RFC writes the first one.
            let client = [&app.client, &other.client][sizes.len() % 2];
            let list = if now.is_empty() {
                let path = format!("/Users?{query}&cursor&count=10");
                client.get(&path).await.expect(200).json()
            } else {
                ask(client, &now, &format!("{query}&count=10")).await
            };
            assert_eq!(list["totalResults"], 23);
            let (ids, next) = page(&list);
            sizes.push(ids.len());
            walk.extend(ids);
            cursor = next;
        }
        assert_eq!(sizes, [10, 10, 3]);
        assert_eq!(walk.iter().cloned().collect::<HashSet<_>>(), made);
        assert_eq!(walk.len(), made.len());
    }

    // By POST, and on from there by GET, however the name is spelled.
    let mut body = json!({
        "schemas": [SEARCH], "filter": "name.givenName eq \"Barbara\"", "count": 20, "cursor": "",
    });
    let search = async |body: &Value| app.client.post("/Users/.search", body).await;
    let (first, next) = page(&search(&body).await.expect(200).json());
    body["cursor"] = json!(next);
    let (rest, none) = page(&search(&body).await.expect(200).json());
    assert_eq!((first.len(), rest.len(), none), (20, 3, None));
    let next = next.unwrap();
    let spelled = "filter=NAME.givenname%20eq%20%22Barbara%22";
    let (again, _) = page(&ask(&app.client, &next, spelled).await);
    assert_eq!(again, rest);
    // Exactly the last page, and all at once.
    let list = ask(&app.client, "", "count=23").await;
    assert_eq!(page(&list).1, None);
    let list = ask(&app.client, "", "count=99999999999999999999").await;
    assert_eq!((page(&list).0.len(), page(&list).1), (23, None));
    let list = ask(&app.client, "", NOTHING).await;
    assert_eq!(
        (page(&list), list["totalResults"].as_u64()),
        ((vec![], None), Some(0))
    );

    refusals(&app.client, &next, filter).await;
    let config = other.client.get("/ServiceProviderConfig").await.json();
    assert_eq!(
        config["pagination"],
        json!({
            "cursor": true, "index": true, "defaultPaginationMethod": "index",
            "defaultPageSize": 50, "maxPageSize": 50,
        })
    );
    assert_eq!(config["filter"]["maxResults"], 50);
}

/// What is refused of a list with `good`, a cursor of `filter`.
async fn refusals(client: &Client, good: &str, filter: &str) {
    let mut damaged = good.to_owned();
    let last = damaged.pop().unwrap();
    damaged.push(if last == 'A' { 'B' } else { 'A' });
    let cut = &good[1..];
    let other = "filter=name.givenName%20eq%20%22barbara%20%22";
    for (query, cursor) in [
        ("", good),
        (other, good),
        ("filter=name.givenName%20pr", good),
        (filter, &damaged),
        (filter, cut),
        (filter, "x"),
        (filter, "%F0%9F%98%80"),
        (filter, "%00"),
        (filter, "%25%25"),
        (filter, &"A".repeat(5000)),
        (NOTHING, "x"),
    ] {
        let path = format!("/Users?{query}&cursor={cursor}&count=10");
        let detail = client.get(&path).await;
        let detail = detail.expect_error(400, Some("invalidCursor"));
        assert!(detail.contains("cursor"), "{detail}");
    }
    let path = format!("/Groups?cursor={good}&{filter}");
    let answer = client.get(&path).await;
    // Groups have no such attribute, or the cursor is none of theirs.
    assert_eq!(answer.status, 400);
    let path = format!("/Groups?cursor={good}");
    let answer = client.get(&path).await;
    answer.expect_error(400, Some("invalidCursor"));
    let long = json!({"schemas": [SEARCH], "cursor": "é".repeat(100_000)});
    let answer = client.post("/Users/.search", &long).await;
    answer.expect_error(400, Some("invalidCursor"));
    for cursor in [json!(7), json!([]), json!({})] {
        let body = json!({"schemas": [SEARCH], "cursor": cursor});
        let answer = client.post("/Users/.search", &body).await;
        answer.expect_error(400, Some("invalidValue"));
    }
    for count in ["0", "-1", "ten", "", "1.5"] {
        let path = format!("/Users?cursor&count={count}");
        let detail = client.get(&path).await;
        let detail = detail.expect_error(400, Some("invalidCount"));
        assert!(detail.contains("at least 1"), "{detail}");
    }
    let path = format!("/Users?cursor={good}&{filter}&startIndex=1");
    let detail = client.get(&path).await;
    let detail = detail.expect_error(400, Some("invalidValue"));
    assert!(detail.contains("startIndex"), "{detail}");
    // All types at once are paged by index only.
    let body = json!({"schemas": [SEARCH], "cursor": ""});
    let answer = client.post("/.search", &body).await;
    answer.expect_error(400, Some("invalidCursor"));
}

/// People `p0000` and on; every third is at the desk.
fn people(count: usize) -> String {
    let mut ldif = String::new();
    for number in 0..count {
        let title = if number % 3 == 0 { "desk" } else { "none" };
        let _ = write!(
            ldif,
            "dn: uid=p{number:05},ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\n\
             uid: p{number:05}\nsn: Test\ncn: P {number}\ntitle: {title}\n\n"
        );
    }
    ldif
}

/// The rule of the tenant at `/t`, as whom it binds.
fn ours(slapd: &Slapd, bind_dn: &str) -> String {
    let (url, password) = (slapd.url(), slapd.password_file());
    let way = Way {
        flavor: "openldap",
        url: &url,
        bind_dn,
        password_file: password.to_str().unwrap(),
        more: "",
    };
    let unit = |name| format!("ou={name},dc=example,dc=com").parse().unwrap();
    rule(&way, &unit("people"), &unit("groups"), &Group::of_names())
}

const ADMINISTRATOR: &str = "cn=admin,dc=example,dc=com";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_through_http_misses_nobody_who_lives() {
    let users = long(20_000, 600);
    let Some(slapd) = Slapd::filled("httpwalk", &people(users)) else {
        return;
    };
    let program = Program::new(&[("t.yaml", &ours(&slapd, ADMINISTRATOR))]);
    let serving = program.serve("/t");
    let client = &serving.client;
    for by_cursor in [true, false] {
        // By cursor, which leaves no marks: where several have walked, the slowest is waited for.
        let (before, _) = walk(client, true, users, 0).await;
        let (told, gone) = walk(client, by_cursor, users, 50).await;
        let seen: HashSet<&String> = told.iter().collect();
        assert_eq!(seen.len(), told.len(), "somebody was told twice");
        assert_eq!(gone.len(), 50);
        let mut missed = before
            .iter()
            .filter(|id| !seen.contains(id) && !gone.contains(*id));
        assert_eq!(missed.next(), None, "somebody was missed");
        // Who went before the walk came there was not told.
        let ghosts = gone.iter().filter(|id| seen.contains(id)).count();
        assert!(ghosts < 50, "{ghosts}");
    }
}

/// All ids by pages of a fiftieth, and those of the `deleting` who were deleted on the way, one from
/// before and one from behind the walker at a time.
async fn walk(
    client: &Client,
    by_cursor: bool,
    users: usize,
    deleting: usize,
) -> (Vec<String>, HashSet<String>) {
    let count = users.div_ceil(50);
    let (mut told, mut gone) = (Vec::<String>::new(), HashSet::new());
    let mut cursor = String::new();
    // Those at the end come last.
    let path = format!("/Users?attributes=id&startIndex={}", users - 200);
    let mut tail = page(&client.get(&path).await.expect(200).json()).0;
    tail.truncate(deleting);
    loop {
        let query = if by_cursor {
            format!("cursor={cursor}")
        } else {
            format!("startIndex={}", told.len() + 1)
        };
        let path = format!("/Users?attributes=id&count={count}&{query}");
        let list = client.get(&path).await.expect(200).json();
        let (ids, next) = page(&list);
        let total = list["totalResults"].as_u64().unwrap() as usize;
        let empty = ids.is_empty();
        told.extend(ids);
        match next {
            Some(next) => cursor = next,
            None if by_cursor => break,
            None if told.len() >= total || empty => break,
            None => {}
        }
        let ahead = tail.iter().rev().find(|id| !gone.contains(*id));
        let behind = told.iter().rev().find(|id| !gone.contains(*id));
        for id in [ahead, behind]
            .into_iter()
            .flatten()
            .cloned()
            .collect::<Vec<_>>()
        {
            if gone.len() < deleting && gone.insert(id.clone()) {
                client.delete(&format!("/Users/{id}")).await.expect(204);
            }
        }
    }
    (told, gone)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_gives_nobody_more_than_a_query() {
    let Some(slapd) = Slapd::filled("narrowed", &people(300)) else {
        return;
    };
    let own = ours(&slapd, ADMINISTRATOR);
    let program = Program::new(&[
        ("t.yaml", &own),
        ("u.yaml", &own.replace("localhost/t", "localhost/u")),
    ]);
    let desk = Account {
        name: "desk",
        verbs: "read], when: 'title eq \"desk\"'}, {resources: [Nothing], verbs: [read",
        ..ADMIN
    };
    program.write("access.yaml", &access(&[ADMIN, desk]));
    let serving = program.serve("/t");
    let (all, desk) = (&serving.client, serving.client.with_token(&token("desk")));
    let list = ask(all, "", "count=100").await;
    assert_eq!(list["totalResults"], 300);
    let (before, next) = page(&list);
    let next = next.unwrap();
    // What another saw last is no more than a place: behind it are those whom this one sees anyway.
    let behind = ask(&desk, &next, "count=1000").await;
    assert_eq!(behind["totalResults"], 100);
    let titles = behind["Resources"].as_array().unwrap().iter();
    assert!(titles.clone().all(|user| user["title"] == "desk") && titles.len() > 0);
    let own = page(&ask(&desk, "", "count=1000").await).0;
    let expected: Vec<_> = own
        .iter()
        .filter(|id| !before.contains(id))
        .cloned()
        .collect();
    assert_eq!(page(&behind), (expected, None));
    // The cursors of a narrowed account name nobody whom it does not see.
    let (mut cursor, mut walk) = (String::new(), Vec::new());
    loop {
        let (ids, next) = page(&ask(&desk, &cursor, "count=30").await);
        walk.extend(ids);
        let Some(next) = next else { break };
        use base64::Engine as _;
        let bytes = base64::prelude::BASE64_URL_SAFE_NO_PAD
            .decode(&next)
            .unwrap();
        let last = String::from_utf8(bytes[16..].to_vec()).unwrap();
        assert_eq!(walk.last(), Some(&last));
        cursor = next;
    }
    assert_eq!(walk, own);
    // Of another tenant, though it be the same directory.
    let other = all.at("/u");
    let path = format!("/Users?cursor={next}&count=100");
    other
        .get(&path)
        .await
        .expect_error(400, Some("invalidCursor"));
    all.get(&path).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_much_for_the_directory_is_an_error_for_cursors_too() {
    let limit = ("size=unlimited", "size=250");
    let Some(slapd) = Slapd::with_filled("cursorlimit", limit, &people(300)) else {
        return;
    };
    let bind = "cn=postern,ou=services,dc=example,dc=com";
    let program = Program::new(&[("t.yaml", &ours(&slapd, bind))]);
    let serving = program.serve("/t");
    for path in ["/Users?cursor&count=10", "/Users?count=10", "/Users"] {
        let answer = serving.client.get(path).await;
        let detail = answer.expect_error(400, Some("tooMany"));
        assert!(detail.contains("size limit"), "{detail}");
    }
    let list = ask(
        &serving.client,
        "",
        "count=10&filter=title%20eq%20%22desk%22",
    )
    .await;
    assert_eq!(list["totalResults"], 100);
}
