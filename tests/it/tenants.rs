//! Two tenants with rules, directories and tokens of their own that must not cross; both HTTP
//! versions; what each token gets.

use serde_json::json;

use crate::support::scripted::{Act, json_answer};
use crate::support::world::{ADMIN, Account, rule};
use crate::support::{Client, Scripted, World};

const RED: &str =
    "  User:\n    attributes:\n      - {scim: userName, target: red_login}\n    unmapped: drop\n";
const BLUE: &str =
    "  User:\n    attributes:\n      - {scim: userName, target: blue_login}\n    unmapped: drop\n";

struct Two {
    _world: World,
    red: Client,
    blue: Client,
    red_directory: Scripted,
    blue_directory: Scripted,
    ca: Client,
}

impl Two {
    async fn start() -> Self {
        let red_directory =
            Scripted::start([Act::Say(json_answer(200, r#"{"id":"1","red_login":"r"}"#))]).await;
        let blue_directory =
            Scripted::start([Act::Say(json_answer(200, r#"{"id":"1","blue_login":"b"}"#))]).await;
        let rules = [
            ("red", rule("/corp/red", &red_directory.url(), "", RED)),
            (
                "blue",
                rule("/corp/red/blue", &blue_directory.url(), "", BLUE),
            ),
        ];
        let rules: Vec<(&str, &str)> = rules.iter().map(|(n, t)| (*n, t.as_str())).collect();
        let all = "create, read, update, delete";
        let world = World::with_accounts(
            &rules,
            &[
                ADMIN,
                Account {
                    name: "redadmin",
                    verbs: all,
                    tenants: "red",
                    more: "",
                },
                Account {
                    name: "blueadmin",
                    verbs: all,
                    tenants: "blue",
                    more: "",
                },
                Account {
                    name: "reader",
                    verbs: "read",
                    tenants: "red",
                    more: "",
                },
                Account {
                    name: "old",
                    verbs: all,
                    tenants: "red",
                    more: "expires: 2020-01-01",
                },
                Account {
                    name: "early",
                    verbs: all,
                    tenants: "red",
                    more: "not_before: 2999-01-01",
                },
            ],
        );
        Self {
            red: world.client_of("/corp/red", "redadmin"),
            blue: world.client_of("/corp/red/blue", "blueadmin"),
            ca: world.client("/corp/red"),
            _world: world,
            red_directory,
            blue_directory,
        }
    }
}

#[tokio::test]
async fn each_token_opens_its_own_tenant_only() {
    let it = Two::start().await;
    assert_eq!(
        it.red.get("/Users/1").await.expect(200).json()["userName"],
        "r"
    );
    assert_eq!(
        it.blue.get("/Users/1").await.expect(200).json()["userName"],
        "b"
    );
    it.red
        .at("/corp/red/blue")
        .get("/Users/1")
        .await
        .expect_error(403, None);
    it.blue
        .at("/corp/red")
        .get("/Users/1")
        .await
        .expect_error(403, None);
    it.red
        .at("/nowhere")
        .get("/Users/1")
        .await
        .expect_error(404, None);
    assert_eq!(it.red_directory.requests().len(), 1);
    assert_eq!(it.blue_directory.requests().len(), 1);
}

#[tokio::test]
async fn tokens_that_do_not_do_all_get_the_same_answer() {
    let it = Two::start().await;
    let mut answers = Vec::new();
    let good = crate::support::world::token("redadmin");
    let unknown = good.replace("redadmin", "nobody");
    let wrong = format!("{}X", &good[..good.len() - 1]);
    let truncated = good[..good.len() - 4].to_owned();
    for token in [
        unknown,
        wrong,
        truncated,
        crate::support::world::token("old"),
        crate::support::world::token("early"),
        "x".repeat(5000),
    ] {
        let client = it.ca.with_token(&token);
        let answer = client.get("/Users/1").await;
        assert!(
            answer.headers["www-authenticate"]
                .to_str()
                .unwrap()
                .starts_with("Bearer")
        );
        answers.push(answer.expect_error(401, None));
        client
            .at("/nowhere")
            .get("/Users/1")
            .await
            .expect_error(401, None);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    let mut client = it.ca.clone();
    client.authorization.clear();
    let answer = client.get("/Users/1").await;
    assert_eq!(
        answer.headers["www-authenticate"]
            .to_str()
            .unwrap()
            .split(',')
            .count(),
        1
    );
    answer.expect_error(401, None);
    client
        .get(&format!("/Users/1?access_token={good}"))
        .await
        .expect_error(401, None);
    client.authorization = format!("bEARER  {good}");
    client.get("/Users/1").await.expect(200);
    client.authorization = format!("Basic {good}");
    client.get("/Users/1").await.expect_error(401, None);
    let twice = [("authorization", "Bearer a"), ("authorization", "Bearer b")];
    client.authorization.clear();
    client
        .send(http::Method::GET, "/Users/1", &twice, "")
        .await
        .expect_error(400, None);
}

#[tokio::test]
async fn a_role_allows_its_verbs_and_the_refusal_names_them() {
    let it = Two::start().await;
    let reader = it.ca.with_token(&crate::support::world::token("reader"));
    reader.get("/Users/1").await.expect(200);
    let detail = reader
        .post("/Users", &json!({"userName": "x"}))
        .await
        .expect_error(403, None);
    assert!(
        detail.contains("create") && detail.contains("User"),
        "{detail}"
    );
    let detail = reader.delete("/Users/1").await.expect_error(403, None);
    assert!(
        detail.contains("delete") && detail.contains("User"),
        "{detail}"
    );
    reader
        .patch(
            "/Users/1",
            &json!([{"op": "replace", "path": "userName", "value": "x"}]),
        )
        .await
        .expect_error(403, None);
    reader.get("/ServiceProviderConfig").await.expect(200);
    assert_eq!(it.red_directory.requests().len(), 1);
}

#[tokio::test]
async fn both_http_versions() {
    let it = Two::start().await;
    for client in [it.red.clone(), it.red.http2()] {
        assert_eq!(
            client.get("/Users/1").await.expect(200).json()["userName"],
            "r"
        );
        client
            .get("/Users?filter=x")
            .await
            .expect_error(400, Some("invalidFilter"));
        let list = client.get("/Schemas").await.expect(200).json();
        assert_eq!(list["totalResults"], 1);
    }
}
