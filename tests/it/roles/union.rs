//! What lines allow together, and what a PUT leaves alone.

use serde_json::{Value, json};

use super::{CORE, ENTERPRISE, It, everything};

#[tokio::test]
async fn a_put_leaves_alone_what_the_account_cannot_see_or_change() {
    let it = It::start(&[
        ("nophone", "read, update], attributes: ['*', -phoneNumbers".to_owned()),
        (
            "looker",
            "read]}, {resources: [User], verbs: [update], attributes: [title, userName, 'name.givenName'".to_owned(),
        ),
        ("blind", "update".to_owned()),
        ("hr", format!("read, update], attributes: [title, name, \"{ENTERPRISE}\"")),
    ])
    .await;
    let path = it.user("kept").await;
    let before = it.seen(&path).await;
    let without = |value: &Value, names: &[&str]| {
        let mut value = value.clone();
        let map = value.as_object_mut().unwrap();
        for name in names.iter().chain(&["meta", "schemas"]) {
            map.shift_remove(*name);
        }
        value
    };

    let put = json!({"schemas": [CORE], "userName": "kept", "name": {"givenName": "New"}});
    let answer = it
        .client("nophone")
        .put(&path, &put)
        .await
        .expect(200)
        .json();
    assert!(answer.get("phoneNumbers").is_none(), "{answer}");
    assert!(answer.get("title").is_none(), "{answer}");
    let after = it.seen(&path).await;
    assert_eq!(after["phoneNumbers"], before["phoneNumbers"]);
    assert_eq!(after["name"], json!({"givenName": "New"}));
    assert!(after.get("title").is_none() && after.get(ENTERPRISE).is_none());

    // It sees everything and may change three: the rest stays, whether or not it is sent.
    it.admin.put(&path, &everything("kept")).await.expect(200);
    let put = json!({"schemas": [CORE], "userName": "kept", "title": "Boss"});
    let answer = it
        .client("looker")
        .put(&path, &put)
        .await
        .expect(200)
        .json();
    assert_eq!(answer["title"], "Boss");
    assert_eq!(answer["name"], json!({"familyName": "marked-family"}));
    let after = it.seen(&path).await;
    let mut wanted = before.clone();
    wanted["title"] = json!("Boss");
    wanted["name"] = json!({"familyName": "marked-family"});
    assert_eq!(without(&after, &[]), without(&wanted, &[]));

    // Who sees nothing clears nothing, and is shown nothing.
    it.admin.put(&path, &everything("kept")).await.expect(200);
    let put = json!({"schemas": [CORE], "userName": "kept", "displayName": "Other"});
    let answer = it.client("blind").put(&path, &put).await.expect(200).json();
    assert_eq!(without(&answer, &[]), json!({"id": before["id"]}));
    let after = it.seen(&path).await;
    assert_eq!(after["displayName"], "Other");
    let rest = ["displayName"];
    assert_eq!(without(&after, &rest), without(&before, &rest));

    // Not even the user name, which every user must have.
    it.admin.put(&path, &everything("kept")).await.expect(200);
    let put = json!({"schemas": [CORE], "title": "Clerk", "phoneNumbers": [], "active": null});
    let answer = it.client("hr").put(&path, &put).await.expect(200).json();
    assert_eq!(
        without(&answer, &[]),
        json!({"id": before["id"], "title": "Clerk"})
    );
    let after = it.seen(&path).await;
    assert_eq!(after["title"], "Clerk");
    let rest = ["title", "name", ENTERPRISE];
    assert_eq!(without(&after, &rest), without(&before, &rest));
}

#[tokio::test]
async fn what_must_be_there_and_may_not_be_given() {
    let it = It::start(&[
        (
            "titles",
            "create, read, update], attributes: [title".to_owned(),
        ),
        ("names", "create], attributes: [userName".to_owned()),
    ])
    .await;
    let titles = it.client("titles");
    let body = json!({"schemas": [CORE], "title": "x"});
    let detail = titles.post("/Users", &body).await.expect_error(403, None);
    assert_eq!(
        detail,
        "the account may not change `userName`, which a new resource must have"
    );
    let names = it.client("names");
    let detail = names.post("/Users", &json!({"schemas": [CORE]})).await;
    detail.expect_error(400, Some("invalidValue"));
    let body = json!({"schemas": [CORE], "userName": "fresh", "title": null, "emails": []});
    let made = names.post("/Users", &body).await.expect(201).json();
    let mut names: Vec<&String> = made.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["id", "meta", "schemas"], "it may not read");
    // The same name again: a conflict is told, and not of what.
    let twice = it.client("names").post("/Users", &body).await;
    let detail = twice.expect_error(409, Some("uniqueness"));
    assert!(
        !detail.contains("login") && !detail.contains("fresh"),
        "{detail}"
    );
}

