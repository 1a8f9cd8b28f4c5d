//! Roles down to attributes: every channel by which an attribute can be named or shown, allowed
//! and forbidden, against the demo's directory behind the shipped rule.

mod conditions;
mod discarded;
mod may;
mod union;
mod values;
mod verbs;

use serde_json::{Value, json};

use crate::support::world::{ADMIN, Account};
use crate::support::{Answer, Client, World};

const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A program with these accounts in front of a legacy directory of its own.
struct It {
    world: World,
    admin: Client,
    _directory: postern::demo::directory::Running,
}

impl It {
    /// Accounts by name, with what stands between `verbs: [` and `]` of their role.
    pub(super) async fn start(accounts: &[(&str, String)]) -> Self {
        Self::with_rule(accounts, |rule| rule).await
    }

    /// The same where the rule leaves out what users' attributes may not be written.
    pub(super) async fn discarding(accounts: &[(&str, String)]) -> Self {
        let line = "  User:\n    forbidden: discard\n";
        Self::with_rule(accounts, |rule| rule.replace("  User:\n", line)).await
    }

    async fn with_rule(accounts: &[(&str, String)], change: impl FnOnce(String) -> String) -> Self {
        let secret = postern::net::Secret::new("s3cret".to_owned());
        let (address, directory) = postern::demo::directory::Directory::start(secret, None)
            .await
            .unwrap();
        let url = format!("http://{address}");
        let text = change(postern::demo::rule("https://localhost/demo/scim/v2", &url));
        let mut all = vec![ADMIN];
        all.extend(accounts.iter().map(|(name, verbs)| Account {
            name,
            verbs,
            tenants: "legacy",
            more: "",
        }));
        let files = [("directory-token", "s3cret")];
        let world = World::launch(&[("legacy", &text)], &files, &all);
        let admin = world.client("/demo/scim/v2");
        Self {
            world,
            admin,
            _directory: directory,
        }
    }

    pub(super) fn client(&self, account: &str) -> Client {
        self.world.client_of("/demo/scim/v2", account)
    }

    /// A user with everything; gives the path.
    async fn user(&self, name: &str) -> String {
        let made = self.admin.post("/Users", &everything(name)).await;
        format!("/Users/{}", made.expect(201).id())
    }

    async fn seen(&self, path: &str) -> Value {
        self.admin.get(path).await.expect(200).json()
    }
}

fn everything(name: &str) -> Value {
    let mut user = json!({"schemas": [CORE, ENTERPRISE], "userName": name, "displayName": "Shown"});
    for attribute in ATTRIBUTES {
        merge(&mut user, (attribute.document)(attribute.value));
    }
    user["name"]["givenName"] = json!("Given");
    user
}

fn merge(into: &mut Value, more: Value) {
    let Value::Object(more) = more else { return };
    for (name, value) in more {
        into[name] = value;
    }
}

/// An attribute in every way that it can be named.
struct Named {
    /// As roles name it.
    role: &'static str,
    /// What a refusal names.
    told: &'static str,
    document: fn(&str) -> Value,
    path: &'static str,
    /// Beside the path, as the key of a PATCH without path.
    filter: &'static str,
    sort: &'static str,
    /// Its value in [`everything`], which stands nowhere else.
    value: &'static str,
}

const ATTRIBUTES: &[Named] = &[
    Named {
        role: "'urn:ietf:params:scim:schemas:core:2.0:User:TITLE'",
        told: "`title`",
        document: |value| json!({"title": value}),
        path: "title",
        filter: "title sw \"marked\"",
        sort: "title",
        value: "marked-title",
    },
    Named {
        role: "NAME.familyname",
        told: "`name",
        document: |value| json!({"name": {"familyName": value}}),
        path: "name.familyName",
        filter: "name.familyName co \"marked\"",
        sort: "name.familyName",
        value: "marked-family",
    },
    Named {
        role: "phonenumbers",
        told: "`phoneNumbers",
        document: |value| json!({"phoneNumbers": [{"type": "work", "value": value}]}),
        path: "phoneNumbers[type eq \"work\"].value",
        filter: "phoneNumbers[type eq \"work\" and value eq \"marked-phone\"]",
        sort: "phoneNumbers.value",
        value: "marked-phone",
    },
    Named {
        role: "'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department'",
        told: "department`",
        document: |value| json!({(ENTERPRISE): {"department": value}}),
        path: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        filter: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"marked-department\"",
        sort: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        value: "marked-department",
    },
];

fn query(text: &str) -> String {
    text.replace(' ', "%20")
        .replace('"', "%22")
        .replace('[', "%5B")
        .replace(']', "%5D")
}

/// One account and one attribute that it may or may not use.
struct Case<'a> {
    it: &'a It,
    client: Client,
    account: &'a str,
    attribute: &'a Named,
    allowed: bool,
}

