//! `when:`: a line counts for the resources that satisfy its condition. What satisfies none is not
//! there, on every channel.

use http::Method;
use serde_json::{Value, json};

use super::{CORE, ENTERPRISE, It, query};
use crate::support::Client;

/// Users `it-…` of the department IT and `hr-…` of HR, with what distinguishes them.
async fn user(it: &It, name: &str, department: &str, title: &str) -> String {
    let body = json!({
        "schemas": [CORE, ENTERPRISE], "userName": name, "title": title, "displayName": "Shown",
        (ENTERPRISE): {"department": department},
    });
    let made = it.admin.post("/Users", &body).await.expect(201);
    format!("/Users/{}", made.id())
}

fn in_department(name: &str) -> String {
    format!("when: '{ENTERPRISE}:department eq \"{name}\"'")
}

/// A role of which the last line ends with a condition.
fn role(lines: &str) -> String {
    format!("{lines}}}, {{resources: [Nothing], verbs: [read")
}

fn set(path: &str, value: &str) -> Value {
    json!([{"op": "replace", "path": path, "value": value}])
}

async fn names(client: &Client, path: &str) -> (u64, Vec<String>) {
    let list = client.get(path).await.expect(200).json();
    let all = list["Resources"].as_array().unwrap();
    let names = all.iter().map(|r| r["userName"].as_str().unwrap_or("-"));
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort();
    (list["totalResults"].as_u64().unwrap(), names)
}

#[tokio::test]
async fn what_meets_no_condition_is_not_there() {
    let all = role(&format!("read, update, delete], {}", in_department("IT")));
    let it = It::start(&[("desk", all)]).await;
    let own = user(&it, "it-1", "IT", "Clerk").await;
    let other = user(&it, "hr-1", "HR", "Clerk").await;
    let desk = it.client("desk");
    let nobody = "/Users/987654321";

    for method in [Method::GET, Method::DELETE, Method::PUT, Method::PATCH] {
        let body = match method {
            Method::PUT => json!({"schemas": [CORE], "userName": "x", "title": "y"}),
            _ => json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": set("title", "y"),
            }),
        };
        for wrong in [None, Some("\"wrong\"")] {
            let mut answers = Vec::new();
            for path in [&other, nobody] {
                let mut headers = vec![("content-type", "application/scim+json")];
                headers.extend(wrong.map(|tag| ("if-match", tag)));
                headers.extend(wrong.map(|_| ("if-none-match", "*")));
                let text = if method == Method::GET || method == Method::DELETE {
                    String::new()
                } else {
                    body.to_string()
                };
                let answer = desk.send(method.clone(), path, &headers, text).await;
                assert!(answer.headers.get("etag").is_none(), "{method} {path}");
                answers.push((answer.status, answer.json()));
            }
            assert_eq!(answers[0].0, 404, "{method} {:?}", answers[0]);
            assert_eq!(
                answers[0], answers[1],
                "{method}: the same as an unknown id"
            );
        }
    }
    let seen = it.seen(&other).await;
    assert_eq!(seen["title"], "Clerk");

    // A version that the client knows tells nothing either.
    let etag = it.admin.get(&other).await.headers["etag"].clone();
    let headers = [("if-none-match", etag.to_str().unwrap())];
    let answer = desk.send(Method::GET, &other, &headers, "").await;
    assert_eq!(answer.status, 404);
    let etag = it.admin.get(&own).await.headers["etag"].clone();
    let headers = [("if-none-match", etag.to_str().unwrap())];
    let answer = desk.send(Method::GET, &own, &headers, "").await;
    assert_eq!(answer.status, 304);

    let one = desk.get(&own).await.expect(200).json();
    assert_eq!(one["title"], "Clerk");
    let changed = desk.patch(&own, &set("title", "Boss")).await.expect(200);
    assert_eq!(changed.json()["title"], "Boss");
    let (total, found) = names(&desk, "/Users").await;
    assert_eq!((total, found), (1, vec!["it-1".to_owned()]));
    let (total, found) = names(&desk, "/Users?attributes=userName&count=1").await;
    assert_eq!((total, found), (1, vec!["it-1".to_owned()]));
    let (total, found) = names(&desk, "/Users?count=0").await;
    assert_eq!((total, found.len()), (1, 0));
    let by_title = format!("/Users?filter={}", query("title eq \"Clerk\" or title pr"));
    assert_eq!(names(&desk, &by_title).await.0, 1);
    for hidden in [
        "attributes=title",
        "excludedAttributes=department",
        "attributes=id",
    ] {
        desk.get(&format!("{other}?{hidden}"))
            .await
            .expect_error(404, None);
        desk.get(&format!("{own}?{hidden}")).await.expect(200);
    }
    let department = format!("{own}?excludedAttributes={ENTERPRISE}");
    let shown = desk.get(&department).await.expect(200).json();
    assert!(shown.get(ENTERPRISE).is_none(), "{shown}");
    let only = desk
        .get(&format!("{own}?attributes=title"))
        .await
        .expect(200);
    assert!(
        only.json().get(ENTERPRISE).is_none(),
        "what was fetched for the condition"
    );

    // Who is moved away is no longer there: the answer tells nothing more.
    let path = format!("{ENTERPRISE}:department");
    let moved = desk.patch(&own, &set(&path, "HR")).await.expect(204);
    assert!(moved.body.is_empty() && moved.headers.get("etag").is_none());
    desk.get(&own).await.expect_error(404, None);
    assert_eq!(it.seen(&own).await[ENTERPRISE]["department"], "HR");

    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [{"method": "DELETE", "path": own}, {"method": "DELETE", "path": nobody}],
    });
    let done = desk.post("/Bulk", &body).await.expect(200).json();
    for index in 0..2 {
        assert_eq!(done["Operations"][index]["status"], "404", "{done}");
    }
    let back = set(&path, "IT");
    it.admin.patch(&own, &back).await.expect(200);
    desk.delete(&own).await.expect(204);
    it.admin.get(&own).await.expect_error(404, None);
}

