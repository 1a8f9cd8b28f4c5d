//! The whole program in front of a part of a server, with a rule of a few lines.

use std::sync::Arc;

use postern::directory::ldap::{Attribute, Dn, Pool, Search, Write};
use serde_json::{Value, json};

use crate::own::Slapd;
use crate::place::{Kind, Place, done, soon};
use crate::support::{Answer, Client, World};

/// postern in front of a part of a server.
pub(crate) struct Front {
    _world: World,
    pub client: Client,
    /// Straight to the server.
    pub pool: Arc<Pool>,
    pub people: Dn,
    pub groups: Dn,
}

/// How a rule reaches a server.
pub(crate) struct Way<'a> {
    /// In the words of a rule.
    pub flavor: &'a str,
    pub url: &'a str,
    pub bind_dn: &'a str,
    pub password_file: &'a str,
    /// More lines of the `ldap` block.
    pub more: &'a str,
}

impl Front {
    /// A unit of the name with people and groups in it, and postern before it. `members` is the
    /// line of a group's members, and `classes` what a group is.
    pub(crate) async fn new(place: &Place, name: &str, group: &Group<'_>) -> Self {
        let pool = place.pool();
        let unit = place.unit(&pool, name).await;
        let (people, groups) = units(&pool, &unit).await;
        let flavor = match place.kind {
            Kind::Slapd => "openldap",
            Kind::Ds389 => "389ds",
            Kind::Samba => "active-directory",
        };
        let way = Way {
            flavor,
            url: place.text("ldaps"),
            bind_dn: place.text("service_dn"),
            password_file: place.text("password_file"),
            more: &format!("    ca_file: {}\n", place.text("ca")),
        };
        Self::before(&way, pool, (people, groups), group)
    }

    /// In front of units that are there.
    pub(crate) fn before(
        way: &Way<'_>,
        pool: Arc<Pool>,
        (people, groups): (Dn, Dn),
        group: &Group<'_>,
    ) -> Self {
        let world = World::start(&[("t", &rule(way, &people, &groups, group))]);
        Self {
            client: world.client("/t"),
            _world: world,
            pool,
            people,
            groups,
        }
    }

    /// In front of a slapd of the test's own.
    pub(crate) fn own(slapd: &Slapd, url: &str, group: &Group<'_>) -> Self {
        let password = slapd.password_file();
        let way = Way {
            flavor: "openldap",
            url,
            bind_dn: "cn=admin,dc=example,dc=com",
            password_file: password.to_str().unwrap(),
            more: "",
        };
        let pool = Pool::open(slapd.config(), None).unwrap();
        let unit = |name| format!("ou={name},dc=example,dc=com").parse().unwrap();
        Self::before(&way, pool, (unit("people"), unit("groups")), group)
    }

    /// A user of the name; its id.
    pub(crate) async fn user(&self, name: &str) -> String {
        made(&self.client.post("/Users", &user(name)).await)
    }

    /// A group with these members; its id.
    pub(crate) async fn group(&self, name: &str, members: &[&str]) -> String {
        made(&self.client.post("/Groups", &group(name, members)).await)
    }

    pub(crate) async fn read(&self, path: &str) -> Value {
        let answer = self.client.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", told(&answer));
        answer.json()
    }

    /// The ids of a group's members, in order.
    pub(crate) async fn members(&self, id: &str) -> Vec<String> {
        values(&self.read(&format!("/Groups/{id}")).await["members"])
    }

