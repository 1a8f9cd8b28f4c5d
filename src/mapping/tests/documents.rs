//! POST and PUT.

use serde_json::{Value, json};

use super::support::*;
use crate::mapping::{Encoded, Event, MappingError, Witness};
use crate::scim::ScimType;
use crate::scim::operation::{Document, Verb};

fn barbara() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
        "userName": "bjensen",
        "externalId": "x-1",
        "name": {"familyName": "Jensen", "givenName": "Barbara"},
        "emails": [{"value": "b@example.com", "type": "work", "primary": true}],
        "phoneNumbers": [{"value": "+1", "type": "work"}, {"value": "+2", "type": "mobile"}],
        "title": "Guide",
        "active": true,
        (ENTERPRISE): {"department": "Tours", "employeeNumber": "701", "manager": {"value": "3"}}
    })
}

fn record() -> Value {
    json!({
        "login": "bjensen", "surname": "Jensen", "given": "Barbara",
        "full_name": "Barbara Jensen", "mail": "b@example.com", "phone_office": "+1",
        "phone_mobile": "+2", "title": "Guide", "ext_ref": "x-1", "status": "staff",
        "dept": "Tours", "emp_no": "701", "boss": "3"
    })
}

#[test]
fn a_user_becomes_a_flat_record_and_comes_back_whole() {
    let plan = legacy();
    let put = created(&plan, barbara()).unwrap();
    assert_eq!(put, record());
    let mut kept = put;
    kept["no"] = json!(7);
    let back = seen(&plan, kept);
    let mut wanted = barbara();
    wanted[ENTERPRISE]["manager"]["$ref"] =
        json!("https://scim.example.com/legacy/scim/v2/Users/3");
    assert_eq!(bare(back.clone()), bare(wanted));
    assert_eq!(back["id"], "7");
    assert_eq!(back["schemas"], barbara()["schemas"]);
    assert_eq!(
        back["meta"],
        json!({
            "resourceType": "User",
            "location": "https://scim.example.com/legacy/scim/v2/Users/7"
        })
    );
}

#[test]
fn read_only_nulls_and_empties_are_passed_over_under_every_policy() {
    for policy in ["drop", "reject", "pass"] {
        let plan = users("{scim: title, target: t}", policy);
        let document = json!({
            "userName": "a", "id": "9", "meta": {"version": "x"}, "groups": [{"value": "g"}],
            "schemas": ["urn:unknown"], "title": null, "roles": [], "nickName": null
        });
        let put = created(&plan, document).unwrap();
        assert_eq!(bare(put), json!({"login": "a"}), "{policy}");
    }
}

#[test]
fn what_no_line_maps_is_dropped_refused_or_passed() {
    let document =
        json!({"userName": "a", "nickName": "b", "name": {"givenName": "c", "formatted": "d"}});
    let lines = "{scim: name.givenName, target: given}";
    let put = created(&users(lines, "drop"), document.clone()).unwrap();
    assert_eq!(bare(put), json!({"login": "a", "given": "c"}));

    let put = created(&users(lines, "pass"), document.clone()).unwrap();
    let wanted = json!({"login": "a", "given": "c", "nickName": "b", "name": {"formatted": "d"}});
    assert_eq!(bare(put), wanted);

    let refused = created(&users(lines, "reject"), document).unwrap_err();
    let MappingError::Refused(kind, text) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(kind, ScimType::InvalidValue);
    assert!(text.contains("`nickName`"), "{text}");
}

#[test]
fn drops_are_reported_in_the_clients_words() {
    #[derive(Default)]
    struct Seen(Vec<String>);
    impl Witness for Seen {
        fn saw(&mut self, event: Event<'_>) {
            if let Event::Dropped { attribute, inbound } = event {
                self.0.push(format!("{attribute} {inbound}"));
            }
        }
    }
    let plan = users(
        "{scim: 'emails[type eq \"work\"].value', target: mail}",
        "drop",
    );
    let document = json!({
        "userName": "a", "nickName": "b", "name": {"givenName": "c"},
        "emails": [{"type": "work", "value": "w", "display": "x"}, {"type": "home", "value": "h"}]
    });
    let verb = Verb::Create(Document::Tree(resource(document)));
    let mut seen = Seen::default();
    plan.encode_operation(operation(verb), (&scope(), None), FULL, None, &mut seen)
        .unwrap();
    seen.0.sort();
    assert_eq!(
        seen.0,
        [
            "emails true",
            "emails.display true",
            "name true",
            "nickName true"
        ]
    );
}

