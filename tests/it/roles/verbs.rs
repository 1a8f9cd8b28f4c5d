//! Every verb by resource type.

use serde_json::json;

use super::{CORE, It};

#[tokio::test]
async fn verbs_by_resource_type() {
    let verbs = ["create", "read", "{read: by-id}", "update", "delete"];
    let names: Vec<String> = (0..verbs.len()).map(|index| format!("v{index}")).collect();
    let accounts: Vec<_> = names
        .iter()
        .zip(verbs)
        .map(|(name, verb)| {
            // What an account may do to users says nothing of groups.
            let role =
                format!("{verb}]}}, {{resources: [Device], verbs: [create, read, update, delete");
            (name.as_str(), role)
        })
        .collect();
    let it = It::start(&accounts).await;
    for (name, verb) in names.iter().zip(verbs) {
        let client = it.client(name);
        for (endpoint, body, attribute) in [
            (
                "Users",
                json!({"schemas": [CORE], "userName": format!("u-{name}")}),
                "title",
            ),
            (
                "Groups",
                json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": format!("g-{name}")}),
                "displayName",
            ),
        ] {
            let made = it
                .admin
                .post(&format!("/{endpoint}"), &body)
                .await
                .expect(201)
                .id();
            let one = format!("/{endpoint}/{made}");
            let mut other = body.clone();
            for key in ["userName", "displayName"] {
                if let Some(text) = other[key].as_str() {
                    other[key] = json!(format!("{text}-2"));
                }
            }
            let change = json!([{"op": "replace", "path": attribute, "value": "x"}]);
            let search =
                json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]});
            let by_id = verb == "{read: by-id}";
            for (what, allowed, answer) in [
                (
                    "create",
                    verb == "create",
                    client.post(&format!("/{endpoint}"), &other).await,
                ),
                ("get", verb == "read" || by_id, client.get(&one).await),
                (
                    "list",
                    verb == "read",
                    client.get(&format!("/{endpoint}?count=1")).await,
                ),
                (
                    "search",
                    verb == "read",
                    client.post(&format!("/{endpoint}/.search"), &search).await,
                ),
                ("put", verb == "update", client.put(&one, &body).await),
                ("patch", verb == "update", client.patch(&one, &change).await),
                ("delete", verb == "delete", client.delete(&one).await),
            ] {
                let status = answer.status;
                assert_eq!(
                    status.is_success(),
                    allowed,
                    "{verb} {what} {endpoint}: {status}"
                );
                assert!(
                    allowed || status == 403,
                    "{verb} {what} {endpoint}: {status}"
                );
            }
        }
        client.get("/Schemas").await.expect(200);
        client.get("/ServiceProviderConfig").await.expect(200);
    }
}
