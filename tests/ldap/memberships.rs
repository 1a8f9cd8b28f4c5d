//! Who knows the groups of somebody. `memberOf` of an overlay that was switched on later tells of
//! some groups and not of others: the rule says whether it is to be believed, and is told when it
//! is wrong.

use postern::directory::ldap::{Pool, driver};
use postern::directory::{Ask, Weight};
use postern::mapping::{Plan, Ruleset};
use postern::yaml::Source;

use crate::front::{Front, Group};
use crate::own::Slapd;
use crate::place::soon;

/// A group of two, of whom one says so.
const HALF: &str = "dn: uid=u1,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: u1
sn: One
cn: One

dn: uid=u2,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: u2
sn: Two
cn: Two
memberOf: cn=old,ou=groups,dc=example,dc=com

dn: cn=old,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: old
member: uid=u1,ou=people,dc=example,dc=com
member: uid=u2,ou=people,dc=example,dc=com
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_member_of_is_not_believed_and_is_told() {
    let Some(slapd) = Slapd::filled("memberships", HALF) else {
        return;
    };
    let front = Front::own(&slapd, &slapd.url(), &Group::of_names());
    let group = front.found("Groups", "displayName eq \"old\"").await;
    let [group] = group.as_slice() else {
        panic!("{group:?}")
    };
    let asked = format!("groups.value eq \"{group}\"");
    assert_eq!(front.found("Users", &asked).await.len(), 2);
    let answer = front.client.get("/Users?filter=groups%20pr").await;
    answer.expect_error(400, Some("invalidFilter"));

    for (memberships, told) in [("directory", true), ("postern", false)] {
        let findings = findings(&slapd, memberships).await;
        let about = |text: &&String| text.contains("memberOf");
        assert_eq!(
            findings.iter().any(|text| about(&text)),
            told,
            "{findings:?}"
        );
    }
}

/// The warnings of a look at the directory.
async fn findings(slapd: &Slapd, memberships: &str) -> Vec<String> {
    let rule = include_str!("../../rules/openldap.yaml");
    let rule = rule.replace(
        "    memberships: directory",
        &format!("    memberships: {memberships}"),
    );
    let (rules, _) = Ruleset::read(&Source::new("rules/x.yaml", rule.as_str())).unwrap();
    let (plan, _) = Plan::compile(&rules).unwrap();
    let pool = Pool::open(slapd.config(), None).unwrap();
    let directory = driver(pool, plan.layout().unwrap());
    let ask = Ask {
        deadline: soon(),
        request_id: "test".into(),
        traceparent: None,
    };
    directory.examine(&ask).await.unwrap();
    let findings = directory.findings().unwrap();
    let warnings = findings.iter().filter(|one| one.weight == Weight::Warning);
    warnings.map(|one| one.message.clone()).collect()
}