#[tokio::test]
async fn each_resource_shows_the_lines_that_it_meets() {
    let it = It::start(&[(
        "lines",
        role(&format!(
            "read], attributes: [userName, displayName]}}, \
             {{resources: [User], verbs: [read, update], attributes: [title, userName], {}}}, \
             {{resources: [User], verbs: [read, update], attributes: ['{ENTERPRISE}:department'], \
             when: 'title eq \"boss\"'",
            in_department("IT")
        )),
    )])
    .await;
    let clerk = user(&it, "it-clerk", "IT", "Clerk").await;
    let boss = user(&it, "it-boss", "IT", "Boss").await;
    let other = user(&it, "hr-clerk", "HR", "Clerk").await;
    let client = it.client("lines");
    let department = format!("{ENTERPRISE}:department");

    // (who, whether the title shows, whether the department does)
    let wanted = [
        (&clerk, true, false),
        (&boss, true, true),
        (&other, false, false),
    ];
    let list = client.get("/Users").await.expect(200).json();
    let everybody = it.admin.get("/Users").await.expect(200).json()["totalResults"].clone();
    assert_eq!(list["totalResults"], everybody);
    for (path, title, division) in wanted {
        let one = client.get(path).await.expect(200).json();
        let listed = list["Resources"].as_array().unwrap().iter();
        let mut listed = listed.filter(|r| path.ends_with(r["id"].as_str().unwrap()));
        for seen in [&one, listed.next().unwrap()] {
            assert_eq!(seen.get("title").is_some(), title, "{seen}");
            assert_eq!(seen.get(ENTERPRISE).is_some(), division, "{seen}");
            assert_eq!(seen["displayName"], "Shown");
        }
        // It sees all of them; what it may change depends.
        let answer = client.patch(path, &set("title", "New")).await;
        if title {
            answer.expect(200);
            it.admin
                .patch(path, &set("title", one["title"].as_str().unwrap()))
                .await
                .expect(200);
        } else {
            let detail = answer.expect_error(403, None);
            assert!(detail.contains("may not patch this User"), "{detail}");
        }
        let answer = client.patch(path, &set(&department, "IT")).await;
        if division {
            answer.expect(200);
        } else {
            let detail = answer.expect_error(403, None);
            let told = [&*department, "may not patch this User"];
            assert!(told.iter().any(|told| detail.contains(told)), "{detail}");
        }
        it.admin.get(path).await.expect(200);
    }

    // A filter finds what may be asked of it only, and never tells the rest.
    let find = |filter: &str| format!("/Users?filter={}", query(filter));
    let (total, found) = names(&client, &find("title sw \"c\"")).await;
    assert_eq!((total, found), (1, vec!["it-clerk".to_owned()]));
    let (total, _) = names(&client, &find("userName pr")).await;
    assert_eq!(Some(total), everybody.as_u64());
    let (total, found) = names(&client, &find("not (title eq \"x\")")).await;
    assert_eq!((total, found.len()), (2, 2));
    let (total, found) = names(&client, &find(&format!("{department} pr"))).await;
    assert_eq!((total, found), (1, vec!["it-boss".to_owned()]));
    let (total, _) = names(&client, "/Users?sortBy=title").await;
    assert_eq!(total, 2);
    for forbidden in ["name.familyName pr", "externalId eq \"1\" and title pr"] {
        let detail = client.get(&find(forbidden)).await.expect_error(403, None);
        let named = forbidden.split(' ').next().unwrap();
        assert!(detail.contains(named), "{detail}");
    }
    let search = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "filter": "title sw \"c\"", "attributes": ["userName"],
    });
    let list = client
        .post("/Users/.search", &search)
        .await
        .expect(200)
        .json();
    assert_eq!(list["totalResults"], 1);

    // What no line could ever allow is refused for what is not there, too.
    for path in [&other, "/Users/987654321"] {
        let detail = client
            .patch(path, &set("externalId", "x"))
            .await
            .expect_error(403, None);
        assert_eq!(detail, "the account may not change `externalId`");
    }
}

