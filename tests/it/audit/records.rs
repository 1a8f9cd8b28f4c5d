//! What is said of which request.

use super::*;

/// The names of a record's members.
fn names(record: &Value) -> Vec<&str> {
    record
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_is_told_before_and_after() {
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let acts = [
        made("2819c223"),
        Act::Say(json_answer(
            200,
            "{\"id\":\"2819c223\",\"userName\":\"x\",\"meta\":{\"version\":\"W/\\\"3\\\"\"}}",
        )),
        Act::Say(json_answer(204, "")),
    ];
    let it = It::start(acts, PASS, KEYED).await;
    let headers = [
        ("content-type", "application/scim+json"),
        ("x-request-id", "ticket-7"),
        ("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01")),
    ];
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "marked-name", "active": true, "password": "marked-secret",
        "name": {"familyName": "marked-family"},
        "emails": [{"value": "marked@example.com"}, {"value": "b@example.com"}],
    });
    let client = it.client();
    client
        .send(Method::POST, "/Users", &headers, user.to_string())
        .await
        .expect(201);
    let patch = json!([
        {"op": "replace", "path": "active", "value": false},
        {"op": "remove", "path": "title"},
        {"op": "add", "value": {"nickName": "marked-nick"}},
    ]);
    client.patch("/Users/2819c223", &patch).await.expect(200);
    client.delete("/Users/2819c223").await.expect(204);
    let all = it.stopped();
    assert!(!format!("{all:?}").contains("marked"), "{all:#?}");
    let events: Vec<_> = all
        .iter()
        .map(|record| record["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        events.join(" "),
        "start intent outcome intent outcome intent outcome stop"
    );
    let [_, intent, outcome, patched, after, deleted, _, _] = all.as_slice() else {
        panic!()
    };
    assert_eq!(
        names(intent).join(" "),
        "seq prev time event request_id trace_id account key peer tenant revision write verb \
         resource decision allowed_by changes hmac"
    );
    for (name, wanted) in [
        ("request_id", json!("ticket-7")),
        ("trace_id", json!(trace)),
        ("account", json!("admin")),
        ("key", json!("admin")),
        ("tenant", json!("corp")),
        ("verb", json!("create")),
        ("resource", json!("User")),
        ("decision", json!("allowed")),
    ] {
        assert_eq!(intent[name], wanted, "{name}");
    }
    assert!(intent["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert!(
        intent["allowed_by"]
            .as_str()
            .unwrap()
            .starts_with("admin ("),
        "{intent}"
    );
    assert!(
        intent["allowed_by"]
            .as_str()
            .unwrap()
            .contains("access.yaml:2"),
        "{intent}"
    );
    let time = intent["time"].as_str().unwrap();
    assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    let paths = |record: &Value| -> Vec<String> {
        let changes = record["changes"].as_array().unwrap().iter();
        changes
            .map(|change| change["path"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        paths(intent).join(" "),
        "userName active password name.familyName emails"
    );
    assert_eq!(
        intent["changes"][1],
        json!({"path": "active", "value": true})
    );
    assert_eq!(
        intent["changes"][2],
        json!({"path": "password", "value": "(secret, 13 characters)"})
    );
    assert_eq!(intent["changes"][4]["count"], 2);
    assert_eq!(intent["changes"][0]["digest"].as_str().unwrap().len(), 32);

    assert_eq!(outcome["write"], intent["write"]);
    assert_eq!(outcome["request_id"], "ticket-7");
    assert_eq!(
        (&outcome["result"], &outcome["created"]),
        (&json!("done"), &json!("2819c223"))
    );
    assert!(outcome["duration_us"].as_u64().unwrap() > 0);
    assert_eq!(patched["id"], "2819c223");
    assert_eq!(paths(patched).join(" "), "active title nickName");
    assert_eq!(
        patched["changes"][0],
        json!({"op": "replace", "path": "active", "value": false})
    );
    assert_eq!(
        patched["changes"][1],
        json!({"op": "remove", "path": "title"})
    );
    assert_eq!(after["result"], "done");
    assert_eq!(
        (&deleted["verb"], &deleted["changes"]),
        (&json!("delete"), &json!([]))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_directory_did_not_do_is_refused_or_unknown() {
    for (act, status, result) in [
        (Act::Say(json_answer(400, "{}")), 400, "refused"),
        (Act::Say(json_answer(404, "{}")), 404, "refused"),
        (
            Act::Say(json_answer(409, "{\"detail\":\"marked\"}")),
            409,
            "refused",
        ),
        (Act::Say(json_answer(401, "")), 502, "refused"),
        (Act::Say(json_answer(503, "")), 503, "refused"),
        (Act::Say(json_answer(500, "")), 502, "unknown"),
        (Act::Say(json_answer(200, "no")), 502, "unknown"),
        (Act::Reset, 502, "unknown"),
        (Act::Hang, 504, "unknown"),
    ] {
        let it = It::start([act], PASS, KEYED).await;
        let answer = it
            .client()
            .put("/Users/7", &json!({"userName": "marked"}))
            .await;
        answer.expect(status);
        let all = it.stopped();
        let outcomes = of(&all, "outcome");
        assert_eq!(of(&all, "intent").len(), 1);
        assert_eq!(outcomes.len(), 1, "{all:#?}");
        assert_eq!(outcomes[0]["result"], result, "{status}");
        assert_eq!(outcomes[0]["status"], status);
        assert!(of(&all, "refusal").is_empty());
        assert!(!format!("{all:?}").contains("marked"), "{all:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_refused_is_told_with_its_reason() {
    let it = It::start([made("7")], PASS, KEYED).await;
    let user = json!({"userName": "marked"});
    let admin = it.client();
    admin
        .with_token("wrong")
        .post("/Users", &user)
        .await
        .expect(401);
    admin.with_token("wrong").get("/Users/1").await.expect(401);
    it.client_of("reader")
        .post("/Users", &user)
        .await
        .expect(403);
    it.client_of("reader").delete("/Users/9").await.expect(403);
    it.client_of("stranger").get("/Users/9").await.expect(403);
    admin.at("/none").post("/Users", &user).await.expect(404);
    let mut elsewhere = admin.clone();
    elsewhere.host = "other".to_owned();
    elsewhere.get("/Users").await.expect(421);
    admin
        .json(Method::POST, "/Users", &json!([1]))
        .await
        .expect(400);
    admin
        .patch(
            "/Users/9",
            &json!([{"op": "add", "path": "marked marked", "value": 1}]),
        )
        .await
        .expect(400);
    admin.post("/Nothings", &user).await.expect(404);
    // What is read, and what only looks wrong, is no business of the trail's.
    admin
        .get("/Users?filter=x%20nq%20%22marked%22")
        .await
        .expect(400);
    admin
        .post("/Users/.search", &json!({"filter": "x"}))
        .await
        .expect(400);
    admin.get("/Nothings").await.expect(404);
    let sent = it.directory.requests().len();
    assert_eq!(sent, 0);
    let all = it.stopped();
    assert!(!format!("{all:?}").contains("marked"), "{all:#?}");
    let told: Vec<String> = of(&all, "refusal")
        .iter()
        .map(|record| {
            let text = |name: &str| record[name].as_str().unwrap_or("-").to_owned();
            format!(
                "{} {} {} {}",
                text("account"),
                text("tenant"),
                record["status"],
                text("reason")
            )
        })
        .collect();
    let wanted = [
        "- - 401 unknown token",
        "- - 401 unknown token",
        "reader corp 403 account `reader` may not create User",
        "reader corp 403 account `reader` may not delete User",
        "stranger corp 403 account `stranger` may not use tenant `corp`",
        "admin - 404 no tenant has this path; use the Tenant URL as it was given",
        "admin corp 421 this host is not one of the tenant's; use the Tenant URL as it was given",
        "admin corp 400 invalid JSON",
        "admin corp 400 invalidPath",
        "admin corp 404 the tenant has no such endpoint",
    ];
    assert_eq!(told, wanted);
    let deleted = of(&all, "refusal")[3];
    assert_eq!(
        (&deleted["verb"], &deleted["id"]),
        (&json!("delete"), &json!("9"))
    );
    assert_eq!(of(&all, "intent").len() + of(&all, "outcome").len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_role_allowed_and_the_guard_refused_has_both() {
    let resources = format!("{PASS}guard: {{delete: {{most: 0}}}}\n");
    let it = It::start([made("7")], &resources, KEYED).await;
    it.client().delete("/Users/9").await.expect(429);
    assert_eq!(it.directory.requests().len(), 0);
    let all = it.stopped();
    let refused = of(&all, "refusal");
    assert_eq!(refused.len(), 1, "{all:#?}");
    assert_eq!(refused[0]["reason"], "over the guard's limit: delete");
    let line = refused[0]["allowed_by"].as_str().unwrap_or_default();
    assert!(line.contains("(access.yaml:"), "{:#?}", refused[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_operation_of_a_bulk_request_is_told() {
    let acts = [
        made("7"),
        Act::Say(json_answer(409, "{}")),
        Act::Say(json_answer(204, "")),
    ];
    let it = It::start(acts, PASS, KEYED).await;
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [
            {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "marked"}},
            {"method": "PUT", "path": "/Users/1", "data": {"userName": "marked"}},
            {"method": "DELETE", "path": "/Users/2"},
            {"method": "POST", "path": "/Nothings", "bulkId": "b", "data": {}},
            {"method": "PATCH", "path": "/Users/bulkId:zzz", "data": {"Operations": []}},
        ],
    });
    it.client().post("/Bulk", &body).await.expect(200);
    let all = it.stopped();
    let line = |record: &&Value| {
        let result = record["result"].as_str().unwrap_or("-");
        format!(
            "{} {} {result}",
            record["event"].as_str().unwrap(),
            record["operation"]
        )
    };
    let mut told: Vec<_> = all
        .iter()
        .filter(|record| record.get("operation").is_some())
        .collect();
    told.sort_by_key(|record| record["operation"].as_u64());
    let told: Vec<_> = told.iter().map(line).collect();
    let wanted = [
        "intent 0 -",
        "outcome 0 done",
        "intent 1 -",
        "outcome 1 refused",
        "intent 2 -",
        "outcome 2 done",
        "refusal 3 -",
        "refusal 4 -",
    ];
    assert_eq!(told, wanted);
    assert!(!format!("{all:?}").contains("marked"), "{all:#?}");
    let ids: std::collections::HashSet<_> = of(&all, "intent")
        .iter()
        .map(|r| r["write"].to_string())
        .collect();
    assert_eq!(ids.len(), 3);
}

/// Where the present resource is read for the sake of the mapping, the trail says what was before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_before_is_told_where_it_was_read_anyway() {
    let user = r#"{"id":"7","userName":"marked-one","active":true,"title":"marked-title","emails":[{"value":"marked@example.com"}],"meta":{"version":"W/\"1\""}}"#;
    let after = r#"{"id":"7","userName":"marked-two","active":false}"#;
    let directory = Scripted::start([
        Act::Say(json_answer(200, user)),
        Act::Say(json_answer(200, after)),
    ])
    .await;
    // Without PATCH.
    let supports = ", supports: {patch: false, etag: true, filter: true, sort: true, page: true}";
    let text = rule("/corp", &directory.url(), supports, PASS);
    let it = It::start([made("7")], PASS, KEYED).await;
    it.program.write("rules/corp.yaml", &text);
    let control = it.serving.line["control"].as_str().unwrap().to_owned();
    let said = it.program.run(&["ctl", "reload", "--control", &control]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let patch = json!([
        {"op": "replace", "path": "active", "value": false},
        {"op": "replace", "path": "userName", "value": "marked-two"},
        {"op": "add", "path": "nickName", "value": "marked-nick"},
        {"op": "replace", "path": "emails[value eq \"marked@example.com\"].type", "value": "work"},
    ]);
    it.client().patch("/Users/7", &patch).await.expect(200);
    let all = it.stopped();
    assert!(!format!("{all:?}").contains("marked"), "{all:#?}");
    let intent = of(&all, "intent")[0];
    let changes = intent["changes"].as_array().unwrap();
    assert_eq!(
        changes[0],
        json!({"op": "replace", "path": "active", "value": false, "before": true})
    );
    assert_ne!(changes[1]["before_digest"], changes[1]["digest"]);
    assert_eq!(changes[1]["before_digest"].as_str().unwrap().len(), 32);
    assert_eq!(changes[2]["before"], Value::Null);
    assert_eq!(changes[3]["path"], "emails[…].type");
    assert_eq!(changes.len(), 4);
    // The operator, and what the order led to.
    let reload = of(&all, "reload")[0];
    assert_ne!(reload["from"], reload["revision"]);
    assert_eq!(intent["revision"], reload["revision"]);
    assert_eq!(reload["sources"], "rules");
    let operator = of(&all, "operator")[0];
    assert_eq!(
        (&operator["method"], &operator["path"]),
        (&json!("POST"), &json!("/reload"))
    );
}

/// A write whose task is cut off has an outcome: that it is not known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_wait_changes_nothing_of_the_record() {
    let go = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let answer = json_answer(201, r#"{"id":"7","userName":"x"}"#);
    let it = It::start([Act::When(std::sync::Arc::clone(&go), answer)], PASS, KEYED).await;
    let client = it.client().clone();
    let asking =
        tokio::spawn(async move { client.post("/Users", &json!({"userName": "x"})).await });
    it.until("the intent", |all| !of(all, "intent").is_empty())
        .await;
    eventually("it is sent", || {
        (!it.directory.requests().is_empty()).then_some(())
    })
    .await;
    asking.abort();
    go.add_permits(1);
    let all = it
        .until("the outcome", |all| !of(all, "outcome").is_empty())
        .await;
    assert_eq!(of(&all, "outcome")[0]["result"], "done");
}
