//! TLS, ALPN, keep-alive, limits.

use super::*;

const GET: &str = "GET /a?b HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn both_tls_versions_and_no_alpn_are_served() {
    let door = TestDoor::open(|_| {});
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for alpn in [&["http/1.1"][..], &[]] {
            let mut tls = door.handshake(alpn, &[version]).await.unwrap();
            assert_eq!(tls.get_ref().1.protocol_version(), Some(version.version));
            tls.write_all(GET.as_bytes()).await.unwrap();
            assert_eq!(answer(&mut tls).await, (200, "GET /a?b localhost ".into()));
        }
    }
    assert!(
        door.handshake(&["ftp"], rustls::ALL_VERSIONS)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn http2_is_chosen_by_alpn_and_looks_the_same_to_the_handler() {
    let door = TestDoor::open(|_| {});
    let tls = door.tls(&["h2", "http/1.1"]).await;
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let request = Request::post(door.url("/a?b"))
        .body(Body::Full("hi".into()))
        .unwrap();
    let answer = door
        .client()
        .send(request, Instant::now() + FAR)
        .await
        .unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    let terms = Terms {
        limit: 1000,
        idle: FAR,
        deadline: Instant::now() + FAR,
    };
    let body = collect(answer.into_body(), terms).await.unwrap();
    let port = door.running().address().port();
    assert_eq!(body, format!("POST /a?b localhost:{port} hi"));
}

#[tokio::test]
async fn the_next_connection_takes_the_new_certificate() {
    let mut door = TestDoor::open(|_| {});
    let mut old = door.tls(&[]).await;
    let (ca, config) = certificate();
    door.tls.replace(Arc::new(config));
    assert!(door.handshake(&[], rustls::ALL_VERSIONS).await.is_err());
    door.ca = ca;
    door.tls(&[]).await;
    old.write_all(GET.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut old).await.0, 200);
}

#[tokio::test]
async fn plain_http_is_told_and_noise_is_not_answered() {
    let door = TestDoor::open(|_| {});
    let mut tcp = door.tcp().await;
    tcp.write_all(GET.as_bytes()).await.unwrap();
    let (status, body) = answer(&mut tcp).await;
    assert_eq!(status, 400);
    assert!(body.contains("HTTPS"), "{body}");
    assert_eq!(rest(&mut tcp).await, "");
    let mut tcp = door.tcp().await;
    tcp.write_all(&[0, 1, 2]).await.unwrap();
    assert_eq!(rest(&mut tcp).await, "");
    assert_eq!(door.asked(), 0);
}

#[tokio::test]
async fn a_connection_is_kept_for_requests_of_every_framing() {
    let door = TestDoor::with_workers(2, |_| {});
    let mut tls = door.tls(&[]).await;
    let head = "POST /p HTTP/1.1\r\nHost: h\r\n";
    for _ in 0..3 {
        tls.write_all(GET.as_bytes()).await.unwrap();
        assert_eq!(answer(&mut tls).await, (200, "GET /a?b localhost ".into()));
        tls.write_all(format!("{head}Content-Length: 5\r\n\r\nhello").as_bytes())
            .await
            .unwrap();
        assert_eq!(answer(&mut tls).await, (200, "POST /p h hello".into()));
        let chunked = format!(
            "{head}Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: 1\r\n\r\n"
        );
        for part in chunked.as_bytes().chunks(7) {
            tls.write_all(part).await.unwrap();
            tls.flush().await.unwrap();
        }
        assert_eq!(answer(&mut tls).await, (200, "POST /p h hello".into()));
    }
    tls.write_all(GET.repeat(5).as_bytes()).await.unwrap();
    for _ in 0..5 {
        assert_eq!(answer(&mut tls).await.0, 200);
    }
    assert_eq!(door.asked(), 14);
}