#[tokio::test]
async fn each_line_stands_alone_and_an_account_may_do_the_union() {
    let it = It::start(&[
        (
            "both",
            "read], attributes: ['*', -title, -emails.value]}, {resources: [User], verbs: [read], attributes: [emails.value]}, \
             {resources: [User], verbs: [{read: by-id}], attributes: [title"
                .to_owned(),
        ),
        ("part", "read, update], attributes: [name.givenName, emails.value".to_owned()),
    ])
    .await;
    let path = it.user("union").await;
    let mail =
        json!([{"op": "add", "path": "emails[type eq \"work\"].value", "value": "a@example.com"}]);
    it.admin.patch(&path, &mail).await.expect(200);
    let both = it.client("both");
    let one = both.get(&path).await.expect(200).json();
    assert_eq!(one["title"], "marked-title");
    assert_eq!(one["emails"][0]["value"], "a@example.com");
    assert_eq!(one["emails"][0]["type"], "work");
    let list = both.get("/Users?filter=userName%20eq%20%22union%22").await;
    let list = list.expect(200).json();
    assert!(list["Resources"][0].get("title").is_none(), "{list}");
    assert_eq!(list["Resources"][0]["emails"][0]["value"], "a@example.com");
    let by_title = both.get("/Users?filter=title%20pr").await;
    assert_eq!(
        by_title.expect_error(403, None),
        "the account may not ask about `title`"
    );

    // Parts of an attribute.
    let part = it.client("part");
    let one = part.get(&path).await.expect(200).json();
    assert_eq!(one["name"], json!({"givenName": "Given"}));
    assert_eq!(one["emails"], json!([{"value": "a@example.com"}]));
    assert_eq!(
        one["schemas"],
        json!([CORE]),
        "not that there is an extension"
    );
    for (operation, told) in [
        (
            json!({"op": "replace", "path": "name", "value": {"familyName": "x"}}),
            "`name.familyName`",
        ),
        (json!({"op": "remove", "path": "name"}), "`name`"),
        (
            json!({"op": "replace", "path": "emails", "value": [{"value": "b@example.com"}]}),
            "`emails`",
        ),
        (json!({"op": "remove", "path": "emails"}), "`emails`"),
        (
            json!({"op": "add", "path": "emails", "value": [{"value": "b@example.com", "type": "home"}]}),
            "`emails.type`",
        ),
        (
            json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": "b"}),
            "`emails.type`",
        ),
        (json!({"op": "remove", "path": ENTERPRISE}), ENTERPRISE),
        (
            json!({"op": "replace", "value": {(ENTERPRISE): {"department": null}}}),
            "department`",
        ),
        (
            json!({"op": "replace", "path": "title", "value": null}),
            "`title`",
        ),
    ] {
        let answer = part.patch(&path, &json!([operation])).await;
        let detail = answer.expect_error(403, None);
        assert!(detail.contains(told), "{operation}: {detail}");
    }
    let change = json!([{"op": "replace", "path": "name", "value": {"givenName": "Other"}}]);
    part.patch(&path, &change).await.expect(200);
    let seen = it.seen(&path).await;
    assert_eq!(
        seen["name"],
        json!({"givenName": "Other", "familyName": "marked-family"})
    );
    // What only the service provider says is answered as ever.
    let id = json!([{"op": "replace", "path": "id", "value": "9"}]);
    part.patch(&path, &id)
        .await
        .expect_error(400, Some("mutability"));
    let secret = part.get("/Users?filter=password%20eq%20%22x%22").await;
    secret.expect_error(400, Some("invalidFilter"));
}
