//! What two readers could take differently is refused on the wire: 400, closed, never handled.

use super::*;

#[tokio::test]
async fn every_ambiguous_head_is_answered_400_and_closed() {
    let door = TestDoor::open(|_| {});
    let hidden = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";
    for lines in [
        "Host: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Host: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Host: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n",
        "Host: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
        "Host: h\r\nContent-Length: +5\r\n",
        "Host: h\r\nContent-Length: 9223372036854775808\r\n",
        "Host: h\r\nContent-Length : 5\r\n",
        "Host: h\r\nTransfer-Encoding: gzip, chunked\r\n",
        "Host: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Host: h\r\nTransfer-Encoding : chunked\r\n",
        "Host: h\r\nX: a\r\n Transfer-Encoding: chunked\r\n",
        "Host: h\nTransfer-Encoding: chunked\r\n",
        "Host: h\r\nX: \0\r\n",
        "Host: h\r\nX: a\rY: b\r\n",
        "Host: h\r\nHost: h\r\n",
        "Host: u@h\r\n",
        "X: no host\r\n",
    ] {
        let mut tls = door.tls(&[]).await;
        let text = format!("POST / HTTP/1.1\r\n{lines}\r\n0\r\n\r\n{hidden}{hidden}");
        tls.write_all(text.as_bytes()).await.unwrap();
        let (status, head, body) = whole_answer(&mut tls).await;
        assert_eq!(status, 400, "{lines:?}");
        assert!(
            head.contains("content-type: application/scim+json"),
            "{lines:?}: {head}"
        );
        assert!(head.contains("connection: close"), "{lines:?}: {head}");
        assert!(
            body.contains("urn:ietf:params:scim:api:messages:2.0:Error"),
            "{body}"
        );
        assert_eq!(rest(&mut tls).await, "", "{lines:?}");
    }
    for (line, status) in [
        ("GET http://h/ HTTP/1.1", 400),
        ("GET h:80 HTTP/1.1", 400),
        ("CONNECT h:80 HTTP/1.1", 400),
        ("OPTIONS * HTTP/1.1", 400),
        ("GET / HTTP/2.0", 505),
        ("GET /  HTTP/1.1", 400),
    ] {
        let mut tls = door.tls(&[]).await;
        tls.write_all(format!("{line}\r\nHost: h\r\n\r\n").as_bytes())
            .await
            .unwrap();
        assert_eq!(answer(&mut tls).await.0, status, "{line}");
        assert_eq!(rest(&mut tls).await, "", "{line}");
    }
    assert_eq!(door.asked(), 0);
}

#[tokio::test]
async fn what_came_before_is_answered_first() {
    let door = TestDoor::open(|_| {});
    let mut tls = door.tls(&[]).await;
    let good = "POST /good HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
    let bad = "GET / HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n";
    tls.write_all(format!("{good}{good}{bad}{good}").as_bytes())
        .await
        .unwrap();
    assert_eq!(answer(&mut tls).await, (200, "POST /good h hi".into()));
    assert_eq!(answer(&mut tls).await, (200, "POST /good h hi".into()));
    assert_eq!(answer(&mut tls).await.0, 400);
    assert_eq!(rest(&mut tls).await, "");
    assert_eq!(door.asked(), 2);
}

#[tokio::test]
async fn a_broken_chunk_breaks_the_body_and_the_connection() {
    let door = TestDoor::open(|_| {});
    for body in [
        "5\r\nhello\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5;\0\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
    ] {
        let mut tls = door.tls(&[]).await;
        let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        let hidden = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";
        tls.write_all(format!("{head}{body}{hidden}").as_bytes())
            .await
            .unwrap();
        let (status, body) = answer(&mut tls).await;
        assert_eq!(
            (status, body.contains("broken body")),
            (400, true),
            "{body}"
        );
        assert_eq!(rest(&mut tls).await, "");
    }
    assert_eq!(door.asked(), 4);
}

#[tokio::test]
async fn heads_that_are_too_large_are_said_to_be() {
    let door = TestDoor::open(|_| {});
    let long = "a".repeat(9000);
    let many = "A: b\r\n".repeat(101);
    let huge = format!("A: {}\r\n", "b".repeat(40_000));
    for (text, wanted) in [
        (format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n"), 414),
        (format!("GET / HTTP/1.1\r\nHost: h\r\n{many}\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: h\r\n{huge}\r\n"), 431),
    ] {
        let mut tls = door.tls(&[]).await;
        tls.write_all(text.as_bytes()).await.unwrap();
        assert_eq!(answer(&mut tls).await.0, wanted);
        assert_eq!(rest(&mut tls).await, "");
    }
    let fits = "A: b\r\n".repeat(99);
    let mut tls = door.tls(&[]).await;
    tls.write_all(format!("GET / HTTP/1.1\r\nHost: h\r\n{fits}\r\n").as_bytes())
        .await
        .unwrap();
    assert_eq!(answer(&mut tls).await.0, 200);
}
