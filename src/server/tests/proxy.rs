//! Who must say whose connections they bring, and who may not.

use super::*;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const HEADER: &[u8] = b"PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\n";

fn header_2(command: u8) -> Vec<u8> {
    let addresses = [192, 0, 2, 9, 10, 0, 0, 1, 0x10, 0x00, 0x01, 0xbb];
    let head = [0x20 | command, 0x11, 0, 12];
    [b"\r\n\r\n\0\r\nQUIT\n", &head[..], &addresses].concat()
}

/// A TLS connection whose bytes begin with these.
async fn tls_after(door: &TestDoor, header: &[u8]) -> Tls {
    let mut tcp = door.tcp().await;
    tcp.write_all(header).await.unwrap();
    let config = door.client_config(&[], rustls::ALL_VERSIONS);
    TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from("localhost").unwrap(), tcp)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_trusted_proxy_says_whose_connection_it_is() {
    let door = TestDoor::behind(&["10.0.0.0/8", "127.0.0.0/8"], 1, |_| {});
    for (header, from) in [
        (HEADER.to_vec(), "192.0.2.1:56324 through 127.0.0.1"),
        (header_2(1), "192.0.2.9:4096 through 127.0.0.1"),
        (header_2(0), "127.0.0.1 directly"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1 directly"),
    ] {
        let mut tls = tls_after(&door, &header).await;
        tls.write_all(b"GET /peer HTTP/1.1\r\nHost: h\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(answer(&mut tls).await, (200, from.to_owned()));
    }
}

#[tokio::test]
async fn who_must_say_it_and_does_not_is_closed() {
    let door = TestDoor::behind(&["127.0.0.1/32"], 1, |limits| {
        limits.handshake = Duration::from_millis(200);
    });
    // TLS and HTTP without a header, a broken one, the beginning of one, and nothing.
    assert!(door.handshake(&[], rustls::ALL_VERSIONS).await.is_err());
    for bytes in [GET, b"PROXY TCP4 x\r\n\r\n", &HEADER[..20], b""] {
        let mut tcp = door.tcp().await;
        tcp.write_all(bytes).await.unwrap();
        assert_eq!(rest(&mut tcp).await, "", "{bytes:?}");
    }
    // With a header, plain HTTP is told what is wrong.
    let mut tcp = door.tcp().await;
    tcp.write_all(&[HEADER, GET].concat()).await.unwrap();
    assert!(
        rest(&mut tcp)
            .await
            .ends_with("use https:// in the address")
    );
    assert_eq!(door.asked(), 0);
    // Who only looks whether we listen is no failure.
    drop(door.tcp().await);
    eventually("the end", || door.running().open() == 0).await;
    let failures = |of: &str| sample(&door.metrics, &format!("postern_{of}_failures_total"));
    assert_eq!(failures("proxy_header"), 5.0);
    assert_eq!(failures("tls_handshake"), 1.0);
    assert_eq!(sample(&door.metrics, "postern_connections"), 0.0);
}

#[tokio::test]
async fn a_header_from_anybody_else_is_refused_without_a_word() {
    for proxies in [&[][..], &["192.0.2.0/24"]] {
        let door = TestDoor::behind(proxies, 1, |_| {});
        for header in [HEADER.to_vec(), header_2(1), header_2(0)] {
            let mut tcp = door.tcp().await;
            tcp.write_all(&header).await.unwrap();
            assert_eq!(rest(&mut tcp).await, "");
        }
        let mut tls = door.tls(&[]).await;
        tls.write_all(GET).await.unwrap();
        assert_eq!(answer(&mut tls).await.0, 200);
        assert_eq!(
            sample(&door.metrics, "postern_proxy_header_failures_total"),
            3.0
        );
        assert_eq!(sample(&door.metrics, "postern_connections"), 1.0);
    }
}