impl Case<'_> {
    #[track_caller]
    fn judge(&self, channel: &str, answer: Answer, fine: &[u16]) -> Answer {
        let status = answer.status.as_u16();
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let about = format!(
            "{} {} {channel}: {status} {text}",
            self.account, self.attribute.path
        );
        if self.allowed {
            assert!(fine.contains(&status), "{about}");
        } else {
            assert_eq!(status, 403, "{about}");
            assert!(text.contains(self.attribute.told), "{about}");
            assert!(!text.contains("marked-"), "{about}");
        }
        answer
    }

    /// What the account sees carries the value, or nowhere does.
    #[track_caller]
    fn shows(&self, channel: &str, answer: &Answer) {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let about = format!("{} {} {channel}: {text}", self.account, self.attribute.path);
        assert!(answer.status.is_success(), "{about}");
        assert_eq!(text.contains(self.attribute.value), self.allowed, "{about}");
    }

    async fn writes(&self, number: usize) {
        let (named, value) = (self.attribute, "new-value");
        let body = |name: &str| {
            let mut body = json!({"schemas": [CORE], "userName": name});
            merge(&mut body, (named.document)(value));
            body
        };
        let name = format!("new-{number}");
        let answer = self.client.post("/Users", &body(&name)).await;
        let made = self.judge("POST", answer, &[201]);
        if self.allowed {
            let path = format!("/Users/{}", made.id());
            assert!(self.it.seen(&path).await.to_string().contains(value));
        }

        let name = format!("old-{number}");
        let path = self.it.user(&name).await;
        let before = self.it.seen(&path).await;
        for op in ["add", "replace"] {
            let with_path = json!([{"op": op, "path": named.path, "value": value}]);
            let answer = self.client.patch(&path, &with_path).await;
            self.judge("PATCH path", answer, &[200]);
            let without = json!([{"op": op, "value": {(named.path): value}}]);
            let answer = self.client.patch(&path, &without).await;
            self.judge("PATCH key", answer, &[200]);
            let nested = json!([{"op": op, "value": (named.document)(value)}]);
            let answer = self.client.patch(&path, &nested).await;
            self.judge("PATCH nested", answer, &[200]);
            let bulk = json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
                "Operations": [{"method": "PATCH", "path": path, "data": {
                    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                    "Operations": without,
                }}],
            });
            let answer = self.client.post("/Bulk", &bulk).await.expect(200);
            let status = answer.json()["Operations"][0]["status"].clone();
            let wanted = if self.allowed { "200" } else { "403" };
            assert_eq!(status, wanted, "{} {}", self.account, named.path);
        }
        let answer = self.client.put(&path, &body(&name)).await;
        self.judge("PUT", answer, &[200]);
        let remove = json!([{"op": "remove", "path": named.path}]);
        let answer = self.client.patch(&path, &remove).await;
        self.judge("PATCH remove", answer, &[200]);
        if !self.allowed {
            let mut after = self.it.seen(&path).await;
            after["meta"] = before["meta"].clone();
            assert_eq!(after, before, "nothing was written");
        }
    }

    async fn reads(&self, path: &str) {
        let named = self.attribute;
        self.shows("GET", &self.client.get(path).await);
        let parent = named.path.split('[').next().unwrap();
        let projected = format!("{path}?attributes={parent}");
        self.shows("attributes", &self.client.get(&projected).await);
        let projected = format!("{path}?excludedAttributes=displayName");
        self.shows("excludedAttributes", &self.client.get(&projected).await);
        self.shows("list", &self.client.get("/Users").await);
        let search = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
            "attributes": [parent],
        });
        self.shows(
            ".search",
            &self.client.post("/Users/.search", &search).await,
        );
        let none = json!([{"op": "replace", "path": "userName", "value": "reader"}]);
        self.shows("answer to a write", &self.client.patch(path, &none).await);

        let filtered = format!("/Users?filter={}", query(named.filter));
        let answer = self.client.get(&filtered).await;
        self.judge("filter", answer, &[200]);
        let deep = format!("not (userName eq \"x\" and {})", named.filter);
        let answer = self
            .client
            .get(&format!("/Users?filter={}", query(&deep)))
            .await;
        self.judge("deep filter", answer, &[200, 400]);
        let search = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
            "filter": named.filter,
        });
        let answer = self.client.post("/.search", &search).await;
        self.judge("search everything", answer, &[200]);
        let sorted = format!("/Users?sortBy={}", named.sort);
        let answer = self.client.get(&sorted).await;
        self.judge("sort", answer, &[200, 400]);
    }
}

#[tokio::test]
async fn every_attribute_by_every_channel() {
    let verbs = "create, read, update, delete], attributes: [";
    let mut accounts = Vec::new();
    for (index, named) in ATTRIBUTES.iter().enumerate() {
        accounts.push((
            format!("only{index}"),
            format!("{verbs}userName, {}", named.role),
        ));
        let role = named.role.trim_matches('\'');
        accounts.push((format!("but{index}"), format!("{verbs}'*', '-{role}'")));
    }
    let listed: Vec<_> = accounts
        .iter()
        .map(|(n, v)| (n.as_str(), v.clone()))
        .collect();
    let it = It::start(&listed).await;
    let path = it.user("reader").await;
    let mut number = 0;
    for (account, _) in &accounts {
        for (index, attribute) in ATTRIBUTES.iter().enumerate() {
            let own = account.ends_with(&index.to_string());
            let case = Case {
                it: &it,
                client: it.client(account),
                account,
                attribute,
                allowed: own == account.starts_with("only"),
            };
            number += 1;
            case.reads(&path).await;
            case.writes(number).await;
        }
    }
}
