//! Sizes of pages as clients meet them: through HTTP, the whole program, real servers.

use serde_json::{Value, json};

use crate::app::App;
use crate::place::{Place, on_every_server};
use crate::support::Client;

on_every_server! {
    a_page_is_never_larger_than_is_told
}

const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// What a page says of itself: total, size, start, and how many are there.
fn told(list: &Value) -> (u64, u64, u64, usize) {
    let number = |name: &str| list[name].as_u64().unwrap();
    (
        number("totalResults"),
        number("itemsPerPage"),
        number("startIndex"),
        list["Resources"].as_array().unwrap().len(),
    )
}

async fn list(client: &Client, path: &str) -> Value {
    client.get(path).await.expect(200).json()
}

async fn a_page_is_never_larger_than_is_told(place: Place) {
    let app = App::start(&place, "pages").await;
    let mut made = Vec::new();
    for number in 0..25 {
        made.push(app.made(&format!("p{number}")).await);
    }
    for number in 0..3 {
        app.group(&format!("g{number}"), &[&made[0]]).await;
    }
    made.sort();
    let other = app.again("limits: {page: 10}\n");
    let client = &other.client;
    for (query, expected) in [
        ("", (25, 10, 1, 10)),
        ("startIndex=1", (25, 10, 1, 10)),
        ("count=10", (25, 10, 1, 10)),
        ("count=11", (25, 10, 1, 10)),
        ("count=99999999999999999999999", (25, 10, 1, 10)),
        ("count=7", (25, 7, 1, 7)),
        ("count=1", (25, 1, 1, 1)),
        ("count=0", (25, 0, 1, 0)),
        ("count=-3", (25, 0, 1, 0)),
        ("count=-99999999999999999999999", (25, 0, 1, 0)),
        ("startIndex=0", (25, 10, 1, 10)),
        ("startIndex=-7&count=10", (25, 10, 1, 10)),
        ("startIndex=16", (25, 10, 16, 10)),
        ("startIndex=21&count=1000", (25, 5, 21, 5)),
        ("startIndex=25", (25, 1, 25, 1)),
        ("startIndex=26", (25, 0, 26, 0)),
        ("startIndex=9999999999&count=5", (25, 0, 9_999_999_999, 0)),
        (
            "filter=name.givenName%20eq%20%22Barbara%22",
            (25, 10, 1, 10),
        ),
        ("filter=name.givenName%20eq%20%22nobody%22", (0, 0, 1, 0)),
        ("filter=id%20eq%20%22nobody%22&count=5", (0, 0, 1, 0)),
    ] {
        let got = list(client, &format!("/Users?{query}")).await;
        assert_eq!(told(&got), expected, "{query}");
    }
    for wrong in ["count=ten", "count=", "count=1.5", "startIndex=x"] {
        let answer = client.get(&format!("/Users?{wrong}")).await;
        answer.expect_error(400, Some("invalidValue"));
    }
    let body = json!({"schemas": [SEARCH], "count": 1000, "startIndex": 2});
    let got = client.post("/Users/.search", &body).await.expect(200);
    assert_eq!(told(&got.json()), (25, 10, 2, 10));

    // A client that says nothing of sizes and goes on until it has all.
    let mut walk: Vec<String> = Vec::new();
    loop {
        let got = list(client, &format!("/Users?startIndex={}", walk.len() + 1)).await;
        let resources = got["Resources"].as_array().unwrap().iter();
        walk.extend(resources.map(|user| user["id"].as_str().unwrap().to_owned()));
        if walk.len() as u64 >= got["totalResults"].as_u64().unwrap() {
            break;
        }
    }
    assert_eq!(walk, made);

    // Over all types at once, also where a page has some of each. Samba may have more.
    let mut body = json!({"schemas": [SEARCH]});
    let all = client.post("/.search", &body).await.expect(200).json();
    let (total, size, ..) = told(&all);
    assert!(total >= 28, "{all}");
    assert_eq!(size, 10);
    body["startIndex"] = json!(24);
    let got = client.post("/.search", &body).await.expect(200).json();
    let left = usize::try_from(total - 23).unwrap().min(10);
    assert_eq!(told(&got), (total, left as u64, 24, left));

    let config = list(client, "/ServiceProviderConfig").await;
    assert_eq!(config["filter"]["maxResults"], 10);
    assert_eq!(config["pagination"]["maxPageSize"], 10);
    assert_eq!(config["pagination"]["defaultPageSize"], 10);
}
