//! Answers: single ones, lists as they stream, errors.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_core::Stream;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::*;
use crate::mapping::{MappingError, Plan};
use crate::scim::operation::{Answer, BoxStream, Document, Interrupted, Listing, Projection};
use crate::scim::{Reply, Upstream, parse};

/// Chunks that are there at once.
struct Chunks(std::vec::IntoIter<Result<Bytes, Interrupted>>);

impl Stream for Chunks {
    type Item = Result<Bytes, Interrupted>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next())
    }
}

fn chunks(parts: Vec<Result<Bytes, Interrupted>>) -> BoxStream<Bytes> {
    Box::pin(Chunks(parts.into_iter()))
}

fn collected(mut stream: BoxStream<Bytes>) -> Result<Vec<u8>, Interrupted> {
    let mut all = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match stream.as_mut().poll_next(&mut context) {
            Poll::Ready(Some(part)) => all.extend_from_slice(&part?),
            Poll::Ready(None) => return Ok(all),
            Poll::Pending => panic!("nothing is pending here"),
        }
    }
}

fn listed(
    plan: &Arc<Plan>,
    parts: Vec<Result<Bytes, Interrupted>>,
    cut: Option<(usize, Option<usize>)>,
) -> Result<Value, Interrupted> {
    let reply = Reply::<Upstream>::new(Answer::List(Listing::Bytes(chunks(parts))));
    let mut view = view(Projection::All);
    view.cut = cut;
    let reply = plan.decode(reply, &view, ()).unwrap();
    match reply.answer {
        Answer::List(Listing::Bytes(stream)) => {
            Ok(serde_json::from_slice(&collected(stream)?).unwrap())
        }
        other => panic!("{other:?}"),
    }
}

fn people(n: usize) -> Vec<Value> {
    (0..n)
        .map(|i| json!({"no": i, "login": format!("ü{i}"), "status": "staff", "note": "]}\"{"}))
        .collect()
}

