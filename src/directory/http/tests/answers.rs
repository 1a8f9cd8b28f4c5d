//! What each kind of answer becomes.

use super::*;
use crate::scim::ScimType;
use crate::scim::operation::{Interrupted, Precondition};

/// What a read becomes when the directory answers so.
async fn read(
    status: &str,
    headers: &[&str],
    body: &str,
) -> Result<Reply<Upstream>, DirectoryError> {
    against(
        Act::Say(answer(status, headers, body)),
        Verb::Read(id("17")),
        LATER,
    )
    .await
}

async fn create(
    status: &str,
    headers: &[&str],
    body: &str,
) -> Result<Reply<Upstream>, DirectoryError> {
    against(
        Act::Say(answer(status, headers, body)),
        Verb::Create(document()),
        LATER,
    )
    .await
}

#[tokio::test]
async fn a_resource_is_taken_whatever_its_content_type_says() {
    let headers = ["content-type: text/html", "etag: W/\"3\""];
    let reply = read("200 OK", &headers, r#"{"no":17,"status":"staff"}"#)
        .await
        .unwrap();
    assert_eq!(reply.etag.as_deref(), Some("W/\"3\""));
    let Answer::Resource(document) = reply.answer else {
        panic!("{reply:?}")
    };
    assert_eq!(&document.into_bytes()[..], br#"{"no":17,"status":"staff"}"#);
}

#[tokio::test]
async fn a_version_is_found_in_meta_too() {
    let body = r#"{"no":17,"meta":{"version":"\"9\""}}"#;
    let reply = read("200 OK", &["etag: nonsense"], body).await.unwrap();
    assert_eq!(reply.etag.as_deref(), Some("\"9\""));
}

#[tokio::test]
async fn each_status_has_its_error() {
    use DirectoryError as E;
    let refused = |t, d: Option<&str>| E::Refused {
        scim_type: t,
        detail: d.map(str::to_owned),
    };
    let cases: Vec<(&str, &[&str], &str, E)> = vec![
        (
            "400 X",
            &[],
            r#"{"scimType":"invalidvalue","detail":"title is odd"}"#,
            refused(Some(ScimType::InvalidValue), Some("title is odd")),
        ),
        ("400 X", &[], "<html>oh</html>", refused(None, None)),
        (
            "422 X",
            &[],
            r#"{"error":"odd"}"#,
            refused(None, Some("odd")),
        ),
        (
            "400 X",
            &[],
            r#"{"scimType":"uniqueness"}"#,
            E::Conflict {
                scim_type: Some(ScimType::Uniqueness),
                detail: None,
            },
        ),
        ("404 X", &[], "", E::NotFound),
        ("410 X", &[], "", E::NotFound),
        (
            "409 X",
            &[],
            r#"{"error":"login is taken"}"#,
            E::Conflict {
                scim_type: None,
                detail: Some("login is taken".to_owned()),
            },
        ),
        ("412 X", &[], "", E::Precondition),
        ("413 X", &[], "", E::TooLarge),
        (
            "429 X",
            &["retry-after: 7"],
            "",
            E::Busy {
                status: 429,
                retry_after: Some(7),
            },
        ),
        (
            "503 X",
            &["retry-after: Fri, 31 Dec 1999 23:59:59 GMT"],
            "",
            E::Busy {
                status: 503,
                retry_after: None,
            },
        ),
        (
            "503 X",
            &["retry-after: 99999999999"],
            "",
            E::Busy {
                status: 503,
                retry_after: Some(86_400),
            },
        ),
        ("401 X", &[], r#"{"detail":"secret"}"#, E::Credentials(401)),
        ("403 X", &[], "", E::Credentials(403)),
        ("405 X", &[], "", E::Unsupported),
        ("501 X", &[], "", E::Unsupported),
        ("500 X", &[], "", E::Failed(500)),
        ("599 X", &[], "", E::Failed(599)),
        (
            "200 X",
            &[],
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404"}"#,
            E::NotFound,
        ),
        (
            "200 X",
            &[],
            r#"{"status":412,"error":"changed"}"#,
            E::Precondition,
        ),
    ];
    for (status, headers, body, wanted) in cases {
        let error = read(status, headers, body).await.unwrap_err();
        assert_eq!(error, wanted, "{status} {body}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_malformed() {
    let cases: &[(&str, &[&str], &str)] = &[
        ("302 X", &["location: http://example.com/"], ""),
        ("304 X", &[], ""),
        ("300 X", &[], ""),
        ("999 X", &[], r#"{"no":17}"#),
        ("600 X", &[], r#"{"no":17}"#),
        ("206 X", &[], r#"{"no":17}"#),
        ("418 X", &[], r#"{"no":17}"#),
        ("204 X", &[], ""),
        ("200 X", &[], ""),
        ("200 X", &[], "  \r\n"),
        ("200 X", &[], "<html>log in</html>"),
        ("200 X", &[], "[]"),
        ("200 X", &[], r#"{"no":17"#),
        ("200 X", &[], r#"{"no":17,"NO":18}"#),
        ("200 X", &[], r#"{"no":"\ud800"}"#),
        ("200 X", &["content-encoding: gzip"], r#"{"no":17}"#),
    ];
    for (status, headers, body) in cases {
        let error = read(status, headers, body).await.unwrap_err();
        assert!(
            matches!(error, DirectoryError::Malformed(_)),
            "{status} {body}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Untidy::always(Act::Say(answer("200 OK", &[], r#"{"no":1}"#))).await;
    let location = format!("location: {}people/17", other.url());
    let error = read("307 X", &[&location], "").await.unwrap_err();
    assert!(matches!(error, DirectoryError::Malformed(_)), "{error:?}");
    assert!(other.got().is_empty());
}

#[tokio::test]
async fn an_answer_over_the_limit_is_not_taken() {
    let body = format!(r#"{{"no":17,"note":"{}"}}"#, "x".repeat(70_000));
    let error = read("200 OK", &[], &body).await.unwrap_err();
    assert!(matches!(error, DirectoryError::Malformed(_)), "{error:?}");
}

#[tokio::test]
async fn not_modified_counts_only_where_it_was_asked_for() {
    let server = Untidy::always(Act::Say(answer("304 X", &["etag: \"3\""], ""))).await;
    let (_, directory) = open(&server);
    let precondition = Precondition {
        if_none_match: Some(vec!["\"2\"".to_owned(), "\"3\"".to_owned()]),
        ..Precondition::default()
    };
    let operation = user(Verb::Read(id("17"))).guarded(precondition);
    let reply = directory.execute(operation, &ask(LATER)).await.unwrap();
    assert!(matches!(reply.answer, Answer::NotModified));
    assert_eq!(reply.etag.as_deref(), Some("\"3\""));
    assert_eq!(
        server.got()[0].header("if-none-match"),
        Some("\"2\", \"3\"")
    );
}

#[tokio::test]
async fn what_was_made_is_taken_from_the_body_without_a_location() {
    for status in ["201 X", "200 X"] {
        let reply = create(status, &[], r#"{"no":17,"login":"ada"}"#)
            .await
            .unwrap();
        assert!(matches!(reply.answer, Answer::Created(_)), "{reply:?}");
    }
}

#[tokio::test]
async fn what_was_made_is_read_where_only_its_location_is_told() {
    for body in ["", r#"{"result":"ok"}"#] {
        let server = Untidy::start(move |_, got| match got.method.as_str() {
            "POST" => {
                let location = "location: https://elsewhere.example.com/other/people/a%20b/?x=1";
                Act::Say(answer("201 X", &[location], body))
            }
            _ => Act::Say(answer("200 X", &["etag: \"1\""], r#"{"no":"a b"}"#)),
        })
        .await;
        let (_, directory) = open(&server);
        let reply = directory
            .execute(user(Verb::Create(document())), &ask(LATER))
            .await
            .unwrap();
        assert!(matches!(reply.answer, Answer::Created(_)), "{reply:?}");
        assert_eq!(reply.etag.as_deref(), Some("\"1\""));
        assert_eq!(server.got()[1].target, "/scim/v2/people/a%20b");
        assert_eq!(server.got().len(), 2);
    }
}

#[tokio::test]
async fn what_was_made_and_cannot_be_found_is_no_success() {
    for headers in [
        &[][..],
        &["location: /"],
        &["location: https://h"],
        &["location: /a/%2f"],
    ] {
        let error = create("201 X", headers, "").await.unwrap_err();
        assert!(
            matches!(error, DirectoryError::Malformed(_)),
            "{headers:?} {error:?}"
        );
    }
    let server = Untidy::start(|_, got| match got.method.as_str() {
        "POST" => Act::Say(answer("201 X", &["location: /people/17"], "")),
        _ => Act::Say(answer("404 X", &[], "")),
    })
    .await;
    let (_, directory) = open(&server);
    let error = directory
        .execute(user(Verb::Create(document())), &ask(LATER))
        .await
        .unwrap_err();
    assert!(matches!(error, DirectoryError::Malformed(_)), "{error:?}");
}

#[tokio::test]
async fn a_create_that_failed_with_200_is_that_error() {
    let error = create("200 X", &[], r#"{"status":"409","detail":"taken"}"#)
        .await
        .unwrap_err();
    let detail = Some("taken".to_owned());
    assert_eq!(
        error,
        DirectoryError::Conflict {
            scim_type: None,
            detail
        }
    );
}

#[tokio::test]
async fn changes_answer_with_the_resource_or_nothing() {
    for verb in [
        Verb::Replace(id("17"), document()),
        Verb::Patch(id("17"), patch()),
    ] {
        let act = Act::Say(answer("200 X", &[], r#"{"no":17}"#));
        let reply = against(act, verb, LATER).await.unwrap();
        assert!(matches!(reply.answer, Answer::Resource(_)), "{reply:?}");
    }
    for verb in [
        Verb::Replace(id("17"), document()),
        Verb::Patch(id("17"), patch()),
    ] {
        let act = Act::Say(answer("204 X", &["etag: \"4\""], ""));
        let reply = against(act, verb, LATER).await.unwrap();
        assert!(matches!(reply.answer, Answer::Nothing), "{reply:?}");
        assert_eq!(reply.etag.as_deref(), Some("\"4\""));
    }
}

#[tokio::test]
async fn a_deletion_is_believed_unless_a_page_or_an_error_says_it() {
    for (status, body) in [
        ("204 X", ""),
        ("200 X", ""),
        ("202 X", "{}"),
        ("200 X", "\"OK\""),
    ] {
        let act = Act::Say(answer(status, &[], body));
        let reply = against(act, Verb::Delete(id("17")), LATER).await.unwrap();
        assert!(matches!(reply.answer, Answer::Nothing), "{status} {body}");
    }
    let act = Act::Say(answer("200 X", &[], "<html>log in</html>"));
    let error = against(act, Verb::Delete(id("17")), LATER)
        .await
        .unwrap_err();
    assert!(matches!(error, DirectoryError::Malformed(_)), "{error:?}");
    let act = Act::Say(answer("200 X", &[], r#"{"status":404}"#));
    let error = against(act, Verb::Delete(id("17")), LATER)
        .await
        .unwrap_err();
    assert_eq!(error, DirectoryError::NotFound);
}

#[tokio::test]
async fn a_list_is_handed_on_unread() {
    for size in [0, 1, 20_000] {
        let body = format!(
            r#"{{"totalResults":1,"resources":[{{"no":"{}"}}]}}"#,
            "1".repeat(size)
        );
        let act = Act::Say(answer("200 X", &["content-type: text/html"], &body));
        let reply = against(act, Verb::List(Query::default()), LATER)
            .await
            .unwrap();
        assert_eq!(read_list(reply).await.unwrap(), body.as_bytes());
    }
}

#[tokio::test]
async fn a_list_that_is_not_there_is_not_an_empty_list() {
    for (status, body) in [("404 X", ""), ("204 X", ""), ("200 X", ""), ("301 X", "")] {
        let act = Act::Say(answer(status, &[], body));
        let error = against(act, Verb::List(Query::default()), LATER)
            .await
            .unwrap_err();
        assert!(
            matches!(error, DirectoryError::Malformed(_)),
            "{status}: {error:?}"
        );
    }
    let act = Act::Say(answer(
        "200 X",
        &[],
        r#"{"status":"400","scimType":"tooMany"}"#,
    ));
    let error = against(act, Verb::List(Query::default()), LATER)
        .await
        .unwrap_err();
    let scim_type = Some(ScimType::TooMany);
    assert_eq!(
        error,
        DirectoryError::Refused {
            scim_type,
            detail: None
        }
    );
}

#[tokio::test]
async fn a_list_that_breaks_off_or_never_ends_says_so() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 50000\r\n\r\n{\"Resources\":[";
    let part = Act::Part(head.into());
    let reply = against(part, Verb::List(Query::default()), LATER)
        .await
        .unwrap();
    assert_eq!(read_list(reply).await.unwrap_err(), Interrupted::Lost);

    let body = format!(r#"{{"Resources":["{}"]}}"#, "x".repeat(70_000));
    let act = Act::Say(answer("200 X", &[], &body));
    let reply = against(act, Verb::List(Query::default()), LATER)
        .await
        .unwrap();
    assert_eq!(
        read_list(reply).await.unwrap_err(),
        Interrupted::TooLarge(64 * 1024)
    );

    let server = Untidy::always(Act::Hang(head.into())).await;
    let mut config = config(server.url());
    config.timeouts.idle = Duration::from_millis(50);
    let directory = driver(Pool::open(config, None).unwrap(), layout());
    let list = user(Verb::List(Query::default()));
    let reply = directory.execute(list, &ask(LATER)).await.unwrap();
    assert_eq!(read_list(reply).await.unwrap_err(), Interrupted::TimedOut);
}
