//! What is sent, how often, and what the network may do to it.

use super::*;
use crate::scim::operation::Precondition;

#[tokio::test]
async fn a_request_has_our_headers_and_no_others() {
    let server = Untidy::always(Act::Say(answer("200 X", &[], r#"{"no":17}"#))).await;
    let (_, directory) = open(&server);
    let precondition = Precondition {
        if_match: Some(vec!["\"3\"".to_owned()]),
        ..Precondition::default()
    };
    for verb in writes() {
        let operation = user(verb).guarded(precondition.clone());
        directory.execute(operation, &ask(LATER)).await.unwrap();
    }
    directory
        .execute(user(Verb::Read(id("17"))), &ask(LATER))
        .await
        .unwrap();
    let got = server.got();
    let names = |n: usize| {
        let mut names: Vec<&str> = got[n]
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        names.sort_unstable();
        names.join(" ")
    };
    let bare = "accept authorization host traceparent user-agent x-request-id";
    let full = "accept authorization content-length content-type host if-match traceparent \
                user-agent x-request-id";
    let without_body = "accept authorization host if-match traceparent user-agent x-request-id";
    assert_eq!([names(0), names(1), names(2)], [full, full, full]);
    assert_eq!(names(3), without_body);
    assert_eq!(names(4), bare);
    assert_eq!(
        got[0].header("host"),
        Some(server.address.to_string().as_str())
    );
    assert_eq!(
        got[0].header("authorization"),
        Some("Bearer directory-secret")
    );
    assert_eq!(got[0].header("content-type"), Some("application/scim+json"));
    assert_eq!(got[0].header("x-request-id"), Some("req-7"));
    let lines: Vec<String> = got
        .iter()
        .map(|g| format!("{} {}", g.method, g.target))
        .collect();
    assert_eq!(
        lines,
        [
            "POST /scim/v2/people",
            "PUT /scim/v2/people/17",
            "PATCH /scim/v2/people/17",
            "DELETE /scim/v2/people/17",
            "GET /scim/v2/people/17",
        ]
    );
    assert_eq!(got[0].body, r#"{"login":"ada"}"#);
    assert!(got[2].body.contains("PatchOp"), "{}", got[2].body);
    assert_eq!(got[3].body, "");
}

#[tokio::test]
async fn an_odd_id_stays_one_segment() {
    let server = Untidy::always(Act::Say(answer("200 X", &[], r#"{"no":1}"#))).await;
    let (_, directory) = open(&server);
    for (text, wanted) in [
        ("a b?c#d%2f", "a%20b%3Fc%23d%252f"),
        ("é;=&+@:", "%C3%A9%3B%3D%26%2B%40%3A"),
        ("cn=x,dc=y", "cn%3Dx%2Cdc%3Dy"),
        ("a.b_c-d~", "a.b_c-d~"),
    ] {
        directory
            .execute(user(Verb::Read(id(text))), &ask(LATER))
            .await
            .unwrap();
        let got = server.got().pop().unwrap();
        assert_eq!(got.target, format!("/scim/v2/people/{wanted}"));
    }
}

#[tokio::test]
async fn a_version_that_no_header_can_hold_matches_nothing() {
    let server = Untidy::always(Act::Say(answer("200 X", &[], r#"{"no":1}"#))).await;
    let (_, directory) = open(&server);
    let precondition = Precondition {
        if_match: Some(vec!["\"a\r\nx-evil: 1\"".to_owned()]),
        ..Precondition::default()
    };
    let operation = user(Verb::Delete(id("17"))).guarded(precondition);
    let error = directory.execute(operation, &ask(LATER)).await.unwrap_err();
    assert_eq!(error, DirectoryError::Precondition);
    assert!(server.got().is_empty());
}

#[tokio::test]
async fn a_type_that_has_no_place_is_not_supported() {
    let server = Untidy::always(Act::Say(answer("200 X", &[], "{}"))).await;
    let (_, directory) = open(&server);
    let operation = Operation::new("Group".parse().unwrap(), Verb::Read(id("17")));
    let error = directory.execute(operation, &ask(LATER)).await.unwrap_err();
    assert_eq!(error, DirectoryError::Unsupported);
}

#[tokio::test]
async fn a_write_is_never_sent_twice() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"no\":".to_vec();
    for (act, wanted) in [
        (Act::Reset(Vec::new()), DirectoryError::Lost),
        (Act::Part(Vec::new()), DirectoryError::Lost),
        (Act::Part(cut.clone()), DirectoryError::Lost),
        (Act::Hang(Vec::new()), DirectoryError::TimedOut),
        (Act::Hang(cut), DirectoryError::TimedOut),
    ] {
        for verb in writes() {
            let server = Untidy::always(act.clone()).await;
            let (pool, directory) = open(&server);
            let what = format!("{act:?} {verb:?}");
            let error = directory.execute(user(verb), &ask(SOON)).await.unwrap_err();
            assert_eq!(error, wanted, "{what}");
            assert_eq!(server.got().len(), 1, "{what}");
            assert_eq!(pool.vitals().retries, 0, "{what}");
        }
    }
}

#[tokio::test]
async fn a_read_is_sent_at_most_three_times() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"no\":".to_vec();
    for act in [
        Act::Reset(Vec::new()),
        Act::Part(Vec::new()),
        Act::Part(cut),
    ] {
        let server = Untidy::always(act.clone()).await;
        let (pool, directory) = open(&server);
        let error = directory
            .execute(user(Verb::Read(id("17"))), &ask(LATER))
            .await
            .unwrap_err();
        assert_eq!(error, DirectoryError::Lost, "{act:?}");
        assert_eq!(server.got().len(), 3, "{act:?}");
        assert_eq!(pool.vitals().retries, 2);
    }
}

#[tokio::test]
async fn a_read_survives_a_pooled_connection_that_died() {
    let server = Untidy::start(|n, _| match n {
        1 => Act::Reset(Vec::new()),
        _ => Act::Say(answer("200 X", &[], r#"{"no":17}"#)),
    })
    .await;
    let (pool, directory) = open(&server);
    for _ in 0..2 {
        directory
            .execute(user(Verb::Read(id("17"))), &ask(LATER))
            .await
            .unwrap();
    }
    let connections: Vec<usize> = server.got().iter().map(|got| got.connection).collect();
    assert_eq!(connections, [0, 0, 1]);
    assert_eq!(pool.vitals().retries, 1);
}

#[tokio::test]
async fn what_is_not_http_is_malformed_or_lost_and_never_believed() {
    for bytes in [
        "garbage\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n{\"no\":17}",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    ] {
        let verb = Verb::Delete(id("17"));
        let error = against(Act::Part(bytes.into()), verb, LATER)
            .await
            .unwrap_err();
        let known = matches!(error, DirectoryError::Malformed(_) | DirectoryError::Lost);
        assert!(known, "{bytes}: {error:?}");
    }
}

#[tokio::test]
async fn slowness_ends_at_the_deadline() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 50000\r\n\r\n".to_vec();
    for act in [
        Act::Hang(Vec::new()),
        Act::Drip(Vec::new()),
        Act::Hang(b"HTTP/1.1 200 OK\r\nconte".to_vec()),
        Act::Hang(head.clone()),
        Act::Drip(head),
    ] {
        let start = Instant::now();
        let error = against(act.clone(), Verb::Read(id("17")), SOON)
            .await
            .unwrap_err();
        let dripped = matches!(&act, Act::Drip(bytes) if bytes.is_empty());
        // Spaces where a status line should be may be refused before they are too slow.
        let fits = error == DirectoryError::TimedOut
            || dripped && matches!(error, DirectoryError::Malformed(_) | DirectoryError::Lost);
        assert!(fits, "{act:?}: {error:?}");
        assert!(start.elapsed() < SOON * 10, "{act:?}");
    }
}

#[tokio::test]
async fn an_error_counts_though_its_body_never_comes() {
    let hang = Act::Hang(b"HTTP/1.1 404 X\r\ncontent-length: 50\r\n\r\n".to_vec());
    let error = against(hang, Verb::Read(id("17")), SOON).await.unwrap_err();
    assert_eq!(error, DirectoryError::NotFound);
    let cut = Act::Part(b"HTTP/1.1 409 X\r\ncontent-length: 50\r\n\r\n{\"error\"".to_vec());
    let error = against(cut, Verb::Create(document()), LATER)
        .await
        .unwrap_err();
    assert_eq!(
        error,
        DirectoryError::Conflict {
            scim_type: None,
            detail: None
        }
    );
}

#[tokio::test]
async fn a_directory_that_is_away_is_unreachable() {
    let gone = Untidy::always(Act::Hang(Vec::new())).await;
    let url = gone.url();
    let gone = gone.stop().await;
    assert!(gone.is_empty());
    let pool = Pool::open(config(url), None).unwrap();
    let directory = driver(Arc::clone(&pool), layout());
    assert_eq!(directory.health(), Health::Unknown);
    for (verb, retries) in [(Verb::Read(id("17")), 2), (Verb::Delete(id("17")), 3)] {
        let error = directory
            .execute(user(verb), &ask(LATER))
            .await
            .unwrap_err();
        assert!(matches!(error, DirectoryError::Unreachable(_)), "{error:?}");
        assert_eq!(pool.vitals().retries, retries);
    }
    assert!(matches!(directory.health(), Health::Down(_)));
}

#[tokio::test]
async fn health_is_that_of_the_last_exchange() {
    let server = Untidy::start(|n, _| match n {
        0 => Act::Say(answer("404 X", &[], "")),
        1 => Act::Say(answer("401 X", &[], "")),
        _ => Act::Say(answer("429 X", &[], "")),
    })
    .await;
    let (_, directory) = open(&server);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let _ = directory
            .execute(user(Verb::Read(id("17"))), &ask(LATER))
            .await;
        seen.push(directory.health());
    }
    assert_eq!(seen[0], Health::Up);
    assert!(
        matches!(&seen[1], Health::Down(why) if why.contains("credentials")),
        "{seen:?}"
    );
    assert_eq!(seen[2], Health::Up);
}

#[tokio::test]
async fn what_it_can_do_is_asked_once_by_many() {
    let body = r#"{"patch":{"supported":true},"etag":{"supported":true}}"#;
    let server = Untidy::always(Act::Say(answer("200 X", &[], body))).await;
    let (_, directory) = open(&server);
    assert_eq!(directory.abilities(), Abilities::LEAST);
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let directory = Arc::clone(&directory);
            tokio::spawn(async move {
                if let Some(preparing) = directory.prepare(&ask(LATER)) {
                    preparing.await;
                }
                directory.abilities()
            })
        })
        .collect();
    for task in tasks {
        let abilities = task.await.unwrap();
        assert!(
            abilities.patch && abilities.etag && !abilities.sort,
            "{abilities:?}"
        );
    }
    assert!(directory.prepare(&ask(LATER)).is_none());
    let got = server.got();
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].target, "/scim/v2/ServiceProviderConfig");
}

#[tokio::test]
async fn what_it_can_do_is_the_least_where_it_does_not_say() {
    for act in [
        Act::Say(answer("404 X", &[], "")),
        Act::Say(answer("200 X", &[], "<html>")),
        Act::Reset(Vec::new()),
        Act::Hang(Vec::new()),
    ] {
        let server = Untidy::always(act).await;
        let (_, directory) = open(&server);
        directory.prepare(&ask(SOON)).unwrap().await;
        assert_eq!(directory.abilities(), Abilities::LEAST);
        assert!(directory.prepare(&ask(SOON)).is_none());
        assert_eq!(server.got().len(), 1);
    }
}

#[tokio::test]
async fn an_equal_configuration_keeps_its_pool() {
    let first = Pool::open(config("http://127.0.0.1:1/".to_owned()), None).unwrap();
    let same = Pool::open(config("http://127.0.0.1:1/".to_owned()), Some(&first)).unwrap();
    assert!(Arc::ptr_eq(&first, &same));
    let other = HttpConfig {
        auth: Auth::None,
        ..config("http://127.0.0.1:1/".to_owned())
    };
    let other = Pool::open(other, Some(&first)).unwrap();
    assert!(!Arc::ptr_eq(&first, &other));
    // What is counted belongs to the place.
    let directory = driver(Arc::clone(&first), layout());
    let _ = directory
        .execute(user(Verb::Delete(id("1"))), &ask(LATER))
        .await;
    assert_ne!(first.vitals().connect_failures, 0);
    assert_eq!(other.vitals(), first.vitals());
    let elsewhere = config("http://127.0.0.1:2/".to_owned());
    let elsewhere = Pool::open(elsewhere, Some(&first)).unwrap();
    assert_eq!(elsewhere.vitals(), Vitals::default());
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused_without_its_secrets() {
    for url in [
        "",
        "directory.example.com",
        "ftp://directory.example.com",
        "https://u:pw@directory.example.com",
        "https://directory.example.com/scim?x=1",
        "https://directory.example.com/scim#x",
    ] {
        let error = Pool::open(config(url.to_owned()), None).unwrap_err();
        assert!(matches!(error, OpenError::Url(_)), "{url}: {error:?}");
        let text = format!("{error} {error:?}");
        assert!(
            !text.contains("pw@") && !text.contains("directory-secret"),
            "{text}"
        );
    }
}
