//! How large a page of a list is, where the directory speaks SCIM.

use serde_json::json;

use super::support::Program;
use super::support::scripted::{Act, Scripted, json_answer};
use super::support::world::rule;

const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

fn answer(people: usize) -> String {
    let resources: Vec<_> = (0..people)
        .map(|number| {
            json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                "id": number.to_string(), "userName": format!("u{number}"),
            })
        })
        .collect();
    let list = json!({"schemas": [LIST], "totalResults": people, "Resources": resources});
    json_answer(200, &list.to_string())
}

/// What is asked of the directory for a list, and what is told of it.
async fn asked(supports: &str, queries: &[&str]) -> Vec<(String, usize, u64)> {
    let acts: Vec<Act> = queries.iter().map(|_| Act::Say(answer(30))).collect();
    let directory = Scripted::start(acts).await;
    let scim = format!(", supports: {supports}");
    let rule = rule(
        "/corp",
        &directory.url(),
        &scim,
        "  User: {unmapped: pass}\n",
    );
    let program = Program::new(&[("corp.yaml", &rule)]);
    program.append("postern.yaml", "limits: {page: 10}\n");
    let serving = program.serve("/corp");
    let mut all = Vec::new();
    for query in queries {
        let list = serving.client.get(&format!("/Users?{query}")).await;
        let list = list.expect(200).json();
        let shown = list["Resources"].as_array().unwrap().len();
        let line = directory.requests().last().unwrap().clone();
        let line = line.lines().next().unwrap_or_default().to_owned();
        all.push((line, shown, list["totalResults"].as_u64().unwrap()));
    }
    let config = serving.client.get("/ServiceProviderConfig").await.json();
    assert_eq!(config["filter"]["maxResults"], 10);
    assert_eq!(
        config["pagination"],
        json!({
            "cursor": false, "index": true, "defaultPaginationMethod": "index", "maxPageSize": 10,
        })
    );
    let answer = serving.client.get("/Users?cursor&count=5").await;
    answer.expect_error(400, Some("invalidCursor"));
    all
}

#[tokio::test]
async fn a_directory_that_pages_is_asked_for_no_more_than_is_told() {
    let supports = "{patch: true, etag: true, filter: true, sort: true, page: true}";
    let got = asked(supports, &["count=5000", "count=5&startIndex=3", ""]).await;
    let lines: Vec<&str> = got.iter().map(|(line, ..)| line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "GET /Users?count=10 HTTP/1.1",
            "GET /Users?startIndex=3&count=5 HTTP/1.1",
            // How large such a page is, it knows best.
            "GET /Users HTTP/1.1",
        ]
    );
}

#[tokio::test]
async fn of_one_that_does_not_page_no_larger_page_is_cut() {
    let supports = "{patch: true, etag: true, filter: true, sort: true, page: false}";
    let queries = ["", "count=5000", "count=4", "startIndex=25", "count=0"];
    let got = asked(supports, &queries).await;
    assert!(
        got.iter().all(|(line, ..)| line == "GET /Users HTTP/1.1"),
        "{got:?}"
    );
    let sizes: Vec<_> = got
        .iter()
        .map(|(_, shown, total)| (*shown, *total))
        .collect();
    assert_eq!(sizes, [(10, 30), (10, 30), (4, 30), (6, 30), (0, 30)]);
}