#[tokio::test]
async fn a_put_under_a_condition_clears_what_that_line_may() {
    let it = It::start(&[(
        "put",
        role(&format!(
            "read]}}, {{resources: [User], verbs: [update], attributes: [title, userName, '{ENTERPRISE}'], {}",
            in_department("IT")
        )),
    )])
    .await;
    let own = user(&it, "it-1", "IT", "Clerk").await;
    let other = user(&it, "hr-1", "HR", "Clerk").await;
    let client = it.client("put");
    let body = json!({"schemas": [CORE, ENTERPRISE], "userName": "it-1", (ENTERPRISE): {"department": "IT"}});
    client.put(&own, &body).await.expect(200);
    let seen = it.seen(&own).await;
    assert!(seen.get("title").is_none(), "{seen}");
    assert_eq!(seen["displayName"], "Shown");
    let detail = client.put(&other, &body).await.expect_error(403, None);
    assert!(detail.contains("may not replace this User"), "{detail}");
    assert_eq!(it.seen(&other).await["title"], "Clerk");
}

#[tokio::test]
async fn a_new_resource_shows_what_it_meets() {
    let it = It::start(&[(
        "maker",
        role(&format!(
            "create]}}, {{resources: [User], verbs: [read], {}",
            in_department("IT")
        )),
    )])
    .await;
    let client = it.client("maker");
    for (department, shown) in [("IT", true), ("HR", false)] {
        let body = json!({
            "schemas": [CORE, ENTERPRISE], "userName": format!("new-{department}"),
            (ENTERPRISE): {"department": department},
        });
        let made = client.post("/Users", &body).await.expect(201);
        assert!(made.headers.get("location").is_some());
        let made = made.json();
        assert_eq!(made.get("userName").is_some(), shown, "{made}");
        assert!(made["id"].is_string(), "{made}");
        assert_eq!(made.to_string().contains(department), shown, "{made}");
        assert_eq!(
            made["schemas"].as_array().unwrap().len(),
            if shown { 2 } else { 1 }
        );
    }
}

#[tokio::test]
async fn a_condition_never_holds_by_ignorance() {
    // The rule does not map `nickName`, and groups have no title at all.
    let it = It::start(&[("odd", role("read], when: 'not (nickName eq \"x\")'"))]).await;
    let path = user(&it, "it-1", "IT", "Clerk").await;
    let client = it.client("odd");
    client.get(&path).await.expect_error(404, None);
    let detail = client.get("/Users").await.expect_error(403, None);
    assert!(
        detail.contains("this directory cannot be asked"),
        "{detail}"
    );
}
