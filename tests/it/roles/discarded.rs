//! `forbidden: discard`: what the account may not write is left out, and the rest is done.

use serde_json::{Value, json};

use super::{ATTRIBUTES, CORE, It, everything, merge};
use crate::support::client::plain_get;
use crate::support::exposition::Page;

const LINES: &str = "create, update], attributes: [userName, displayName, 'name.givenName'], \
                     values: {displayName: [Shown, Other]}}, {resources: [User], verbs: [read], \
                     attributes: ['*', -externalId, -emails";

fn without(value: &Value) -> Value {
    let mut value = value.clone();
    for key in ["meta", "id"] {
        value.as_object_mut().unwrap().shift_remove(key);
    }
    value
}

#[tokio::test]
async fn the_rest_is_done() {
    let it = It::discarding(&[("feed", LINES.to_owned())]).await;
    let client = it.client("feed");

    // A new one gets what may be given.
    let made = client.post("/Users", &everything("new")).await.expect(201);
    let path = format!("/Users/{}", made.id());
    let seen = it.seen(&path).await;
    assert_eq!(
        without(&seen),
        json!({"schemas": [CORE], "userName": "new", "displayName": "Shown", "name": {"givenName": "Given"}})
    );

    let path = it.user("old").await;
    let before = it.seen(&path).await;
    let mut changed = everything("old");
    for named in ATTRIBUTES {
        merge(&mut changed, (named.document)("changed"));
        for change in [
            json!({"op": "replace", "path": named.path, "value": "changed"}),
            json!({"op": "add", "value": {(named.path): "changed"}}),
            json!({"op": "add", "value": (named.document)("changed")}),
            json!({"op": "remove", "path": named.path}),
        ] {
            // Alone: nothing is left of it, and nothing changes.
            client.patch(&path, &json!([change])).await.expect(200);
            let mut after = it.seen(&path).await;
            after["meta"] = before["meta"].clone();
            assert_eq!(after, before, "{change}");
            // With something else: that is done.
            let both = json!([change, {"op": "replace", "path": "name.givenName", "value": "New"}]);
            client.patch(&path, &both).await.expect(200);
            let after = it.seen(&path).await;
            assert_eq!(
                after["name"],
                json!({"familyName": "marked-family", "givenName": "New"})
            );
            let back = json!([{"op": "replace", "path": "name.givenName", "value": "Given"}]);
            client.patch(&path, &back).await.expect(200);
        }
    }
    // A value that may not be is left out as well.
    let value = json!([{"op": "replace", "value": {"displayName": "Evil", "userName": "old2"}}]);
    client.patch(&path, &value).await.expect(200);
    let after = it.seen(&path).await;
    assert_eq!(
        (&after["displayName"], &after["userName"]),
        (&json!("Shown"), &json!("old2"))
    );

    changed["name"]["givenName"] = json!("Put");
    changed["displayName"] = json!("Other");
    client.put(&path, &changed).await.expect(200);
    let after = it.seen(&path).await;
    let mut wanted = before.clone();
    wanted["userName"] = json!("old");
    wanted["displayName"] = json!("Other");
    wanted["name"]["givenName"] = json!("Put");
    assert_eq!(without(&after), without(&wanted));

    // What asks stays refused, and what a new one must have.
    for ask in [
        "/Users?filter=externalId%20pr",
        "/Users?sortBy=externalId",
        "/Users?filter=title%20pr%20or%20emails%20pr",
    ] {
        client.get(ask).await.expect_error(403, None);
    }
    let chosen = json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": "1"}]);
    client.patch(&path, &chosen).await.expect(403);
    let (_, text) = plain_get(it.world.running().probe, "/metrics")
        .await
        .unwrap();
    let counted = Page::read(&text).get(
        "postern_attributes_discarded_total",
        &[("tenant", "legacy")],
    );
    assert!(counted.unwrap() > 20.0, "{counted:?}");
}

#[tokio::test]
async fn who_may_not_name_what_must_be_there_makes_nothing() {
    let it = It::discarding(&[("none", "create, read], attributes: [title".to_owned())]).await;
    let body = json!({"schemas": [CORE], "userName": "x", "title": "y"});
    let detail = it
        .client("none")
        .post("/Users", &body)
        .await
        .expect_error(403, None);
    assert!(
        detail.contains("`userName`, which a new resource must have"),
        "{detail}"
    );
}
