//! A rule with many mistakes against a small schema, and one that fits.

use super::super::super::home::Homes;
use super::*;
use crate::directory::Weight;
use crate::directory::ldap::{Attribute as Values, Entry};
use crate::mapping::Plan;
use crate::mapping::ruleset::Ruleset;
use crate::yaml::Source;

const TYPES: &[&str] = &[
    "( 1 NAME 'objectClass' EQUALITY objectIdentifierMatch )",
    "( 2 NAME 'entryUUID' EQUALITY UUIDMatch ORDERING UUIDOrderingMatch SINGLE-VALUE NO-USER-MODIFICATION USAGE directoryOperation )",
    "( 3 NAME ( 'uid' 'userid' ) EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch )",
    "( 4 NAME 'sn' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch )",
    "( 5 NAME 'cn' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch )",
    "( 6 NAME 'title' EQUALITY caseIgnoreMatch )",
    "( 7 NAME 'nickname' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )",
    "( 8 NAME 'mail' EQUALITY caseIgnoreIA5Match SUBSTR caseIgnoreIA5SubstringsMatch SINGLE-VALUE )",
    "( 9 NAME 'stamp' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch NO-USER-MODIFICATION USAGE directoryOperation )",
    "( 10 NAME 'uidNumber' EQUALITY integerMatch ORDERING integerOrderingMatch )",
    "( 11 NAME 'userPassword' )",
];
const CLASSES: &[&str] = &[
    "( 100 NAME 'top' ABSTRACT MUST objectClass )",
    "( 101 NAME 'person' SUP top STRUCTURAL MUST ( sn $ cn ) MAY ( title $ userPassword ) )",
    "( 102 NAME 'inetOrgPerson' SUP person STRUCTURAL MAY ( uid $ mail $ nickname ) )",
    "( 103 NAME 'device' SUP top STRUCTURAL MUST cn )",
    "( 104 NAME 'posixAccount' SUP top AUXILIARY MUST uidNumber )",
    "( 105 NAME 'naked' SUP top ABSTRACT )",
];

fn schema() -> Schema {
    Schema::of(&Entry {
        dn: "cn=Subschema".into(),
        attributes: vec![
            Values::many("attributeTypes", TYPES.iter().copied()),
            Values::many("objectClasses", CLASSES.iter().copied()),
        ],
    })
}

/// What is found of a rule with these object classes and these lines.
fn found(flavor: &str, classes: &str, lines: &[&str]) -> Vec<String> {
    found_by(flavor, "(objectClass=person)", classes, lines)
}

fn found_by(flavor: &str, filter: &str, classes: &str, lines: &[&str]) -> Vec<String> {
    let lines: String = lines
        .iter()
        .map(|line| format!("      - {line}\n"))
        .collect();
    let rule = format!(
        "tenant_url: https://scim.example.com/c
backend:
  ldap:
    urls: [\"ldaps://a\"]
    bind: {{dn: \"cn=a\", password_file: b}}
    flavor: {flavor}
resources:
  User:
    entry:
      base: \"dc=x\"
      filter: \"{filter}\"
      create: {{rdn: uid, object_classes: [{classes}]}}
    attributes:
      - {{scim: userName, target: uid, required: true}}
{lines}    unmapped: drop
"
    );
    let (rule, _) = Ruleset::read(&Source::new("rule.yaml", rule.as_str())).unwrap();
    let (plan, _) = Plan::compile(&rule).unwrap();
    let homes = Homes::of(plan.layout().unwrap(), None);
    let mut found = Vec::new();
    for home in homes.all() {
        compare(home, &schema(), &mut found);
    }
    let words = |one: Finding| {
        let weight = match one.weight {
            Weight::Warning => "",
            Weight::Note => "note ",
        };
        format!("{weight}{} {}: {}", one.line, one.word, one.message)
    };
    found.into_iter().map(words).collect()
}

const SN: &str = "{scim: name.familyName, target: sn}";
const CN: &str = "{scim: displayName, target: cn}";

#[test]
fn a_rule_that_fits_is_told_of_order_alone() {
    let password = "{scim: password, target: userPassword, password: extended}";
    let told = found("openldap", "inetOrgPerson", &[SN, CN, password]);
    assert_eq!(
        told,
        [
            "note 10 base: the schema gives no order to `uid`, `sn`, `cn`: filters with `gt`, `ge`, \
          `lt` and `le` on these are refused with 400"
        ]
    );
}

#[test]
fn every_mistake_has_its_line_and_word() {
    let lines = [
        SN,
        "{scim: title, target: title}",
        "{scim: nickName, target: nickname}",
        "{scim: emails.value, target: mail, many: true}",
        "{scim: externalId, target: stamp}",
        "{scim: userType, target: noSuchThing}",
        "{scim: locale, target: uidNumber, needs_class: device}",
    ];
    let told = found("openldap", "inetOrgPerson, device, naked, nothing", &lines);
    insta::assert_snapshot!(told.join("\n"));
    let told = found("openldap", "inetOrgPerson", &[SN]);
    assert_eq!(
        told[1],
        "10 object_classes: entries of these object classes must have `cn`, and no line writes it"
    );
    let told = found("openldap", "posixAccount", &[SN, CN]);
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn active_directory_is_not_asked_what_it_does_not_tell() {
    let told = found(
        "active-directory",
        "inetOrgPerson",
        &[
            SN,
            "{scim: nickName, target: nickname}",
            "{scim: locale, target: uidNumber}",
        ],
    );
    let id = "10 id: the directory's schema has no attribute `objectGUID`, which holds the id";
    assert_eq!(told, [id]);
}

#[test]
fn a_filter_that_nobody_can_satisfy_is_told() {
    let asked = |filter: &str| {
        let told = found_by("openldap", filter, "inetOrgPerson", &[SN, CN]);
        told.into_iter()
            .filter(|one| one.starts_with("10 filter"))
            .collect::<Vec<_>>()
    };
    assert_eq!(asked("(&(objectClass=person)(!(2.5.4.3=x)))"), [""; 0]);
    assert_eq!(
        asked("(&(objectClass=persn)(!(objectKlass=2.5.6.6)))"),
        [
            "10 filter: the directory's schema has no attribute `objectKlass`, which `filter` asks about",
            "10 filter: the directory's schema has no object class `persn`, which `filter` asks about",
        ]
    );
}

#[test]
fn who_misses_the_policy_is_told_what_brings_it() {
    assert_eq!(
        origin("pwdAccountLockedTime"),
        "load the `ppolicy` overlay, which brings it; or correct the name"
    );
    assert_eq!(
        origin("title"),
        "correct the name, or load the schema that defines it"
    );
}
