//! The whole program in front of a real server, with a rule as it is shipped: only where things are
//! is another, a unit of the test's own.

use std::sync::Arc;

use postern::directory::ldap::{Attribute, Control, Dn, Entry, Filter, Pool, Search, Write};
use serde_json::{Value, json};

use crate::limits::Limits;
use crate::place::{Kind, Place, done, soon};
use crate::relay::Relay;
use crate::support::client::plain_get;
use crate::support::program::{Said, Serving};
use crate::support::{Answer, Client, Program};

/// A started program, and its place in a directory.
pub(crate) struct App {
    pub kind: Kind,
    pub client: Client,
    pub pool: Arc<Pool>,
    /// Everything is below it.
    pub unit: Dn,
    path: String,
    serving: Serving,
    program: Program,
}

impl App {
    pub(crate) async fn start(place: &Place, name: &str) -> Self {
        Self::with(place, name, |rule| rule).await
    }

    /// Through a relay.
    pub(crate) async fn relayed(place: &Place, name: &str) -> (Self, Relay) {
        let relay = Relay::limited(place, Limits::default()).await;
        let (url, ca) = (relay.url(), relay.ca_file().display().to_string());
        let (own_url, own_ca) = (place.text("ldaps"), place.text("ca"));
        let change = |rule: String| rule.replace(own_url, &url).replace(own_ca, &ca);
        (Self::with(place, name, change).await, relay)
    }

    /// With changes to the rule.
    pub(crate) async fn with(
        place: &Place,
        name: &str,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let pool = place.pool();
        // The servers may have seen this test before.
        let name = format!("{name} {}", std::process::id());
        let unit = place.unit(&pool, &name).await;
        let (path, rule, containers): (_, _, &[&str]) = match place.kind {
            Kind::Slapd => ("openldap", OPENLDAP, &["people", "groups"]),
            Kind::Ds389 => (
                "389ds",
                DS389,
                &["people", "groups", "services", "sales,people", "lab,people"],
            ),
            Kind::Samba => ("ad", ACTIVE_DIRECTORY, &["Staff", "Groups", "Leavers"]),
        };
        for container in containers {
            let names = container.split(',').rev();
            let dn = names.fold(unit.clone(), |dn, ou| {
                dn.child("ou", ou.to_owned()).unwrap()
            });
            let ou = container.split(',').next().unwrap().to_owned();
            let attributes = vec![
                Attribute::one("objectClass", "organizationalUnit"),
                Attribute::one("ou", ou),
            ];
            add(&pool, dn, attributes).await;
        }
        if place.kind == Kind::Ds389 {
            let counter = unit.child("ou", "services").unwrap();
            let counter = counter.child("cn", "next-uid").unwrap();
            let attributes = vec![
                Attribute::many("objectClass", ["device", "extensibleObject"]),
                Attribute::one("cn", "next-uid"),
                Attribute::one("uidNumber", "10000"),
            ];
            add(&pool, counter, attributes).await;
        }
        let rule = change(at_home(rule, place, &unit));
        let program = Program::new(&[("ldap.yaml", &rule)]);
        let path = format!("/{path}/scim/v2");
        let serving = program.serve(&path);
        Self {
            kind: place.kind,
            client: serving.client.clone(),
            pool,
            unit,
            path,
            serving,
            program,
        }
    }

    /// Another process with the same files, and more in its configuration: a second replica.
    pub(crate) fn again(&self, more: &str) -> Serving {
        self.program.append("postern.yaml", more);
        self.program.serve(&self.client.base)
    }

    /// Another program with the same rule before the same part of the directory.
    pub(crate) fn rival(&self) -> Serving {
        self.program.serve(&self.path)
    }

    /// What the program has logged.
    pub(crate) fn log(&self) -> String {
        let lines = self.serving.access();
        let lines: String = lines.iter().map(Value::to_string).collect();
        self.program.log() + &lines
    }

    /// What `postern check --online` says.
    pub(crate) fn online(&self) -> Said {
        self.program.run(&["check", "--online", "--quiet"])
    }

    /// What `postern check --online` says that a request would do.
    pub(crate) fn rehearsed(&self, request: &str, body: Option<&Value>) -> Said {
        let mut arguments = vec!["check", "--online", "--request", request];
        if let Some(body) = body {
            self.program.write("body.json", &body.to_string());
            arguments.extend(["--body", "body.json"]);
        }
        self.program.run(&arguments)
    }

    /// What `/metrics` says.
    pub(crate) async fn metrics(&self) -> String {
        let answer = plain_get(self.serving.probe(), "/metrics").await;
        answer.unwrap().1
    }

    /// Where people are.
    pub(crate) fn people(&self) -> Dn {
        let name = match self.kind {
            Kind::Samba => "Staff",
            Kind::Slapd | Kind::Ds389 => "people",
        };
        self.unit.child("ou", name).unwrap()
    }