#[tokio::test]
async fn slow_handshakes_heads_and_idlers_are_closed() {
    let short = Duration::from_millis(100);
    let door = TestDoor::open(|limits| {
        limits.handshake = short;
        limits.head = FAR;
    });
    let mut silent = door.tcp().await;
    assert_eq!(rest(&mut silent).await, "");
    let mut half = door.tcp().await;
    half.write_all(&[0x16, 3, 1]).await.unwrap();
    assert_eq!(rest(&mut half).await, "");

    let door = TestDoor::open(|limits| limits.head = short);
    let mut tls = door.tls(&[]).await;
    tls.write_all(&GET.as_bytes()[..20]).await.unwrap();
    let (status, body) = answer(&mut tls).await;
    assert_eq!(status, 408);
    assert!(body.contains(r#""status":"408""#), "{body}");
    assert_eq!(rest(&mut tls).await, "");

    let door = TestDoor::open(|limits| limits.idle = short);
    let mut tls = door.tls(&[]).await;
    assert_eq!(rest(&mut tls).await, "");
    let mut tls = door.tls(&[]).await;
    tls.write_all(GET.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut tls).await.0, 200);
    assert_eq!(rest(&mut tls).await, "");
    eventually("closing", || door.running().open() == 0).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let door = TestDoor::open(|limits| limits.pace.stall = Duration::from_millis(100));
    let mut tls = door.tls(&[]).await;
    tls.write_all(b"GET /bytes/50000000 HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    eventually("the request", || door.asked() == 1).await;
    eventually("cutting", || door.running().open() == 0).await;
}

#[tokio::test]
async fn no_more_connections_than_allowed() {
    let door = TestDoor::open(|limits| limits.connections = 2);
    let first = door.tls(&[]).await;
    let _second = door.tls(&[]).await;
    let third = door.handshake(&[], rustls::ALL_VERSIONS);
    tokio::pin!(third);
    let early = tokio::time::timeout(Duration::from_millis(100), &mut third).await;
    assert!(early.is_err(), "a third connection was served");
    assert_eq!(door.running().open(), 2);
    drop(first);
    let mut third = third.await.unwrap();
    third.write_all(GET.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut third).await.0, 200);
}

#[tokio::test]
async fn old_connections_are_asked_to_end() {
    let door = TestDoor::open(|limits| limits.age = Duration::from_millis(50));
    // The second never even sends HTTP/2's preface, and does not hold it up.
    for alpn in ["http/1.1", "h2"] {
        let mut tls = door.tls(&[alpn]).await;
        let end = tokio::time::timeout(FAR, rest(&mut tls)).await;
        assert!(end.is_ok(), "{alpn}");
    }
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_body_arrives() {
    let door = TestDoor::open(|_| {});
    for _ in 0..3 {
        let mut tls = door.tls(&[]).await;
        let size = 3_000_000;
        let head = format!("POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n");
        tls.write_all(head.as_bytes()).await.unwrap();
        tls.write_all(&vec![b'x'; size]).await.unwrap();
        assert_eq!(answer(&mut tls).await, (200, "early".into()));
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_its_request() {
    let door = TestDoor::open(|_| {});
    let mut tls = door.tls(&[]).await;
    tls.write_all(b"GET /wait HTTP/1.1\r\nHost: h\r\n\r\nGET /half")
        .await
        .unwrap();
    eventually("the request", || door.asked() == 1).await;
    drop(tls);
    eventually("the end of it", || door.running().open() == 0).await;
}

#[tokio::test]
async fn a_large_answer_comes_whole_by_both_protocols() {
    let door = TestDoor::open(|_| {});
    let size = 1_000_000;
    let path = format!("/bytes/{size}");
    let mut tls = door.tls(&[]).await;
    tls.write_all(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes())
        .await
        .unwrap();
    assert_eq!(answer(&mut tls).await.1.len(), size);
    let request = Request::get(door.url(&path)).body(Body::Empty).unwrap();
    let answer = door
        .client()
        .send(request, Instant::now() + FAR)
        .await
        .unwrap();
    assert_eq!(answer.headers()["content-length"], size.to_string());
    let terms = Terms {
        limit: size,
        idle: FAR,
        deadline: Instant::now() + FAR,
    };
    assert_eq!(
        collect(answer.into_body(), terms).await.unwrap().len(),
        size
    );
}

#[tokio::test]
async fn an_unknown_certificate_is_no_connection() {
    use crate::net::client::SendError;
    let door = TestDoor::open(|_| {});
    let (other, _) = certificate();
    let tls = tls::client_config(Some(other.as_bytes()), None).unwrap();
    let client = Client::new(DirectoryClient::new(tls));
    let request = Request::get(door.url("/")).body(Body::Empty).unwrap();
    let error = client
        .send(request, Instant::now() + FAR)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, SendError::Unreachable(why) if why.contains("certificate")),
        "{error}"
    );
    assert_eq!(door.asked(), 0);
}