#[test]
fn a_list_becomes_a_finished_list_response() {
    let plan = legacy();
    let text = json!({"totalResults": 40, "startIndex": 11, "Resources": people(2)}).to_string();
    let list = listed(&plan, vec![Ok(text.into())], None).unwrap();
    assert_eq!(
        (
            &list["totalResults"],
            &list["startIndex"],
            &list["itemsPerPage"]
        ),
        (&json!(40), &json!(11), &json!(2))
    );
    assert_eq!(list["Resources"][1]["userName"], "ü1");
    assert_eq!(
        list["Resources"][1]["meta"]["location"],
        "https://scim.example.com/legacy/scim/v2/Users/1"
    );
    let empty = listed(&plan, vec![Ok(r#"{"totalResults": 0}"#.into())], None).unwrap();
    assert_eq!(
        (&empty["totalResults"], &empty["Resources"]),
        (&json!(0), &json!([]))
    );
    let bare = listed(&plan, vec![Ok(json!(people(3)).to_string().into())], None).unwrap();
    assert_eq!(
        (&bare["totalResults"], &bare["startIndex"]),
        (&json!(3), &json!(1))
    );
}

#[test]
fn a_page_is_cut_where_the_directory_does_not_page() {
    let plan = legacy();
    let text = json!({"Resources": people(5)}).to_string();
    let list = listed(&plan, vec![Ok(text.into())], Some((2, Some(2)))).unwrap();
    let names: Vec<_> = list["Resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["userName"].clone())
        .collect();
    assert_eq!(names, ["ü1", "ü2"]);
    assert_eq!(
        (
            &list["totalResults"],
            &list["startIndex"],
            &list["itemsPerPage"]
        ),
        (&json!(5), &json!(2), &json!(2))
    );
}

#[test]
fn a_list_that_breaks_never_ends_well() {
    let plan = legacy();
    let whole = json!({"totalResults": 2, "Resources": people(2)}).to_string();
    let (head, _) = whole.split_at(whole.len() - 9);
    let cases = [
        vec![Ok(Bytes::copy_from_slice(head.as_bytes()))],
        vec![
            Ok(Bytes::copy_from_slice(head.as_bytes())),
            Err(Interrupted::Lost),
        ],
        vec![Ok(
            r#"{"Resources": [{"no": 1, "login": "a", "LOGIN": "b"}]}"#.into(),
        )],
        vec![Ok(r#"{"Resources": [{"login": "a"}]}"#.into())],
        vec![Ok(r#"{"Resources": [5]}"#.into())],
        vec![Ok(r#"{"error": "x"}"#.into())],
        vec![Ok("<html>".into())],
    ];
    for parts in cases {
        let shown = format!("{parts:?}");
        assert!(listed(&plan, parts, None).is_err(), "{shown}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_list_reads_the_same_however_it_is_cut(n in 0usize..12, cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let plan = legacy();
        let people = people(n);
        let text = json!({"schemas": ["x"], "Resources": people, "totalResults": n}).to_string().into_bytes();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len())).collect();
        at.sort_unstable();
        at.push(text.len());
        let mut from = 0;
        let parts = at.iter().map(|to| {
            let part = Bytes::copy_from_slice(&text[from..*to]);
            from = *to;
            Ok(part)
        }).collect();
        let list = listed(&plan, parts, None).unwrap();
        let one_by_one: Vec<Value> = people.into_iter().map(|person| seen(&plan, person)).collect();
        prop_assert_eq!(&list["Resources"], &json!(one_by_one));
        prop_assert_eq!(&list["totalResults"], &json!(n));
    }
}

fn shown(plan: &Arc<Plan>, upstream: Value, paths: &str, only: bool) -> Value {
    let paths = parse::selection(paths, plan.endpoint("Users").unwrap()).unwrap();
    let projection = if only {
        Projection::Only(paths)
    } else {
        Projection::Except(paths)
    };
    let reply = Reply::<Upstream>::new(Answer::Resource(Document::Tree(resource(upstream))));
    match plan.decode(reply, &view(projection), ()).unwrap().answer {
        Answer::Resource(document) => tree(document),
        other => panic!("{other:?}"),
    }
}

#[test]
fn answers_hold_what_was_asked_for_and_what_always_comes() {
    let plan = legacy();
    let person = || json!({"no": 1, "login": "a", "given": "g", "surname": "s", "mail": "m", "dept": "d", "emp_no": "e"});
    let base = "urn:ietf:params:scim:schemas:core:2.0:User";
    assert_eq!(
        shown(&plan, person(), "name.givenName,emails.value", true),
        json!({"schemas": [base, ENTERPRISE], "id": "1", "name": {"givenName": "g"}, "emails": [{"value": "m"}]})
    );
    let path = format!("{ENTERPRISE}:department");
    assert_eq!(
        shown(&plan, person(), &path, true),
        json!({"schemas": [base, ENTERPRISE], "id": "1", (ENTERPRISE): {"department": "d"}})
    );
    let rest = shown(&plan, person(), "name,emails.type,id,schemas,meta", false);
    assert_eq!(
        rest,
        json!({"schemas": [base, ENTERPRISE], "id": "1", "userName": "a",
            "emails": [{"value": "m", "primary": true}], (ENTERPRISE): {"department": "d", "employeeNumber": "e"}})
    );
}

#[test]
fn ids_are_texts_numbers_or_the_end_of_a_uri_and_never_missing() {
    let plan = legacy();
    for (no, wanted) in [
        (json!(7), "7"),
        (json!("a b"), "a b"),
        (json!("/api/v1/localusers/12/"), "12"),
    ] {
        assert_eq!(seen(&plan, json!({"no": no, "login": "a"}))["id"], wanted);
    }
    let location = &seen(&plan, json!({"no": "a b/é?", "login": "a"}))["meta"]["location"];
    assert_eq!(
        location,
        "https://scim.example.com/legacy/scim/v2/Users/%C3%A9%3F"
    );
    let ty = plan.ty(&user()).unwrap();
    for odd in [
        json!({"login": "a"}),
        json!({"no": true}),
        json!({"no": ""}),
        json!({"no": ".."}),
    ] {
        let result = show_as(&plan, ty, odd, &mut ());
        assert!(matches!(result, Err(MappingError::Malformed(_))));
    }
}

#[test]
fn values_that_make_no_sense_are_left_out_and_counted() {
    use crate::mapping::{Event, Witness};
    #[derive(Default)]
    struct Lines(Vec<usize>);
    impl Witness for Lines {
        fn saw(&mut self, event: Event<'_>) {
            if let Event::Undecodable { line } = event {
                self.0.push(line);
            }
        }
    }
    let plan = users(
        "{scim: active, target: on}\n{scim: userType, target: k, values: {a: x}, otherwise: error}\n{scim: title, target: t}",
        "drop",
    );
    let ty = plan.ty(&user()).unwrap();
    let mut lines = Lines::default();
    let record = json!({"id": "1", "login": "a", "on": "perhaps", "k": "z", "t": 5});
    let shown = show_as(&plan, ty, record, &mut lines).unwrap();
    assert_eq!(bare(shown), json!({"userName": "a", "title": "5"}));
    assert_eq!(lines.0, [7, 8]);
}

#[test]
fn secrets_and_names_that_mean_something_else_never_come_through() {
    let plan = users(
        "{scim: displayName, target: shown}\n{scim: nickName, target: token, secret: true}",
        "pass",
    );
    let record = json!({"id": "1", "login": "a", "shown": "s", "userName": "root", "displayName": "fake",
        "token": "t", "nickName": "x", "userPassword": "u", "password": "p", "other": 1,
        (ENTERPRISE): {"unicodePwd": "q", "department": "d"}});
    assert_eq!(
        bare(seen(&plan, record)),
        json!({"userName": "a", "displayName": "s", "other": 1, (ENTERPRISE): {"department": "d"}})
    );
}

#[test]
fn references_point_into_the_tenant_or_nowhere() {
    let text = "tenant_url: https://e.com/a\nbackend: {scim: {url: \"https://d.internal\"}}\n\
        resources:\n  User: {unmapped: pass}\n  Group: {unmapped: pass}\n";
    let plan = plan(text);
    let user = seen(
        &plan,
        json!({"id": "1", "userName": "a",
        "groups": [{"value": "g", "$ref": "https://d.internal/Groups/g"}],
        "photos": [{"value": "https://d.internal/p", "type": "photo"}],
        "odd": {"$ref": "https://d.internal/x"},
        (ENTERPRISE): {"manager": {"value": "9", "$ref": "../Users/9"}}}),
    );
    assert_eq!(user["groups"][0]["$ref"], "https://e.com/a/Groups/g");
    assert_eq!(
        user[ENTERPRISE]["manager"]["$ref"],
        "https://e.com/a/Users/9"
    );
    assert_eq!(user["odd"], json!({}));
    let ty = plan.ty(&"Group".parse().unwrap()).unwrap();
    let group = json!({"id": "g", "members": [
        {"value": "1", "type": "User", "$ref": "https://d.internal/Users/1"},
        {"value": "2", "$ref": "https://d.internal/Users/2"}]});
    let shown = show_as(&plan, ty, group, &mut ()).unwrap();
    assert_eq!(
        shown["members"],
        json!([{"value": "1", "type": "User", "$ref": "https://e.com/a/Users/1"}, {"value": "2"}])
    );
}

#[test]
fn members_of_the_demo_are_users_with_references() {
    let plan = legacy();
    let ty = plan.ty(&"Group".parse().unwrap()).unwrap();
    let team = json!({"no": 6, "team_name": "T", "member_ids": ["1", 2]});
    let shown = show_as(&plan, ty, team, &mut ()).unwrap();
    let url = |id: &str| format!("https://scim.example.com/legacy/scim/v2/Users/{id}");
    assert_eq!(
        shown["members"],
        json!([{"value": "1", "type": "User", "$ref": url("1")}, {"value": "2", "type": "User", "$ref": url("2")}])
    );
}

#[test]
fn versions_become_tags() {
    let plan = legacy();
    let record = json!({"no": 1, "login": "a", "meta": {"version": "W/\"3\"", "location": "https://d.internal/x", "created": 5, "lastModified": "2020-01-01T00:00:00Z"}});
    let reply = Reply::<Upstream>::new(Answer::Created(Document::Tree(resource(record))));
    let reply = plan.decode(reply, &view(Projection::All), ()).unwrap();
    assert_eq!(reply.etag.as_deref(), Some("W/\"3\""));
    let Answer::Created(document) = reply.answer else {
        panic!()
    };
    assert_eq!(
        tree(document)["meta"],
        json!({"resourceType": "User", "lastModified": "2020-01-01T00:00:00Z",
            "location": "https://scim.example.com/legacy/scim/v2/Users/1", "version": "W/\"3\""})
    );
}

#[test]
fn explanations_are_brought_back_only_when_every_name_is_known() {
    let plan = legacy();
    let explain = |text: &str| plan.decode_error(&user(), text);
    assert_eq!(
        explain("login is taken").as_deref(),
        Some("userName is taken")
    );
    assert_eq!(
        explain("The field 'surname' is too long.").as_deref(),
        Some("The field 'name.familyName' is too long.")
    );
    for text in [
        "emp_nr is taken",
        "user 'bob' exists",
        "see http://d.internal/x",
        "code=5",
        "DB01 failed",
        "full_name is odd",
        "",
    ] {
        assert_eq!(explain(text), None, "{text}");
    }
}

#[test]
fn stamps_are_read_from_where_the_directory_keeps_them() {
    let plan = legacy();
    let record = json!({"no": 7, "login": "a", "made": "2026-01-02T03:04:05Z", "changed": ""});
    let shown = seen(&plan, record);
    assert_eq!(shown["meta"]["created"], "2026-01-02T03:04:05Z");
    assert!(
        shown["meta"].get("lastModified").is_none(),
        "an empty one is none"
    );
    assert!(shown.get("made").is_none());
}