#[test]
fn a_clients_attribute_never_lands_on_a_name_that_means_something_else() {
    // `login` is the target of userName, `pwd` that of the password.
    let lines = "{scim: password, target: pwd}";
    let document = json!({"userName": "a", "login": "root", "pwd": "x", "other": 1});
    let put = created(&users(lines, "pass"), document.clone()).unwrap();
    assert_eq!(bare(put), json!({"login": "a", "other": 1}));
    assert!(created(&users(lines, "reject"), document).is_err());
}

#[test]
fn what_is_required_must_be_there() {
    let plan = legacy();
    for document in [
        json!({"title": "x"}),
        json!({"userName": ""}),
        json!({"userName": null}),
        json!({"userName": {"$ref": "../Users/2"}}),
    ] {
        let error = created(&plan, document).unwrap_err();
        let MappingError::Refused(ScimType::InvalidValue, text) = error else {
            panic!("{error:?}")
        };
        assert!(text.contains("`userName`"), "{text}");
    }
}

#[test]
fn values_that_do_not_fit_are_refused_by_name_without_being_repeated() {
    let plan = users(
        "{scim: userType, target: kind, values: {Employee: e, Intern: i}, otherwise: omit}
         {scim: title, target: t}
         {scim: nickName, target: nick, suffix: \"@corp\"}",
        "drop",
    );
    for (document, wanted) in [
        (
            json!({"userName": "a", "userType": "Bob"}),
            "`userType` must be one of \"Employee\", \"Intern\"",
        ),
        (
            json!({"userName": "a", "title": 5}),
            "`title` must be a string",
        ),
        (
            json!({"userName": "a", "nickName": "x@else"}),
            "`nickName` must end with `@corp`",
        ),
    ] {
        let error = created(&plan, document).unwrap_err();
        let refused = MappingError::Refused(ScimType::InvalidValue, wanted.to_owned());
        assert_eq!(error, refused);
    }
}

#[test]
fn numbers_unicode_and_escapes_pass_unchanged() {
    let plan = users("{scim: title, target: t}", "pass");
    let text = r#"{"userName":"a\u0000\"\\é😀","n":[1.10,-0,3213e32,18446744073709551616,0.1000000000000000000000000000000000000001]}"#;
    let document: Value = serde_json::from_str(text).unwrap();
    let put = created(&plan, document.clone()).unwrap();
    assert_eq!(put["n"].to_string(), document["n"].to_string());
    assert_eq!(put["login"], document["userName"]);
    let mut kept = put;
    kept["id"] = json!("1");
    assert_eq!(bare(seen(&plan, kept)), bare(document));
}

#[test]
fn several_lines_make_one_element() {
    let plan = users(
        "{scim: 'addresses[type eq \"work\"].locality', target: city}
         {scim: 'addresses[type eq \"work\"].country', target: land}
         {scim: 'addresses[type eq \"home\"].locality', target: home_city}",
        "reject",
    );
    let document = json!({"userName": "a", "addresses": [
        {"type": "work", "locality": "Bern", "country": "CH"},
        {"type": "home", "locality": "Thun"}]});
    let mut put = created(&plan, document.clone()).unwrap();
    assert_eq!(
        bare(put.clone()),
        json!({"login": "a", "city": "Bern", "land": "CH", "home_city": "Thun"})
    );
    put["id"] = json!("1");
    let back = bare(seen(&plan, put));
    assert!(crate::scim::value::same(&back, &document), "{back}");
    // What is known of one element only is unknown of the other.
    let more = json!({"userName": "a", "addresses": [{"type": "home", "country": "CH"}]});
    assert!(created(&plan, more).is_err());
}

#[test]
fn an_array_of_plain_values_is_a_list_of_elements() {
    let plan = users(
        "{scim: 'phoneNumbers[type eq \"work\"].value', target: office}
         {scim: phoneNumbers.value, target: phones, rest: true, element: {type: other}}
         {scim: 'emails[type eq \"work\"].value', target: mails, many: true}",
        "drop",
    );
    let document = json!({"userName": "a",
        "phoneNumbers": [{"value": "1", "type": "work"}, {"value": "2"}, {"value": "3", "type": "other"}, {"value": "2"}],
        "emails": [{"value": "x", "type": "work"}, {"value": "h", "type": "home"}, {"value": "y", "type": "work"}]});
    let mut put = created(&plan, document).unwrap();
    assert_eq!(
        bare(put.clone()),
        json!({"login": "a", "office": "1", "phones": ["2", "3"], "mails": ["x", "y"]})
    );
    put["id"] = json!("1");
    assert_eq!(
        bare(seen(&plan, put)),
        json!({"userName": "a",
            "phoneNumbers": [{"value": "1", "type": "work"}, {"value": "2", "type": "other"}, {"value": "3", "type": "other"}],
            "emails": [{"value": "x", "type": "work"}, {"value": "y", "type": "work"}]})
    );
}

#[test]
fn a_put_clears_what_it_maps_and_leaves_alone_what_it_cannot_see() {
    let plan = users(
        "{scim: title, target: t}
         {scim: nickName, target: n}
         {scim: password, target: pwd}
         {scim: displayName, target: d, direction: create}
         {scim: userType, target: kind, values: {a: x}, otherwise: omit}
         {scim: active, target: status, values: {\"true\": staff, \"false\": leaver}, otherwise: \"true\"}",
        "drop",
    );
    let before = json!({"id": "1", "login": "a", "t": "old", "n": "nick", "pwd": "hash", "d": "D",
        "kind": "unknown", "status": "sabbatical", "note": "keep", "meta": {"version": "7"}});
    let document =
        json!({"userName": "a", "nickName": "new", "displayName": "other", "active": true});
    let put = replaced(&plan, before.clone(), document).unwrap();
    assert_eq!(
        bare(put),
        json!({"login": "a", "n": "new", "pwd": "hash", "d": "D",
        "kind": "unknown", "status": "sabbatical", "note": "keep"})
    );
    // Changed in the client's words, so the directory's own value goes.
    let document = json!({"userName": "a", "active": false, "password": "p"});
    let put = replaced(&plan, before, document).unwrap();
    assert_eq!(
        (&put["status"], &put["pwd"]),
        (&json!("leaver"), &json!("p"))
    );
}

#[test]
fn a_put_that_changes_nothing_is_not_sent() {
    let plan = legacy();
    let mut before = record();
    before["no"] = json!(7);
    before["note"] = json!("x");
    let verb = Verb::Replace("7".parse().unwrap(), Document::Tree(resource(barbara())));
    let (encoded, _) = encode(&plan, operation(verb), PLAIN, Some(before)).unwrap();
    assert!(matches!(encoded, Encoded::Unchanged(_)), "{encoded:?}");
}

#[test]
fn under_pass_a_put_over_the_present_resource_clears_what_the_client_left_out() {
    let plan = users(
        "{scim: name.givenName, target: person.first}
         {scim: title, target: t, direction: create}",
        "pass",
    );
    let before = json!({"id": "1", "login": "a", "person": {"first": "x", "last": "y"}, "t": "T", "note": "z", "other": 1});
    let document = json!({"userName": "a", "name": {"givenName": "x"}, "other": 2});
    let put = replaced(&plan, before, document).unwrap();
    assert_eq!(
        bare(put),
        json!({"login": "a", "person": {"first": "x"}, "t": "T", "other": 2})
    );
}

#[test]
fn under_pass_the_parts_that_no_line_maps_come_and_go_beside_those_that_are_mapped() {
    let plan = users(
        "{scim: name.familyName, target: surname}
         {scim: 'emails[type eq \"work\"].value', target: mail}
         {scim: nickName, target: 'contacts[kind eq \"nick\"].text'}",
        "pass",
    );
    let document = json!({
        "userName": "a",
        "name": {"familyName": "F", "middleName": "M"},
        "emails": [{"value": "w", "type": "work"}, {"type": "home", "value": "h"}],
        "nickName": "n",
        "contacts": [{"kind": "pager", "text": "p"}],
    });
    let put = created(&plan, document.clone()).unwrap();
    assert_eq!(
        bare(put.clone()),
        json!({
            "login": "a",
            "surname": "F",
            "mail": "w",
            "name": {"middleName": "M"},
            "emails": [{"type": "home", "value": "h"}],
            "contacts": [{"text": "n", "kind": "nick"}, {"kind": "pager", "text": "p"}],
        })
    );
    let mut record = put;
    record["id"] = json!("1");
    assert_eq!(bare(seen(&plan, record.clone())), document);
    // What was read is put back without a loss, and what is left out is cleared.
    assert_eq!(replaced(&plan, record.clone(), document).unwrap(), record);
    let put = replaced(&plan, record, json!({"userName": "a"})).unwrap();
    assert_eq!(bare(put), json!({"login": "a"}));
}

#[test]
fn under_pass_a_put_keeps_what_the_client_cannot_see() {
    // `title` means something else to the directory, and passwords are never shown.
    let plan = users(
        "{scim: title, target: job}
         {scim: name.familyName, target: surname}",
        "pass",
    );
    let hidden = json!({"title": "Dr", "name": {"familyName": "old"}, "userPassword": "hash"});
    let mut before = hidden.clone();
    before["id"] = json!("1");
    before["login"] = json!("a");
    before["note"] = json!("seen");
    let put = replaced(&plan, before.clone(), json!({"userName": "b"})).unwrap();
    let mut wanted = hidden;
    wanted["login"] = json!("b");
    assert_eq!(bare(put), wanted);
    // A new one takes its place, in any case of the name.
    let put = replaced(
        &plan,
        before,
        json!({"userName": "b", "USERPASSWORD": "new"}),
    )
    .unwrap();
    assert_eq!(put.get("userPassword"), None);
    assert_eq!(put["USERPASSWORD"], "new");
}

#[test]
fn a_default_stands_for_nothing() {
    let plan = users("{scim: title, target: t, default: \"-\"}", "drop");
    let put = created(&plan, json!({"userName": "a"})).unwrap();
    assert_eq!(put["t"], "-");
    assert_eq!(
        bare(seen(&plan, json!({"id": "1", "login": "a", "t": "-"}))),
        json!({"userName": "a"})
    );
    let put = replaced(
        &plan,
        json!({"id": "1", "login": "a", "t": "x"}),
        json!({"userName": "a"}),
    )
    .unwrap();
    assert_eq!(put["t"], "-");
    assert!(created(&plan, json!({"userName": "a", "title": "-"})).is_err());
}

#[test]
fn constants_are_written_or_read() {
    let plan = users(
        "{target: source, constant: scim}\n{scim: userType, constant: Employee}",
        "reject",
    );
    let put = created(&plan, json!({"userName": "a", "userType": "Intern"})).unwrap();
    assert_eq!(bare(put), json!({"login": "a", "source": "scim"}));
    let back = seen(&plan, json!({"id": "1", "login": "a", "source": "hr"}));
    assert_eq!(bare(back), json!({"userName": "a", "userType": "Employee"}));
}

#[test]
fn documents_carry_the_schemas_of_the_directory() {
    let lines = format!("{{scim: '{ENTERPRISE}:department', target: 'urn:legacy:Person:dept'}}");
    let text = rule(
        &format!("{{scim: userName, target: login}}\n{lines}"),
        "drop",
    )
    .replace(
        "    attributes:",
        "    entry: {schemas: [\"urn:legacy:Base\", \"urn:legacy:Person\"]}\n    attributes:",
    );
    let put = created(
        &plan(&text),
        json!({"userName": "a", (ENTERPRISE): {"department": "d"}}),
    )
    .unwrap();
    let wanted = json!({"schemas": ["urn:legacy:Base", "urn:legacy:Person"], "login": "a",
        "urn:legacy:Person": {"dept": "d"}});
    assert_eq!(put, wanted);
}

#[test]
fn nothing_breaks_a_document_of_odd_shapes() {
    let plan = legacy();
    for odd in [
        json!(1),
        json!("x"),
        json!([]),
        json!([1, null, {}]),
        json!({"value": []}),
        json!(true),
    ] {
        for name in [
            "name",
            "emails",
            "active",
            "externalId",
            ENTERPRISE,
            "phoneNumbers",
            "title",
        ] {
            let _ = created(&plan, json!({"userName": "a", name: odd.clone()}));
        }
        for name in ["login", "surname", "mail", "status", "boss"] {
            let _ = seen(&plan, json!({"no": 1, name: odd.clone()}));
        }
    }
}

#[test]
fn a_document_of_very_many_names_costs_no_more_than_its_size() {
    let plan = users("{scim: name.givenName, target: given}", "pass");
    let many = |n: usize| -> serde_json::Map<String, Value> {
        (0..n).map(|i| (format!("a{i}"), json!(i))).collect()
    };
    let mut document = many(60_000);
    document.insert("userName".to_owned(), json!("a"));
    document.insert("name".to_owned(), Value::Object(many(60_000)));
    let start = std::time::Instant::now();
    let mut put = created(&plan, Value::Object(document)).unwrap();
    put["id"] = json!("1");
    let back = seen(&plan, put.clone());
    replaced(&plan, put, back).unwrap();
    // Quadratic, it would take minutes.
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}
