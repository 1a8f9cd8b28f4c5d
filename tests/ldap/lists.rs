//! Lists through the driver: walks page by page while entries come and go, streams, limits.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use postern::directory::ldap::{Dn, LdapConfig, Pool, Write, driver};
use postern::directory::{Ask, Directory, DirectoryError};
use postern::mapping::{Plan, Ruleset};
use postern::scim::filter::{CompareOp, Comparison, Filter};
use postern::scim::operation::{Answer, Following, Listing, Projection, Verb};
use postern::scim::query::Query;
use postern::scim::schema::TypeSchema;
use postern::scim::{AttrPath, Operation, Resource, ScimType, Upstream};
use postern::yaml::Source;

use crate::place::{Kind, Place, done, on_every_server, soon};

on_every_server! {
    a_walk_misses_nobody_who_lives
    a_short_list_is_walked_as_well
    walks_with_other_filters_do_not_disturb_each_other
    cursors_lead_through_all
}

/// The driver over a unit of its own.
pub(crate) struct Directed {
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) unit: Dn,
    plan: Plan,
}

/// A page as it was told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) total: usize,
    pub(crate) ids: Vec<String>,
    pub(crate) streamed: bool,
    pub(crate) following: Option<Following>,
}

impl Directed {
    pub(crate) async fn new(place: &Place, pool: &Arc<Pool>, name: &str) -> Self {
        let unit = place.unit(pool, name).await;
        Self::at(place.kind, pool, unit)
    }

    pub(crate) fn at(kind: Kind, pool: &Arc<Pool>, unit: Dn) -> Self {
        let (flavor, id, class) = match kind {
            Kind::Slapd => ("openldap", "entryUUID", "inetOrgPerson"),
            Kind::Ds389 => ("389ds", "nsUniqueId", "inetOrgPerson"),
            Kind::Samba => ("active-directory", "objectGUID", "contact"),
        };
        let rule = RULE
            .replace("FLAVOR", flavor)
            .replace("UNIT", &unit.to_string())
            .replace("ID", id)
            .replace("CLASS", class);
        let (rules, _) = Ruleset::read(&Source::new("rules/x.yaml", rule.as_str())).unwrap();
        let (plan, _) = Plan::compile(&rules).unwrap();
        Self {
            directory: driver(Arc::clone(pool), plan.layout().unwrap()),
            unit,
            plan,
        }
    }

    pub(crate) fn schema(&self) -> TypeSchema {
        self.plan.types().next().unwrap().clone()
    }

    pub(crate) async fn resources(&self, query: Query) -> Result<Vec<Resource>, DirectoryError> {
        Ok(self.told(query).await?.1)
    }

    pub(crate) async fn list(&self, query: Query) -> Result<Told, DirectoryError> {
        let (told, resources) = self.told(query).await?;
        let id = |resource: &Resource| {
            let map = resource.as_map();
            let names = ["entryUUID", "nsUniqueId", "objectGUID"];
            let id = names.iter().find_map(|name| map.get(*name));
            id.unwrap().as_str().unwrap().to_owned()
        };
        let ids = resources.iter().map(id).collect();
        Ok(Told { ids, ..told })
    }

    async fn told(&self, query: Query) -> Result<(Told, Vec<Resource>), DirectoryError> {
        let operation = Operation::<Upstream>::new("User".parse().unwrap(), Verb::List(query))
            .projected(Projection::All);
        let ask = Ask {
            request_id: "r1".into(),
            traceparent: None,
            deadline: Instant::now() + Duration::from_secs(30),
        };
        let reply = self.directory.execute(operation, &ask).await?;
        let following = reply.following.clone();
        let Answer::List(listing) = reply.answer else {
            panic!("{reply:?}")
        };
        let (total, all, streamed) = match listing {
            Listing::Page {
                total, resources, ..
            } => (total.unwrap(), resources, false),
            Listing::Stream {
                total,
                start,
                mut resources,
            } => {
                let mut all = Vec::new();
                while let Some(resource) = resources.next().await {
                    all.push(resource.unwrap());
                }
                (total.unwrap_or(start - 1 + all.len()), all, true)
            }
            Listing::Bytes(_) => panic!("bytes"),
        };
        let told = Told {
            total,
            ids: Vec::new(),
            streamed,
            following,
        };
        Ok((told, all))
    }

    pub(crate) async fn page(&self, start: usize, count: usize) -> Told {
        let query = Query {
            start_index: Some(start),
            count: Some(count),
            ..Query::default()
        };
        self.list(query).await.unwrap()
    }

    async fn everybody(&self) -> Vec<String> {
        self.list(Query::default()).await.unwrap().ids
    }

    async fn remove(&self, pool: &Arc<Pool>, cn: &str) {
        let dn = self.unit.child("cn", cn.to_owned()).unwrap();
        let outcome = pool.write(Write::Delete { dn }, &[], soon()).await;
        done(outcome.map(|outcome| outcome.result));
    }
}