    /// The ids that a filter finds, in order.
    pub(crate) async fn found(&self, kind: &str, filter: &str) -> Vec<String> {
        let filter: String = filter
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' => char::from(byte).into(),
                other => format!("%{other:02X}"),
            })
            .collect();
        let list = self.read(&format!("/{kind}?filter={filter}")).await;
        let resources = list["Resources"].as_array().cloned().unwrap_or_default();
        assert_eq!(list["totalResults"], json!(resources.len()), "{list}");
        let mut ids: Vec<String> = resources
            .iter()
            .map(|resource| resource["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    }

    /// The values of an attribute, as the server has them.
    pub(crate) async fn stored(&self, dn: Dn, attribute: &str) -> Vec<String> {
        let entry = self.pool.one(Search::entry(dn, &[attribute]), soon()).await;
        let entry = entry.unwrap().unwrap();
        let values = entry.values(attribute).iter();
        let mut texts: Vec<String> = values
            .map(|value| String::from_utf8(value.to_vec()).unwrap())
            .collect();
        texts.sort();
        texts
    }
}

/// What a group is in a directory.
pub(crate) struct Group<'a> {
    pub class: &'a str,
    /// The line of its members.
    pub members: &'a str,
    /// More lines.
    pub more: &'a str,
    /// How a user's groups are told.
    pub groups: &'a str,
}

impl Group<'_> {
    pub(crate) const fn of_names() -> Self {
        Group {
            class: "groupOfNames",
            members: "{scim: members.value, target: member, reference: {to: [User, Group], by: dn, placeholder: \"cn=nobody,dc=example,dc=com\"}}",
            more: "",
            groups: "{scim: groups, inverse: Group.members}",
        }
    }
}

/// The rule of a tenant at `/t`.
pub(crate) fn rule(way: &Way<'_>, people: &Dn, groups: &Dn, group: &Group<'_>) -> String {
    let Way {
        flavor,
        url,
        bind_dn,
        password_file,
        more,
    } = way;
    let Group {
        class,
        members,
        more: lines,
        groups: shown,
    } = group;
    format!(
        "tenant_url: https://localhost/t
backend:
  ldap:
    urls: [\"{url}\"]
    bind: {{dn: \"{bind_dn}\", password_file: {password_file}}}
    flavor: {flavor}
{more}
resources:
  User:
    entry: {{base: \"{people}\", filter: \"(objectClass=inetOrgPerson)\", create: {{rdn: uid, object_classes: [inetOrgPerson]}}}}
    attributes:
      - {{scim: userName, target: uid, required: true, unique: true}}
      - {{scim: name.familyName, target: sn, required: true}}
      - {{scim: displayName, target: cn, required: true}}
      - {{scim: title, target: title}}
      - {{scim: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value', target: manager, reference: {{to: [User], by: dn}}}}
      - {shown}
    unmapped: drop
  Group:
    entry: {{base: \"{groups}\", filter: \"(objectClass={class})\", create: {{rdn: cn, object_classes: [{class}]}}}}
    attributes:
      - {{scim: displayName, target: cn, required: true, unique: true}}
      - {members}
{lines}
    unmapped: drop
"
    )
}

pub(crate) fn user(name: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": name,
        "name": {"familyName": "Test"},
        "displayName": format!("The {name}"),
    })
}

pub(crate) fn group(name: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": name,
        "members": members,
    })
}

/// The ids in a list of references, in order.
pub(crate) fn values(list: &Value) -> Vec<String> {
    let items = list.as_array().cloned().unwrap_or_default();
    let ids = items.iter().map(|item| item["value"].as_str());
    let mut ids: Vec<String> = ids.map(|id| id.unwrap().to_owned()).collect();
    ids.sort();
    ids
}

pub(crate) fn sorted(ids: &[&str]) -> Vec<String> {
    let mut ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    ids.sort();
    ids
}

/// What an answer says, for who wonders.
pub(crate) fn told(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

#[track_caller]
fn made(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", told(answer));
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// The units of people and of groups below another.
pub(crate) async fn units(pool: &Arc<Pool>, unit: &Dn) -> (Dn, Dn) {
    let mut both = Vec::new();
    for name in ["people", "groups"] {
        let dn = unit.child("ou", name).unwrap();
        let write = Write::Add {
            dn: dn.clone(),
            attributes: vec![
                Attribute::one("objectClass", "organizationalUnit"),
                Attribute::one("ou", name),
            ],
        };
        done(pool.write(write, &[], soon()).await.map(|o| o.result));
        both.push(dn);
    }
    let groups = both.pop().unwrap();
    (both.pop().unwrap(), groups)
}
