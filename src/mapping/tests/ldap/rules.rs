//! Rules for LDAP directories: what drivers are told, and what is said about mistakes.

use super::*;
use crate::ldap::layout::{By, Container, Disable, Made, OnDelete, Secret, Syntax, Values};
use crate::ldap::{Dn, IdForm};
use crate::mapping::Ruleset;
use crate::mapping::ruleset::{Backend, Bind};

fn dn(text: &str) -> Dn {
    text.parse().unwrap()
}

#[test]
fn the_class_of_every_line_of_the_shipped_rules_is_told() {
    let mut lines = Vec::new();
    for plan in [openldap(), ds389(), active_directory()] {
        for line in plan.lines() {
            let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:";
            let scim = line.scim.replace(urn, "…:");
            let text = format!(
                "{} {} {scim} -> {}: {}",
                line.resource, line.kind, line.target, line.class
            );
            lines.push(text);
        }
        lines.push(String::new());
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_backend_is_read_whole() {
    let rules = |text: &str| Ruleset::read(&source(text)).unwrap().0;
    let rule = rules(include_str!("../../../../rules/389ds.yaml"));
    let Backend::Ldap(ldap) = rule.backend else {
        panic!("over HTTP");
    };
    assert!(ldap.starttls && ldap.keeps_references && !ldap.urls[0].tls);
    assert_eq!(
        (ldap.urls[1].host.as_str(), ldap.urls[1].port),
        ("ds2.example.com", 389)
    );
    assert!(matches!(ldap.bind, Bind::Simple { .. }));
    assert_eq!((ldap.page, ldap.connections), (500, 16));
    let external = include_str!("../../../../rules/openldap.yaml").replace(
        "{dn: \"cn=postern,ou=services,dc=example,dc=com\", password_file: /run/secrets/openldap}",
        "{external: true, client_certificate_file: c.pem, client_key_file: k.pem}",
    );
    let Backend::Ldap(ldap) = rules(&external).backend else {
        panic!("over HTTP");
    };
    assert!(matches!(ldap.bind, Bind::External { .. }) && ldap.urls[0].port == 636);
}

#[test]
fn a_driver_is_told_all_that_it_must_know() {
    let layout = active_directory().layout().unwrap();
    let home = layout.home(&user()).unwrap();
    assert_eq!(home.id_form, IdForm::Guid);
    let create = home.create.as_ref().unwrap();
    assert!(create.rdn.is("cn") && create.on_collision.is_some());
    assert_eq!(create.container, Container::Fixed(home.base.clone()));
    let of = |name: &str| home.attribute(name).unwrap();
    assert_eq!(of("unicodePwd").secret, Some(Secret::Unicode));
    assert_eq!(of("unicodePwd").made, Some(Made::Random(32)));
    assert!(matches!(
        of("SAMACCOUNTNAME").made,
        Some(Made::Candidates(_))
    ));
    assert!(of("userAccountControl").guarded && !of("title").guarded);
    assert_eq!(of("manager").values, Values::One);
    assert_eq!(of("memberOf").values, Values::Many);
    assert_eq!(of("title").syntax, Syntax::Text);
    let OnDelete::Keep { disable, move_to } = &home.on_delete else {
        panic!("removed");
    };
    let bits = Disable::Bits {
        attribute: "userAccountControl".parse().unwrap(),
        mask: 2,
        set: true,
    };
    assert_eq!(disable, &[bits]);
    assert!(
        move_to
            .as_ref()
            .is_some_and(|to| to.is_same(&dn("ou=leavers,dc=corp,dc=example,dc=com")))
    );
    assert!(
        home.revive
            && home
                .display
                .as_ref()
                .is_some_and(|name| name.is("displayName"))
    );

    let layout = ds389().layout().unwrap();
    let home = layout.home(&user()).unwrap();
    let container = &home.create.as_ref().unwrap().container;
    assert!(
        container
            .for_value(Some("Lab"))
            .is_same(&dn("ou=lab,ou=people,dc=example,dc=com"))
    );
    let number = home.attribute("uidNumber").unwrap();
    assert!(
        matches!(&number.made, Some(Made::Allocate { low: 10000, high: 59999, attribute, .. }) if attribute.is("uidNumber"))
    );
    assert_eq!(number.needs_class.as_deref(), Some("posixAccount"));
    assert_eq!(
        home.attribute("userPassword").unwrap().secret,
        Some(Secret::Value)
    );

    let layout = openldap().layout().unwrap();
    let groups = layout.home(&user()).unwrap().attribute("$groups").unwrap();
    let reference = groups.reference.as_ref().unwrap();
    assert_eq!(reference.by, By::Inverse("member".parse().unwrap()));
    let member = layout.types[1]
        .attribute("member")
        .unwrap()
        .reference
        .as_ref()
        .unwrap();
    assert_eq!(member.to.len(), 2);
    assert!(member.placeholder.is_some());
    assert!(legacy().layout().is_none());
}

#[test]
fn secrets_are_never_read_and_attributes_are_asked_by_name() {
    let plan = openldap();
    let entry = json!({"entryUUID": UUID, "uid": "b", "userPassword": "{SSHA}x"});
    assert!(!shown(&plan, "User", entry).to_string().contains("SSHA"));
    let held = plan.endpoint("Users").unwrap();
    let groups = held
        .base
        .attributes
        .iter()
        .find(|a| a.name.is("groups"))
        .unwrap();
    let parts: Vec<_> = groups
        .sub_attributes
        .iter()
        .map(|sub| sub.name.to_string())
        .collect();
    assert_eq!(parts, ["value", "$ref", "display", "type"]);
}

#[test]
fn every_mistake_of_an_ldap_rule_is_told() {
    let text = include_str!("every_mistake.yaml");
    let found = complaints(&compile(text).unwrap_err());
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn mistakes_between_lines_are_told() {
    for (lines, wanted) in [
        ("{scim: name, target: name}", "has parts"),
        ("{scim: title, target: title, as: number}", "is text"),
        ("{scim: title, target: title, bit: 2}", "neither"),
        ("{scim: active, target: a, bit: 3}", "is not one bit"),
        (
            "{scim: active, target: a, bit: 2, default: x}",
            "the number that the others are of",
        ),
        ("{scim: active, target: a, bit: 2, marker: x}", "exclude"),
        ("{scim: active, target: a, marker: x}", "needs `means"),
        (
            "{scim: active, target: a, bit: 2}\n{target: a, constant: 512}",
            "is written by the line",
        ),
        (
            "{scim: active, target: a, bit: 2}\n{scim: 'urn:acme:x:never', target: a, bit: 2}",
            "is written by the line",
        ),
        ("{scim: externalId, target: entryUUID}", "holds the id"),
        ("{target: objectClass, constant: person}", "object classes"),
        (
            "{scim: groups, inverse: Group.members}",
            "has no line for `members`",
        ),
        (
            "{scim: 'emails.value', target: mail, reference: {to: [Grup], by: dn}}",
            "has no type `Grup`",
        ),
        (
            "{scim: title, target: t, suffix: [\"@a\", \"@b\"]}",
            "which of the suffixes",
        ),
        (
            "{scim: title, target: t, suffix: [\"@a\", \"x@a\"], domain: o}",
            "ends like",
        ),
        (
            "{scim: title, target: t, swap: {\"@a\": \"@c\", \"x@a\": \"@d\"}}",
            "ends like",
        ),
        (
            "{scim: title, target: t, reference: {to: [User], by: dn}, prefix: a}",
            "nothing changes it",
        ),
        (
            "{scim: active, target: t, reference: {to: [User], by: dn}}",
            "is not a reference",
        ),
        ("{scim: password, target: unicodePwd}", "over TLS only"),
        ("{target: x, random: 32, from: title}", "exclude"),
        ("{target: x, random: 8}", "from 16 to 128"),
        ("{scim: title, target: x, max: 5}", "`max` means nothing"),
        ("{target: x, from: password}", "secret"),
        (
            "{target: x, allocate: {range: 5-1, counter: \"cn=a\"}}",
            "`range` is none",
        ),
        (
            "{scim: title, target: 't;lang-de'}",
            "is not an attribute of an entry",
        ),
        (
            "{scim: title, target: 'a.b'}",
            "is not an attribute of an entry",
        ),
        (
            "{target: cn, join: [userName, title], direction: read}",
            "only written",
        ),
    ] {
        let lines: String = lines
            .lines()
            .map(|line| format!("      - {line}\n"))
            .collect();
        let text = format!(
            "tenant_url: https://e.com/a\n\
             backend: {{ldap: {{urls: [\"ldap://[::1]:1389\"], bind: {{dn: \"cn=p\", password_file: p}}, flavor: openldap}}}}\n\
             schemas: {{\"urn:acme:x\": {{never: boolean}}}}\n\
             resources:\n  User:\n    extensions: [\"urn:acme:x\"]\n    \
             entry: {{base: \"o=x\", filter: \"(a=b)\"}}\n    attributes:\n      \
             - {{scim: userName, target: uid}}\n{lines}"
        );
        match compile(&text) {
            Ok(_) => panic!("{lines} compiles"),
            Err(found) => {
                let found = complaints(&found);
                assert!(
                    found.iter().any(|text| text.contains(wanted)),
                    "{lines}: {found:?}"
                );
            }
        }
    }
}

#[test]
fn what_a_new_entry_is_named_and_put_by_must_be_written() {
    let shipped = include_str!("../../../../rules/389ds.yaml");
    for (from, to, wanted) in [
        ("rdn: uid", "rdn: employeeId", "no line writes `employeeId`"),
        ("by: departmentNumber", "by: ou", "no line writes `ou`"),
        (
            "rdn: uid",
            "rdn: {from: cn, on_collision: \" ({initials})\"}",
            "no line writes `initials`",
        ),
        // Known when the resource is changed is too late.
        (
            "target: uid, required: true",
            "target: uid, direction: read",
            "no line writes `uid`",
        ),
    ] {
        let found = complaints(&compile(&shipped.replace(from, to)).unwrap_err());
        assert!(found.iter().any(|text| text.contains(wanted)), "{found:?}");
    }
    let keep = shipped.replace(
        "    attributes:\n      - {scim: displayName",
        "    on_delete: {disable: true, move_to: \"ou=gone,dc=example,dc=com\"}\n    attributes:\n      - {scim: displayName",
    );
    let found = complaints(&compile(&keep).unwrap_err());
    assert!(
        found[0].contains("no line says how `active: false`"),
        "{found:?}"
    );
}

#[test]
fn keys_of_ldap_directories_mean_nothing_elsewhere() {
    for line in [
        "{scim: active, target: a, bit: 2}",
        "{target: a, random: 32}",
    ] {
        let text = rule(
            &format!("{{scim: userName, target: login}}\n{line}"),
            "drop",
        );
        let found = complaints(&compile(&text).unwrap_err());
        assert!(
            found
                .iter()
                .any(|text| text.contains("is for LDAP directories")),
            "{found:?}"
        );
    }
}
