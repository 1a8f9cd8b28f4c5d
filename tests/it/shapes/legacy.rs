//! The demo's directory, old words and all, behind the shipped rule.

use serde_json::{Value, json};

use crate::support::{Client, World};

/// A program in front of a legacy directory of its own.
pub(super) struct Legacy {
    _world: World,
    pub client: Client,
    _directory: postern::demo::directory::Running,
}

impl Legacy {
    pub(super) async fn start() -> Self {
        let secret = postern::net::Secret::new("s3cret".to_owned());
        let (address, directory) = postern::demo::directory::Directory::start(secret, None)
            .await
            .unwrap();
        let text = postern::demo::rule(
            "https://localhost/demo/scim/v2",
            &format!("http://{address}"),
        );
        let world = World::prepared(&[("legacy", &text)], &[("directory-token", "s3cret")]);
        let client = world.client("/demo/scim/v2");
        Self {
            _world: world,
            client,
            _directory: directory,
        }
    }

    pub(super) async fn user(&self, name: &str) -> String {
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": name, "active": true,
            "name": {"givenName": "Ann", "familyName": "Example"},
        });
        self.client.post("/Users", &user).await.expect(201).id()
    }

    pub(super) async fn group(&self, name: &str, members: &[&str]) -> String {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        let group = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": name, "members": members,
        });
        self.client.post("/Groups", &group).await.expect(201).id()
    }

    pub(super) async fn members(&self, id: &str) -> Vec<String> {
        let group = self
            .client
            .get(&format!("/Groups/{id}"))
            .await
            .expect(200)
            .json();
        let mut members: Vec<String> = group["members"]
            .as_array()
            .map(|list| {
                list.iter()
                    .map(|m| m["value"].as_str().unwrap().to_owned())
                    .collect()
            })
            .unwrap_or_default();
        members.sort();
        members
    }

    pub(super) async fn patch_user(&self, id: &str, operations: Value) -> Value {
        self.client
            .patch(&format!("/Users/{id}"), &operations)
            .await
            .expect(200)
            .json()
    }

    pub(super) async fn patch_group(&self, id: &str, operations: Value) {
        let answer = self
            .client
            .patch(&format!("/Groups/{id}"), &operations)
            .await;
        assert!(matches!(answer.status.as_u16(), 200 | 204), "{answer:?}");
    }
}