    pub(crate) fn groups(&self) -> Dn {
        self.unit.child("ou", "groups").unwrap()
    }

    /// A userName as the rule takes it.
    pub(crate) fn user_name(&self, name: &str) -> String {
        match self.kind {
            // One in the whole domain.
            Kind::Samba => format!("{name}.{}@example.com", std::process::id()),
            Kind::Slapd | Kind::Ds389 => name.to_owned(),
        }
    }

    pub(crate) fn user(&self, name: &str) -> Value {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": self.user_name(name),
            "name": {"givenName": "Barbara", "familyName": name},
            "active": true,
        })
    }

    pub(crate) async fn make(&self, user: &Value) -> Answer {
        self.client.post("/Users", user).await
    }

    pub(crate) async fn made(&self, name: &str) -> String {
        self.make(&self.user(name)).await.expect(201).id()
    }

    pub(crate) async fn group(&self, name: &str, members: &[&str]) -> String {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        let group = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": name,
            "members": members,
        });
        self.client.post("/Groups", &group).await.expect(201).id()
    }

    pub(crate) async fn members(&self, id: &str) -> Vec<String> {
        let group = self.client.get(&format!("/Groups/{id}")).await.expect(200);
        let group = group.json();
        let members = group["members"].as_array().cloned().unwrap_or_default();
        let mut ids: Vec<String> = members
            .iter()
            .map(|member| member["value"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    }

    pub(crate) async fn patch_user(&self, id: &str, operations: Value) -> Answer {
        self.client
            .patch(&format!("/Users/{id}"), &operations)
            .await
    }

    /// The entry of this name, with everything.
    pub(crate) async fn entry(&self, dn: &Dn) -> Option<Entry> {
        let search = Search::entry(dn.clone(), &["*", "+"]);
        self.pool.one(search, soon()).await.ok().flatten()
    }

    /// The names of the entries below the unit with this value.
    pub(crate) async fn found(&self, attribute: &str, value: &str) -> Vec<String> {
        let filter = Filter::equal(attribute, value.to_owned());
        let search = Search::below(self.unit.clone(), filter, &[]);
        let mut entries = self.pool.search(search, &[], soon());
        let mut names = Vec::new();
        while let Some(entry) = entries.next().await.unwrap() {
            names.push(entry.dn);
        }
        names
    }

    /// Everything below the unit, as it is: what an attack must leave as it was. Without what
    /// counts the servers' own steps.
    pub(crate) async fn everything(&self) -> Vec<(String, Vec<(String, Vec<Vec<u8>>)>)> {
        let search = Search::below(self.unit.clone(), Filter::everything(), &["*"]);
        let mut entries = self.pool.search(search, &[], soon());
        let mut all = Vec::new();
        while let Some(entry) = entries.next().await.unwrap() {
            let attributes = entry.attributes.iter();
            let mut attributes: Vec<_> = attributes
                .map(|a| {
                    (
                        a.name.to_string(),
                        a.values.iter().map(|v| v.to_vec()).collect(),
                    )
                })
                .collect();
            attributes.sort();
            all.push((entry.dn, attributes));
        }
        all.sort();
        all
    }
}

pub(crate) async fn add(pool: &Arc<Pool>, dn: Dn, attributes: Vec<Attribute>) {
    let write = Write::Add { dn, attributes };
    let none: &[Control] = &[];
    done(pool.write(write, none, soon()).await.map(|o| o.result));
}

/// A shipped rule where the test's server and unit are.
fn at_home(rule: &str, place: &Place, unit: &Dn) -> String {
    let rule = rule
        .replace("https://scim.example.com", "https://localhost")
        .replace("    starttls: true\n", "");
    let mut lines: Vec<String> = Vec::new();
    for line in rule.lines() {
        let own = line.trim_start();
        if own.starts_with("urls:") {
            lines.push(format!("    urls: [{}]", place.text("ldaps")));
            lines.push(format!("    ca_file: {}", place.text("ca")));
        } else if own.starts_with("bind:") {
            let (dn, file) = (place.text("service_dn"), place.text("password_file"));
            lines.push(format!("    bind: {{dn: \"{dn}\", password_file: {file}}}"));
        } else {
            let unit = unit.to_string();
            lines.push(
                line.replace("DC=corp,DC=example,DC=com", &unit)
                    .replace("dc=example,dc=com", &unit),
            );
        }
    }
    lines.join("\n")
}

const OPENLDAP: &str = include_str!("../../rules/openldap.yaml");
const DS389: &str = include_str!("../../rules/389ds.yaml");
const ACTIVE_DIRECTORY: &str = include_str!("../../rules/active-directory.yaml");