/// A client that stops at `totalResults`, while entries go and come.
async fn walks(place: &Place, name: &str, people: usize, count: usize, gone: usize) {
    let pool = place.pool();
    let directed = Directed::new(place, &pool, name).await;
    place.people(&pool, &directed.unit, people).await;
    let before = directed.everybody().await;
    assert_eq!(before.len(), people);
    let mut sorted = before.clone();
    sorted.sort();
    assert_eq!(before, sorted);

    let mut walk: Vec<String> = Vec::new();
    let mut pages = 0;
    loop {
        let told = directed.page(walk.len() + 1, count).await;
        walk.extend(told.ids);
        pages += 1;
        if walk.len() >= told.total {
            break;
        }
        // Spread over the whole walk; another walker goes the same way a page later.
        let total_pages = people.div_ceil(count);
        for number in (pages - 1) * gone / total_pages..pages * gone / total_pages {
            directed
                .remove(&pool, &format!("x{}", number * 7 % people))
                .await;
            let write = place.person(&directed.unit, &format!("new{number}"), &[]);
            done(pool.write(write, &[], soon()).await.map(|o| o.result));
        }
    }
    let after: HashSet<String> = directed.everybody().await.into_iter().collect();
    let seen: HashSet<&String> = walk.iter().collect();
    assert_eq!(seen.len(), walk.len(), "somebody was told twice");
    let missed = before
        .iter()
        .filter(|id| after.contains(*id) && !seen.contains(id));
    assert_eq!(missed.count(), 0, "somebody was missed");
    assert!(pages > 2);
    println!(
        "{people} people in {pages} pages, {gone} went and came: {} told",
        walk.len()
    );
}

async fn a_walk_misses_nobody_who_lives(place: Place) {
    // Twenty times as many in the long run.
    let long = std::env::var_os("POSTERN_TEST_LONG").is_some() && place.kind == Kind::Slapd;
    let people = if long { 20_000 } else { 1_000 };
    walks(&place, "walks", people, 100, 50).await;
}

async fn a_short_list_is_walked_as_well(place: Place) {
    walks(&place, "walkshort", 150, 40, 20).await;
}

/// Two walk side by side with filters of their own, and entries go on the way.
async fn walks_with_other_filters_do_not_disturb_each_other(place: Place) {
    let pool = place.pool();
    let directed = Directed::new(&place, &pool, "twofilters").await;
    place.people(&pool, &directed.unit, 500).await;
    let filter = |op, value: &str| {
        Filter::Compare(Comparison {
            path: AttrPath::of("cn".parse().unwrap()),
            op,
            value: value.into(),
        })
    };
    // More than are told at once, so that each has a snapshot; some are in both.
    let filters = [
        Filter::Not(Box::new(filter(CompareOp::Eq, "x7"))),
        Filter::Or(vec![
            filter(CompareOp::Sw, "x1"),
            filter(CompareOp::Sw, "x2"),
            filter(CompareOp::Eq, "x7"),
        ]),
    ];
    let ask = async |filter: &Filter, start: usize, count: usize| {
        let query = Query {
            filter: Some(filter.clone()),
            start_index: Some(start),
            count: Some(count),
            ..Query::default()
        };
        directed.list(query).await.unwrap()
    };
    let mut before = Vec::new();
    for filter in &filters {
        before.push(ask(filter, 1, 1000).await.ids);
    }
    assert_eq!((before[0].len(), before[1].len()), (499, 223));
    let mut walks = [Vec::new(), Vec::new()];
    for round in 0..12 {
        for (walk, filter) in walks.iter_mut().zip(&filters) {
            let told = ask(filter, walk.len() + 1, 45).await;
            walk.extend(told.ids);
        }
        directed
            .remove(&pool, &format!("x{}", 100 + round * 3))
            .await;
    }
    for ((walk, filter), before) in walks.iter().zip(&filters).zip(&before) {
        let alive = ask(filter, 1, 1000).await.ids;
        assert!(
            alive.iter().all(|id| walk.contains(id)),
            "somebody was missed"
        );
        assert!(
            walk.iter().all(|id| before.contains(id)),
            "another's was told"
        );
        let once: HashSet<&String> = walk.iter().collect();
        assert_eq!(once.len(), walk.len());
    }
}

async fn cursors_lead_through_all(place: Place) {
    let pool = place.pool();
    let directed = Directed::new(&place, &pool, "cursors").await;
    for (people, count) in [(30, 7), (450, 120)] {
        let from = if people == 30 { 0 } else { 30 };
        for number in from..people {
            let write = place.person(&directed.unit, &format!("x{number}"), &[]);
            done(pool.write(write, &[], soon()).await.map(|o| o.result));
        }
        let everybody = directed.everybody().await;
        let ask = |cursor: &str| Query {
            cursor: Some(cursor.to_owned()),
            count: Some(count),
            ..Query::default()
        };
        let (mut walk, mut cursor) = (Vec::new(), String::new());
        loop {
            let told = directed.list(ask(&cursor)).await.unwrap();
            assert_eq!(told.total, people);
            walk.extend(told.ids);
            match told.following.unwrap() {
                Following::More(next) => cursor = next,
                Following::Nothing => break,
            }
        }
        assert_eq!(walk, everybody);
        // Made up; what else may be wrong with one is seen by the gateway.
        for query in [ask("x"), ask("\u{1f600}"), ask(&"0".repeat(104))] {
            let error = directed.list(query).await.unwrap_err();
            let DirectoryError::Declined { scim_type, .. } = error else {
                panic!("{error:?}")
            };
            assert_eq!(scim_type, ScimType::InvalidCursor);
        }
        directed.remove(&pool, "x5").await;
        let write = place.person(&directed.unit, "x5", &[]);
        done(pool.write(write, &[], soon()).await.map(|o| o.result));
    }
}

