//! Filters, sorting and projections.

use super::support::*;
use crate::scim::operation::{Projection, Verb};
use crate::scim::parse;
use crate::scim::query::Query;

fn check(plan: &crate::mapping::Plan, cases: &[(&str, &str)]) {
    for (asked, wanted) in cases {
        let got = match filtered(plan, asked) {
            Ok(Some(filter)) => filter,
            Ok(None) => "nothing".to_owned(),
            Err(text) => format!("no: {text}"),
        };
        if let Some(part) = wanted.strip_prefix("no: ") {
            assert!(
                got.starts_with("no: ") && got.contains(part),
                "{asked}: {got}"
            );
        } else {
            assert_eq!(got, *wanted, "{asked}");
        }
    }
}

#[test]
fn filters_of_clients_become_filters_of_the_directory() {
    let manager = format!("{ENTERPRISE}:manager");
    let by_manager = format!("id eq \"7\" and {manager} eq \"3\"");
    check(
        &legacy(),
        &[
            (r#"userName eq "a""#, r#"login eq "a""#),
            (r#"userName ne "a""#, r#"not (login eq "a")"#),
            (
                r#"externalId eq "x" and title pr"#,
                r#"ext_ref eq "x" and title pr"#,
            ),
            (
                r#"name.givenName sw "A" or name.familyName co "b""#,
                r#"given sw "A" or surname co "b""#,
            ),
            ("name pr", "surname pr or given pr"),
            (r#"id eq "7""#, r#"no eq "7""#),
            (&by_manager, r#"no eq "7" and boss eq "3""#),
            (r#"emails[type eq "work"].value eq "m""#, r#"mail eq "m""#),
            (
                r#"emails[type eq "work" and value co "@x"]"#,
                r#"mail co "@x""#,
            ),
            (r#"emails[type eq "home"]"#, "nothing"),
            (r#"emails[type eq "work"]"#, "mail pr"),
            (r#"emails eq "m""#, r#"mail eq "m""#),
            ("emails.primary eq true", "mail pr"),
            (
                r#"phoneNumbers.value co "1""#,
                r#"phone_office co "1" or phone_mobile co "1""#,
            ),
            (r#"phoneNumbers.type eq "mobile""#, "phone_mobile pr"),
            (
                r#"phoneNumbers[not (value eq "1") and type eq "work"]"#,
                r#"phone_office pr and not (phone_office eq "1")"#,
            ),
            (
                r#"active eq true"#,
                r#"status pr and not (status eq "leaver")"#,
            ),
            (r#"active eq false"#, r#"status eq "leaver""#),
            (
                r#"active ne true"#,
                r#"not (status pr and not (status eq "leaver"))"#,
            ),
            (r#"title eq null"#, "not (title pr)"),
            (
                r#"meta.lastModified gt "2020-01-01T00:00:00Z""#,
                r#"changed gt "2020-01-01T00:00:00Z""#,
            ),
            (r#"meta.resourceType eq "User""#, "all"),
            (
                r#"schemas eq "urn:ietf:params:scim:schemas:core:2.0:User""#,
                "all",
            ),
            (r#"nickName eq "a""#, "no: `nickName`"),
            (r#"emails.display eq "a""#, "no: `emails.display`"),
            (r#"userName eq "a" or nickName eq "b""#, "no: `nickName`"),
            (r#"password eq "a""#, "no: secret"),
            (r#"name eq "a""#, "no: name one of them"),
        ],
    );
}

#[test]
fn values_outside_a_mapping_equal_nothing() {
    let plan = users(
        "{scim: userType, target: kind, values: {Employee: e, Intern: i, Guest: [g, v]}, otherwise: omit}
         {scim: nickName, target: nick, suffix: \"@corp\"}
         {scim: displayName, target: shown, prefix: \"Dr. \"}
         {scim: title, target: t, default: \"-\"}
         {scim: locale, target: lang, as: number}",
        "drop",
    );
    check(
        &plan,
        &[
            (r#"userType eq "Boss""#, "nothing"),
            (r#"userType ne "Boss""#, "all"),
            (r#"userType eq "guest""#, r#"kind eq "g" or kind eq "v""#),
            (
                r#"userType co "e""#,
                r#"kind eq "e" or kind eq "i" or kind eq "g" or kind eq "v""#,
            ),
            (
                "userType pr",
                r#"kind eq "e" or kind eq "i" or kind eq "g" or kind eq "v""#,
            ),
            (r#"userType eq "Boss" and nickName pr"#, "nothing"),
            (r#"nickName eq "x@corp""#, r#"nick eq "x""#),
            (r#"nickName eq "x@else""#, "nothing"),
            (r#"nickName ne "x@else""#, "all"),
            (r#"nickName sw "x@c""#, r#"nick sw "x@c" or nick eq "x""#),
            (r#"nickName ew "orp""#, "nick pr"),
            (r#"nickName ew "x@corp""#, r#"nick ew "x""#),
            (r#"nickName co "x@""#, r#"nick co "x@" or nick ew "x""#),
            (r#"nickName gt "a""#, "no: `gt`"),
            (r#"displayName sw "Dr""#, "shown pr"),
            (r#"displayName sw "Dr. A""#, r#"shown sw "A""#),
            (r#"displayName sw "A""#, "nothing"),
            (r#"title sw "x""#, r#"t sw "x""#),
            ("title pr", r#"t pr and not (t eq "-")"#),
            (r#"title eq "-""#, "nothing"),
            (r#"locale eq "41""#, "lang eq 41"),
            (r#"locale eq "041""#, "nothing"),
            (r#"locale sw "4""#, "no: number"),
            (r#"userName eq 5"#, "nothing"),
        ],
    );
}

#[test]
fn what_passes_is_asked_as_it_is_and_a_hidden_name_is_not() {
    let plan = users(
        "{scim: 'emails[type eq \"work\"].value', target: mail}\n{scim: name, target: person}",
        "pass",
    );
    check(
        &plan,
        &[
            (r#"nickName eq "a""#, r#"nickName eq "a""#),
            (r#"login eq "a""#, "no: `login`"),
            (r#"name.givenName eq "a""#, r#"person.givenName eq "a""#),
            (
                r#"emails.value eq "a""#,
                r#"mail eq "a" or emails.value eq "a""#,
            ),
            (
                r#"emails[type eq "home" and value eq "a"]"#,
                r#"emails[type eq "home" and value eq "a"]"#,
            ),
        ],
    );
}

#[test]
fn targets_may_be_elements_too() {
    let plan = users(
        "{scim: 'emails[type eq \"work\"].value', target: 'contacts[kind eq \"mail\"].at'}",
        "drop",
    );
    check(
        &plan,
        &[
            (
                r#"emails.value eq "a""#,
                r#"contacts[kind eq "mail" and at eq "a"]"#,
            ),
            ("emails pr", r#"contacts[kind eq "mail" and at pr]"#),
        ],
    );
}

fn asked(plan: &crate::mapping::Plan, projection: Projection) -> String {
    let verb = Verb::Read("1".parse().unwrap());
    let (encoded, _) = encode(plan, operation(verb).projected(projection), FULL, None).unwrap();
    let list = |paths: Vec<crate::scim::AttrPath>| {
        paths
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",")
    };
    match ask(encoded).projection {
        Projection::All => "all".to_owned(),
        Projection::Only(paths) => list(paths),
        Projection::Except(paths) => format!("-{}", list(paths)),
    }
}

#[test]
fn projections_name_every_target_that_is_needed() {
    let plan = legacy();
    let paths = |text: &str| parse::selection(text, plan.endpoint("Users").unwrap()).unwrap();
    let only = |text: &str| asked(&plan, Projection::Only(paths(text)));
    assert_eq!(only("userName"), "no,meta,made,changed,login");
    assert_eq!(only("name"), "no,meta,made,changed,surname,given");
    assert_eq!(
        only("name.givenName,emails.type"),
        "no,meta,made,changed,given,mail"
    );
    assert_eq!(only(ENTERPRISE), "no,meta,made,changed,dept,emp_no,boss");
    assert_eq!(only("id"), "no,meta,made,changed");
    let except = |text: &str| asked(&plan, Projection::Except(paths(text)));
    assert_eq!(except("title,name.givenName"), "-title,given");
    assert_eq!(except("id"), "all");
    let pass = users(
        "{scim: title, target: t}\n{scim: displayName, target: d, direction: write}",
        "pass",
    );
    let paths = |text: &str| parse::selection(text, pass.endpoint("Users").unwrap()).unwrap();
    assert_eq!(
        asked(&pass, Projection::Only(paths("nickName,login"))),
        "id,meta,nickName"
    );
}

#[test]
fn sorting_goes_through_lines_that_keep_the_order() {
    let plan = users(
        "{scim: nickName, target: n, suffix: \"@x\"}
         {scim: 'emails[type eq \"work\"].value', target: mail}
         {scim: name.givenName, target: given}",
        "drop",
    );
    let sorted = |text: &str| {
        let path = parse::attr_path(text, plan.endpoint("Users").unwrap()).unwrap();
        let query = Query {
            sort_by: Some(path),
            ..Query::default()
        };
        match encode(&plan, operation(Verb::List(query)), FULL, None) {
            Ok((encoded, _)) => match ask(encoded).verb {
                Verb::List(query) => query.sort_by.map(|p| p.to_string()),
                other => panic!("{other:?}"),
            },
            Err(_) => None,
        }
    };
    assert_eq!(sorted("userName").as_deref(), Some("login"));
    assert_eq!(sorted("name.givenName").as_deref(), Some("given"));
    assert_eq!(sorted("emails").as_deref(), Some("mail"));
    assert_eq!(sorted("id").as_deref(), Some("id"));
    assert_eq!(sorted("nickName"), None);
    assert_eq!(sorted("title"), None);
}

#[test]
fn secrets_are_neither_sorted_by_nor_asked_about_inside_elements() {
    let plan = users("", "pass");
    for path in ["password", "userPassword", "name.unicodePwd"] {
        let schema = plan.endpoint("Users").unwrap();
        let query = Query {
            sort_by: Some(parse::attr_path(path, schema).unwrap()),
            ..Query::default()
        };
        let refused = encode(&plan, operation(Verb::List(query)), FULL, None);
        assert!(refused.is_err(), "{path}");
    }
    check(
        &plan,
        &[
            ("emails[password pr]", "no: secret"),
            (
                r#"emails[value eq "a" or not (Password sw "s")]"#,
                "no: secret",
            ),
        ],
    );
}

#[test]
fn what_is_made_here_is_there_for_every_resource() {
    check(
        &legacy(),
        &[
            ("meta pr", "all"),
            ("meta.resourceType pr", "all"),
            ("not (meta.location pr)", "nothing"),
            ("meta.created pr", "made pr"),
            // Every User has the base schema, so there is one that differs.
            (r#"schemas ne "urn:x:y""#, "all"),
            (
                r#"schemas ne "urn:ietf:params:scim:schemas:core:2.0:User""#,
                "dept pr or emp_no pr or boss pr",
            ),
        ],
    );
}

#[test]
fn parts_that_no_line_maps_are_asked_of_the_directory_under_pass() {
    let plan = users("{scim: name.familyName, target: surname}", "pass");
    check(
        &plan,
        &[
            (r#"name.middleName eq "m""#, r#"name.middleName eq "m""#),
            (r#"name.familyName eq "f""#, r#"surname eq "f""#),
            ("name pr", "surname pr or name pr"),
        ],
    );
    let asked = |text: &str| {
        let schema = plan.endpoint("Users").unwrap();
        let paths = vec![parse::attr_path(text, schema).unwrap()];
        let read = operation(Verb::Read("1".parse().unwrap()));
        let read = read.projected(Projection::Only(paths));
        match ask(encode(&plan, read, FULL, None).unwrap().0).projection {
            Projection::Only(paths) => paths.iter().map(ToString::to_string).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(asked("name.middleName"), ["id", "meta", "name.middleName"]);
    assert_eq!(asked("name.familyName"), ["id", "meta", "surname"]);
    assert_eq!(asked("name"), ["id", "meta", "surname", "name"]);
}
