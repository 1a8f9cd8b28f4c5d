//! Bulk and discovery.

use super::*;

fn bulk(operations: &Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": operations,
    })
}

#[tokio::test]
async fn a_series_with_references() {
    let world = World::new(Fake::new());
    let got = world
        .ask(
            Method::POST,
            "/Bulk",
            bulk(&json!([
                {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {
                    "displayName": "all", "members": [{"value": "bulkId:u"}]}},
                {"method": "POST", "path": "/Users", "bulkId": "u", "data": user("anna")},
                {"method": "PATCH", "path": "/Users/bulkId:u",
                    "data": patch("replace", "title", &"Boss".into())},
                {"method": "DELETE", "path": "/Users/99"},
                {"method": "POST", "path": "/Nothing", "bulkId": "n", "data": {}},
                {"method": "PUT", "path": "/Users", "data": {}},
            ])),
        )
        .await;
    assert_eq!(got.status, 200, "{got:?}");
    let results = got.body["Operations"].as_array().unwrap();
    let statuses: Vec<_> = results.iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, ["201", "201", "200", "404", "404", "405"]);
    assert_eq!(
        results[0]["location"],
        "https://scim.example.com/corp/v2/Groups/2"
    );
    assert_eq!(results[0]["bulkId"], "g");
    assert_eq!(results[3]["response"]["status"], "404");
    assert_eq!(world.fake.record("2")["members"][0]["value"], "1");
    assert_eq!(world.fake.record("1")["title"], "Boss");
}

#[tokio::test]
async fn a_series_ends_at_the_errors_that_are_allowed() {
    let world = World::new(Fake::new());
    let mut body = bulk(&json!([
        {"method": "DELETE", "path": "/Users/1"},
        {"method": "DELETE", "path": "/Users/2"},
        {"method": "POST", "path": "/Users", "bulkId": "u", "data": user("anna")},
    ]));
    body["failOnErrors"] = 2.into();
    let got = world.ask(Method::POST, "/Bulk", body).await;
    assert_eq!(got.body["Operations"].as_array().unwrap().len(), 2);
    assert_eq!(world.fake.record("1"), Value::Null);
}

#[tokio::test]
async fn a_series_is_bounded_and_each_operation_needs_its_permit() {
    let limits = Limits {
        bulk_operations: 1,
        bulk_body: 400,
        ..Limits::default()
    };
    let world = World::limited(Fake::new(), limits, true);
    let delete = json!({"method": "DELETE", "path": "/Users/1"});
    let two = bulk(&json!([delete, delete]));
    assert_eq!(world.ask(Method::POST, "/Bulk", two).await.status, 413);
    let mut long = bulk(&json!([]));
    long["more"] = "x".repeat(400).into();
    assert_eq!(world.ask(Method::POST, "/Bulk", long).await.status, 413);

    let mut request = request(Method::POST, "/corp/v2/Bulk", &bulk(&json!([delete])));
    let token = format!("Bearer {}", secret("k2")).parse().unwrap();
    request.headers_mut().insert("authorization", token);
    let got = world.send(request).await;
    assert_eq!(got.status, 200);
    assert_eq!(got.body["Operations"][0]["status"], "403");
}

#[tokio::test]
async fn discovery_tells_the_truth_about_this_tenant() {
    let world = World::new(Fake::new().versioned());
    let get = |path: &'static str| world.ask(Method::GET, path, Value::Null);
    let config = get("/ServiceProviderConfig").await.body;
    assert_eq!(config["patch"]["supported"], true);
    assert_eq!(config["etag"]["supported"], true);
    assert_eq!(config["sort"]["supported"], false);
    assert_eq!(config["changePassword"]["supported"], false);
    assert_eq!(config["bulk"]["maxOperations"], 1000);
    let types = get("/ResourceTypes").await.body;
    assert_eq!(types["totalResults"], 2);
    assert_eq!(types["Resources"][0]["endpoint"], "/Users");
    let one = get("/ResourceTypes/Group").await.body;
    assert_eq!(
        one["meta"]["location"],
        "https://scim.example.com/corp/v2/ResourceTypes/Group"
    );
    assert_eq!(get("/ResourceTypes/Nothing").await.status, 404);

    let schemas = get("/Schemas").await.body;
    let user = &schemas["Resources"][0];
    let names: Vec<_> = user["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| &a["name"])
        .collect();
    assert!(
        names.contains(&&json!("userName")) && !names.contains(&&json!("emails")),
        "{names:?}"
    );
    let id = "urn:ietf:params:scim:schemas:core:2.0:User";
    let one = world
        .ask(Method::GET, &format!("/Schemas/{id}"), Value::Null)
        .await
        .body;
    assert_eq!(
        (&one["id"], &one["meta"]["resourceType"]),
        (&json!(id), &json!("Schema"))
    );
    assert_eq!(get("/Schemas/urn:x:y").await.status, 404);
    assert_eq!(get("/Schemas?filter=name%20eq%20%22x%22").await.status, 403);
    assert_eq!(get("/Schemas?count=1").await.body["totalResults"], 2);
}
