//! Roles down to attributes: every channel by which an attribute can be named or shown, allowed
//! and forbidden, against the demo's directory behind the shipped rule.

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
    async fn start(accounts: &[(&str, String)]) -> Self {
        let secret = postern::net::Secret::new("s3cret".to_owned());
        let (address, directory) = postern::demo::directory::Directory::start(secret, None)
            .await
            .unwrap();
        let url = format!("http://{address}");
        let text = postern::demo::rule("https://localhost/demo/scim/v2", &url);
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

    fn client(&self, account: &str) -> Client {
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

#[tokio::test]
async fn a_put_leaves_alone_what_the_account_cannot_see_or_change() {
    let it = It::start(&[
        ("nophone", "read, update], attributes: ['*', -phoneNumbers".to_owned()),
        (
            "looker",
            "read]}, {resources: [User], verbs: [update], attributes: [title, userName, 'name.givenName'".to_owned(),
        ),
        ("blind", "update".to_owned()),
        ("hr", format!("read, update], attributes: [title, name, \"{ENTERPRISE}\"")),
    ])
    .await;
    let path = it.user("kept").await;
    let before = it.seen(&path).await;
    let without = |value: &Value, names: &[&str]| {
        let mut value = value.clone();
        let map = value.as_object_mut().unwrap();
        for name in names.iter().chain(&["meta", "schemas"]) {
            map.shift_remove(*name);
        }
        value
    };

    let put = json!({"schemas": [CORE], "userName": "kept", "name": {"givenName": "New"}});
    let answer = it
        .client("nophone")
        .put(&path, &put)
        .await
        .expect(200)
        .json();
    assert!(answer.get("phoneNumbers").is_none(), "{answer}");
    assert!(answer.get("title").is_none(), "{answer}");
    let after = it.seen(&path).await;
    assert_eq!(after["phoneNumbers"], before["phoneNumbers"]);
    assert_eq!(after["name"], json!({"givenName": "New"}));
    assert!(after.get("title").is_none() && after.get(ENTERPRISE).is_none());

    // It sees everything and may change three: the rest stays, whether or not it is sent.
    it.admin.put(&path, &everything("kept")).await.expect(200);
    let put = json!({"schemas": [CORE], "userName": "kept", "title": "Boss"});
    let answer = it
        .client("looker")
        .put(&path, &put)
        .await
        .expect(200)
        .json();
    assert_eq!(answer["title"], "Boss");
    assert_eq!(answer["name"], json!({"familyName": "marked-family"}));
    let after = it.seen(&path).await;
    let mut wanted = before.clone();
    wanted["title"] = json!("Boss");
    wanted["name"] = json!({"familyName": "marked-family"});
    assert_eq!(without(&after, &[]), without(&wanted, &[]));

    // Who sees nothing clears nothing, and is shown nothing.
    it.admin.put(&path, &everything("kept")).await.expect(200);
    let put = json!({"schemas": [CORE], "userName": "kept", "displayName": "Other"});
    let answer = it.client("blind").put(&path, &put).await.expect(200).json();
    assert_eq!(without(&answer, &[]), json!({"id": before["id"]}));
    let after = it.seen(&path).await;
    assert_eq!(after["displayName"], "Other");
    let rest = ["displayName"];
    assert_eq!(without(&after, &rest), without(&before, &rest));

    // Not even the user name, which every user must have.
    it.admin.put(&path, &everything("kept")).await.expect(200);
    let put = json!({"schemas": [CORE], "title": "Clerk", "phoneNumbers": [], "active": null});
    let answer = it.client("hr").put(&path, &put).await.expect(200).json();
    assert_eq!(
        without(&answer, &[]),
        json!({"id": before["id"], "title": "Clerk"})
    );
    let after = it.seen(&path).await;
    assert_eq!(after["title"], "Clerk");
    let rest = ["title", "name", ENTERPRISE];
    assert_eq!(without(&after, &rest), without(&before, &rest));
}

#[tokio::test]
async fn what_must_be_there_and_may_not_be_given() {
    let it = It::start(&[
        (
            "titles",
            "create, read, update], attributes: [title".to_owned(),
        ),
        ("names", "create], attributes: [userName".to_owned()),
    ])
    .await;
    let titles = it.client("titles");
    let body = json!({"schemas": [CORE], "title": "x"});
    let detail = titles.post("/Users", &body).await.expect_error(403, None);
    assert_eq!(
        detail,
        "the account may not change `userName`, which a new resource must have"
    );
    let names = it.client("names");
    let detail = names.post("/Users", &json!({"schemas": [CORE]})).await;
    detail.expect_error(400, Some("invalidValue"));
    let body = json!({"schemas": [CORE], "userName": "fresh", "title": null, "emails": []});
    let made = names.post("/Users", &body).await.expect(201).json();
    let mut names: Vec<&String> = made.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["id", "meta", "schemas"], "it may not read");
    // The same name again: a conflict is told, and not of what.
    let twice = it.client("names").post("/Users", &body).await;
    let detail = twice.expect_error(409, Some("uniqueness"));
    assert!(
        !detail.contains("login") && !detail.contains("fresh"),
        "{detail}"
    );
}

#[tokio::test]
async fn each_line_stands_alone_and_an_account_may_do_the_union() {
    let it = It::start(&[
        (
            "both",
            "read], attributes: ['*', -title, -emails.value]}, {resources: [User], verbs: [read], attributes: [emails.value]}, \
             {resources: [User], verbs: [{read: by-id}], attributes: [title"
                .to_owned(),
        ),
        ("part", "read, update], attributes: [name.givenName, emails.value".to_owned()),
    ])
    .await;
    let path = it.user("union").await;
    let mail =
        json!([{"op": "add", "path": "emails[type eq \"work\"].value", "value": "a@example.com"}]);
    it.admin.patch(&path, &mail).await.expect(200);
    let both = it.client("both");
    let one = both.get(&path).await.expect(200).json();
    assert_eq!(one["title"], "marked-title");
    assert_eq!(one["emails"][0]["value"], "a@example.com");
    assert_eq!(one["emails"][0]["type"], "work");
    let list = both.get("/Users?filter=userName%20eq%20%22union%22").await;
    let list = list.expect(200).json();
    assert!(list["Resources"][0].get("title").is_none(), "{list}");
    assert_eq!(list["Resources"][0]["emails"][0]["value"], "a@example.com");
    let by_title = both.get("/Users?filter=title%20pr").await;
    assert_eq!(
        by_title.expect_error(403, None),
        "the account may not ask about `title`"
    );

    // Parts of an attribute.
    let part = it.client("part");
    let one = part.get(&path).await.expect(200).json();
    assert_eq!(one["name"], json!({"givenName": "Given"}));
    assert_eq!(one["emails"], json!([{"value": "a@example.com"}]));
    assert_eq!(
        one["schemas"],
        json!([CORE]),
        "not that there is an extension"
    );
    for (operation, told) in [
        (
            json!({"op": "replace", "path": "name", "value": {"familyName": "x"}}),
            "`name.familyName`",
        ),
        (json!({"op": "remove", "path": "name"}), "`name`"),
        (
            json!({"op": "replace", "path": "emails", "value": [{"value": "b@example.com"}]}),
            "`emails`",
        ),
        (json!({"op": "remove", "path": "emails"}), "`emails`"),
        (
            json!({"op": "add", "path": "emails", "value": [{"value": "b@example.com", "type": "home"}]}),
            "`emails.type`",
        ),
        (
            json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": "b"}),
            "`emails.type`",
        ),
        (json!({"op": "remove", "path": ENTERPRISE}), ENTERPRISE),
        (
            json!({"op": "replace", "value": {(ENTERPRISE): {"department": null}}}),
            "department`",
        ),
        (
            json!({"op": "replace", "path": "title", "value": null}),
            "`title`",
        ),
    ] {
        let answer = part.patch(&path, &json!([operation])).await;
        let detail = answer.expect_error(403, None);
        assert!(detail.contains(told), "{operation}: {detail}");
    }
    let change = json!([{"op": "replace", "path": "name", "value": {"givenName": "Other"}}]);
    part.patch(&path, &change).await.expect(200);
    let seen = it.seen(&path).await;
    assert_eq!(
        seen["name"],
        json!({"givenName": "Other", "familyName": "marked-family"})
    );
    // What only the service provider says is answered as ever.
    let id = json!([{"op": "replace", "path": "id", "value": "9"}]);
    part.patch(&path, &id)
        .await
        .expect_error(400, Some("mutability"));
    let secret = part.get("/Users?filter=password%20eq%20%22x%22").await;
    secret.expect_error(400, Some("invalidFilter"));
}
