//! What `postern check --online --request` prints, done by `ldapmodify`, is what the request means.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::app::App;
use crate::place::{Kind, Place};

/// The program, and the server that it is in front of.
struct Stage {
    app: App,
    place: Place,
}

impl Stage {
    async fn new(kind: Kind, name: &str) -> Option<Self> {
        if Command::new("ldapmodify").arg("-VV").output().is_err() {
            println!("skipped: there is no ldapmodify");
            return None;
        }
        let place = kind.place()?;
        let app = App::start(&place, name).await;
        Some(Self { app, place })
    }

    /// Has a request rehearsed, which changes nothing, and does what was printed.
    async fn done(&self, request: &str, body: Option<&Value>) -> String {
        let (method, rest) = request.split_once(' ').unwrap();
        let path = match self.app.kind {
            Kind::Slapd => "/openldap/scim/v2",
            Kind::Ds389 => "/389ds/scim/v2",
            Kind::Samba => "/ad/scim/v2",
        };
        let before = self.app.everything().await;
        let said = self.app.rehearsed(&format!("{method} {path}{rest}"), body);
        assert_eq!(said.code, Some(0), "{request}: {}{}", said.out, said.err);
        assert!(
            self.app.everything().await == before,
            "{request} wrote something"
        );
        self.modify(&said.out);
        said.out
    }

    fn modify(&self, ldif: &str) {
        let password = String::from_utf8(self.place.bytes("password_file")).unwrap();
        let mut child = Command::new("ldapmodify")
            .args([
                "-x",
                "-H",
                self.place.text("ldaps"),
                "-D",
                self.place.text("bind_dn"),
            ])
            .args(["-w", password.trim_end()])
            .env("LDAPTLS_CACERT", self.place.text("ca"))
            .env("LDAPTLS_REQCERT", "allow")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(ldif.as_bytes())
            .unwrap();
        let said = child.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.status.success(), "{error}\n{ldif}");
    }

    async fn user(&self, id: &str) -> Value {
        let answer = self.app.client.get(&format!("/Users/{id}")).await;
        answer.expect(200).json()
    }
}

async fn what_is_printed_is_what_is_meant(kind: Kind) {
    let Some(stage) = Stage::new(kind, "app rehearsal").await else {
        return;
    };
    let app = &stage.app;
    // A user, with a name that LDIF has to take care of.
    let mut user = app.user("rehearsed");
    user["name"]["givenName"] = json!(" Bj\u{f6}rn ");
    user["title"] = json!("x".repeat(200));
    user["password"] = json!("not to be seen 7");
    let printed = stage.done("POST /Users", Some(&user)).await;
    assert!(!printed.contains("not to be seen"), "{printed}");
    let name = app.user_name("rehearsed");
    let filter = format!("/Users?filter=userName%20eq%20%22{name}%22");
    let found = app.client.get(&filter).await.expect(200).json();
    assert_eq!(found["totalResults"], 1, "{found}");
    let found = &found["Resources"][0];
    assert_eq!(found["name"]["givenName"], user["name"]["givenName"]);
    assert_eq!(found["title"], user["title"]);
    let id = found["id"].as_str().unwrap().to_owned();

    // Another name, and a value of another attribute, in one request.
    let renamed = app.user_name("re, hearsed+");
    let operations = json!([
        {"op": "replace", "path": "userName", "value": renamed},
        {"op": "replace", "path": "title", "value": "T"},
        {"op": "add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "5"},
    ]);
    let printed = stage
        .done(&format!("PATCH /Users/{id}"), Some(&patch(&operations)))
        .await;
    assert!(
        printed.contains(&format!("\n#   \"userName\": \"{renamed}\"")),
        "{printed}"
    );
    let now = stage.user(&id).await;
    assert_eq!(now["userName"], renamed);
    assert_eq!(
        (&now["title"], &now["phoneNumbers"][0]["value"]),
        (&json!("T"), &json!("5"))
    );

    // Members: the first, another, and the last that goes.
    let other = app.made("other").await;
    let group = app.group("rehearsed", &[&other]).await;
    let path = format!("PATCH /Groups/{group}");
    let add = json!([{"op": "add", "path": "members", "value": [{"value": id}, {"value": other}]}]);
    stage.done(&path, Some(&patch(&add))).await;
    let mut both = vec![id.clone(), other.clone()];
    both.sort();
    assert_eq!(app.members(&group).await, both);
    for member in [&other, &id] {
        let gone = json!([{"op": "remove", "path": format!("members[value eq \"{member}\"]")}]);
        stage.done(&path, Some(&patch(&gone))).await;
    }
    assert!(app.members(&group).await.is_empty());

    for active in [false, true] {
        let set = json!([{"op": "replace", "path": "active", "value": active}]);
        stage
            .done(&format!("PATCH /Users/{id}"), Some(&patch(&set)))
            .await;
        assert_eq!(stage.user(&id).await["active"], active);
    }
    stage.done(&format!("DELETE /Users/{id}"), None).await;
    app.client.get(&format!("/Users/{id}")).await.expect(404);

    // What the server would refuse is refused, and nothing is left to do.
    let taken = app.user("other");
    let path = match kind {
        Kind::Slapd => "/openldap/scim/v2/Users",
        Kind::Ds389 => "/389ds/scim/v2/Users",
        Kind::Samba => "/ad/scim/v2/Users",
    };
    let said = app.rehearsed(&format!("POST {path}"), Some(&taken));
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.out.contains("would get: 409"), "{}", said.out);
}

fn patch(operations: &Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    })
}

#[tokio::test]
async fn slapd_does_what_was_printed() {
    what_is_printed_is_what_is_meant(Kind::Slapd).await;
}

#[tokio::test]
async fn ds_389_does_what_was_printed() {
    what_is_printed_is_what_is_meant(Kind::Ds389).await;
}