#[tokio::test]
async fn several_walk_at_once_and_others_jump() {
    let Some(place) = Kind::Slapd.place() else {
        return;
    };
    let pool = place.pool();
    let directed = Directed::new(&place, &pool, "walkers").await;
    place.people(&pool, &directed.unit, 500).await;
    let all = directed.everybody().await;
    // One stands in the middle while another begins, and some go.
    let first = directed.page(1, 100).await;
    assert_eq!((first.total, first.streamed), (500, false));
    assert_eq!(first.ids, all[..100]);
    for number in 0..60 {
        directed.remove(&pool, &format!("x{number}")).await;
    }
    let alive = directed.everybody().await;
    let mut second: Vec<String> = Vec::new();
    let mut ours = first.ids;
    for _ in 0..5 {
        let told = directed.page(second.len() + 1, 100).await;
        second.extend(told.ids);
        let told = directed.page(ours.len() + 1, 100).await;
        ours.extend(told.ids);
    }
    for walk in [&ours, &second] {
        assert!(alive.iter().all(|id| walk.contains(id)));
    }
    // Nobody remembers where this one comes from: its place is counted.
    let told = directed.page(138, 5).await;
    assert_eq!(told.ids, alive[137..142]);
    assert_eq!(told.total, 440);
    let told = directed.page(441, 100).await;
    assert_eq!((told.ids.len(), told.total), (0, 440));
    let told = directed.page(9_999_999, 100).await;
    assert_eq!((told.ids.len(), told.total), (0, 440));
    let told = directed.page(usize::MAX, usize::MAX).await;
    assert_eq!((told.ids.len(), told.total), (0, 440));
    let told = directed.page(1, 0).await;
    assert_eq!((told.ids.len(), told.total), (0, 440));
    // A large page comes in parts.
    let told = directed.page(11, 250).await;
    assert_eq!((told.ids.as_slice(), told.total), (&alive[10..260], 440));
    assert!(told.streamed);
    let told = directed.page(261, 250).await;
    assert_eq!((told.ids.as_slice(), told.total), (&alive[260..], 440));
}

#[tokio::test]
async fn a_limit_of_the_server_is_an_error_and_no_short_list() {
    let Some(slapd) = crate::own::Slapd::with("limits", "sizelimit unlimited", "sizelimit 300")
    else {
        return;
    };
    let place = slapd.place();
    let pool = Pool::open(slapd.config(), None).unwrap();
    let directed = Directed::new(&place, &pool, "limits").await;
    place.people(&pool, &directed.unit, 400).await;
    // The administrator has no limits: everyone else has.
    let anyone = Pool::open(LdapConfig::new(vec![slapd.url().parse().unwrap()]), None).unwrap();
    let limited = Directed::at(Kind::Slapd, &anyone, directed.unit.clone());
    for query in [
        Query::default(),
        Query {
            count: Some(10),
            ..Query::default()
        },
        Query {
            count: Some(0),
            ..Query::default()
        },
        Query {
            start_index: Some(201),
            count: Some(100),
            ..Query::default()
        },
    ] {
        let error = limited.list(query.clone()).await.unwrap_err();
        let DirectoryError::Declined { scim_type, why } = error else {
            panic!("{query:?}: {error:?}")
        };
        assert_eq!(scim_type, ScimType::TooMany);
        assert!(why.contains("size limit"));
    }
    assert_eq!(directed.everybody().await.len(), 400);
    let one = Filter::Compare(Comparison {
        path: AttrPath::of("cn".parse().unwrap()),
        op: CompareOp::Eq,
        value: "x7".into(),
    });
    let query = Query {
        filter: Some(one),
        ..Query::default()
    };
    assert_eq!(limited.list(query).await.unwrap().ids.len(), 1);
}

const RULE: &str = r#"
tenant_url: https://localhost/x/scim/v2
backend: {ldap: {urls: [ldaps://localhost], bind: {dn: "cn=x", password_file: x}, flavor: FLAVOR, integrity: directory}}
resources:
  User:
    entry: {base: "UNIT", filter: "(objectClass=CLASS)", id: ID}
    attributes:
      - {scim: userName, target: cn, required: true}
      - {scim: name.familyName, target: sn}
      - {scim: title, target: title}
      - {scim: displayName, target: displayName}
      - {scim: externalId, target: employeeNumber}
      - {scim: 'emails[type eq "work"].value', target: mail}
      - {scim: 'phoneNumbers[type eq "work"].value', target: telephoneNumber}
    unmapped: drop
"#;
