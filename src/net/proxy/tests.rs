//! Headers as proxies send them, and everything that is almost one.

use proptest::prelude::*;

use super::*;

/// What a stream of these bytes begins with, and what is left of it.
fn take(bytes: &[u8]) -> (Result<Option<SocketAddr>, ProxyError>, Vec<u8>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut left = bytes;
    let outcome = runtime.block_on(read(&mut left));
    (outcome, left.to_vec())
}

fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [V2, &[command, family], &length, body].concat()
}

fn v4_body(additions: &[u8]) -> Vec<u8> {
    [
        &[192, 0, 2, 1, 10, 0, 0, 1, 0xdc, 0x04, 0x01, 0xbb],
        additions,
    ]
    .concat()
}

fn v6_body() -> Vec<u8> {
    let address = "2001:db8::7".parse::<Ipv6Addr>().unwrap().octets();
    [&address[..], &[0; 16], &[0xdc, 0x04, 0x01, 0xbb]].concat()
}

/// The addition of a checksum over everything before it and itself.
fn with_checksum(additions: &[u8]) -> Vec<u8> {
    let body = v4_body(&[additions, &[CHECKSUM, 0, 4, 0, 0, 0, 0]].concat());
    let mut header = v2(0x21, 0x11, &body);
    let at = header.len() - 4;
    let sum = crc32c(&header, at).to_be_bytes();
    header[at..].copy_from_slice(&sum);
    header
}

/// Every form that is right, and whose connection it says it is.
fn good() -> Vec<(Vec<u8>, Option<&'static str>)> {
    let line = |text: &str| format!("PROXY {text}\r\n").into_bytes();
    vec![
        (
            line("TCP4 192.0.2.1 10.0.0.1 56324 443"),
            Some("192.0.2.1:56324"),
        ),
        (
            line("TCP4 255.255.255.255 255.255.255.255 65535 65535"),
            Some("255.255.255.255:65535"),
        ),
        (line("TCP4 0.0.0.0 0.0.0.0 0 0"), Some("0.0.0.0:0")),
        (
            line("TCP6 2001:db8::7 ::1 56324 443"),
            Some("[2001:db8::7]:56324"),
        ),
        (
            line("TCP6 ::ffff:192.0.2.1 ::1 56324 443"),
            Some("192.0.2.1:56324"),
        ),
        (
            line(
                "TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
            ),
            Some("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
        ),
        (line("UNKNOWN"), None),
        (line("UNKNOWN whatever 1 2 3"), None),
        (
            line(
                "UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
            ),
            None,
        ),
        (v2(0x21, 0x11, &v4_body(&[])), Some("192.0.2.1:56324")),
        (v2(0x21, 0x21, &v6_body()), Some("[2001:db8::7]:56324")),
        (
            v2(0x21, 0x11, &v4_body(&[0x04, 0, 3, 1, 2, 3, 0x20, 0, 0])),
            Some("192.0.2.1:56324"),
        ),
        (
            v2(
                0x21,
                0x11,
                &v4_body(&[&[0x04, 0x07, 0xd0][..], &[0; 2000]].concat()),
            ),
            Some("192.0.2.1:56324"),
        ),
        (with_checksum(&[]), Some("192.0.2.1:56324")),
        (
            with_checksum(&[0x01, 0, 2, b'h', b'2']),
            Some("192.0.2.1:56324"),
        ),
        (v2(0x20, 0x00, &[]), None),
        (v2(0x20, 0x11, &v4_body(&[])), None),
        (v2(0x20, 0xff, &[1, 2, 3]), None),
        (v2(0x21, 0x00, &[]), None),
        (v2(0x21, 0x00, &[9; 7]), None),
        (v2(0x21, 0x31, &[b'x'; 216]), None),
    ]
}

#[test]
fn a_header_says_whose_connection_it_is_and_nothing_behind_it_is_read() {
    for (header, source) in good() {
        let source = source.map(|source| source.parse().unwrap());
        let bytes = [&header[..], b"\x16\x03\x01 and so on"].concat();
        let (outcome, left) = take(&bytes);
        assert_eq!(
            outcome.unwrap(),
            source,
            "{:?}",
            header.escape_ascii().to_string()
        );
        assert_eq!(left, b"\x16\x03\x01 and so on");
    }
}

#[test]
fn a_header_that_ends_early_is_none() {
    for (header, _) in good() {
        for end in 0..header.len() {
            let (outcome, left) = take(&header[..end]);
            assert!(
                outcome.is_err(),
                "{:?}",
                header[..end].escape_ascii().to_string()
            );
            assert_eq!(left, b"");
        }
    }
}

#[test]
fn what_haproxy_sends_is_read() {
    // HAProxy 2.6 with `send-proxy-v2 proxy-v2-options crc32c,unique-id`.
    let header =
        b"\r\n\r\n\x00\r\nQUIT\n!\x11\x00\x16\x7f\x00\x00\x02\x7f\x00\x00\x01\xc4\xf5\xa1\x85\
        \x03\x00\x04\xa7a\x1b\xce\x05\x00\x00";
    let source = "127.0.0.2:50421".parse().unwrap();
    assert_eq!(take(header).0.unwrap(), Some(source));
}

#[test]
fn the_checksum_is_the_usual_one() {
    // The check value that every catalogue of CRCs gives.
    assert_eq!(crc32c(b"123456789", 100), 0xe306_9283);
}

#[test]
fn what_is_almost_a_header_is_none() {
    let line = |text: &str| format!("{text}\r\n").into_bytes();
    let mut wrong_sum = with_checksum(&[]);
    *wrong_sum.last_mut().unwrap() ^= 1;
    let mut wrong_port = with_checksum(&[]);
    wrong_port[24] ^= 1;
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
    assert_eq!(long.len(), V1_LONGEST + 1);
    let cases = vec![
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        line("proxy TCP4 192.0.2.1 10.0.0.1 56324 443"),
        line("PROXY"),
        line("PROXY "),
        line("PROXY TCP4"),
        line("PROXY TCP5 192.0.2.1 10.0.0.1 56324 443"),
        line("PROXY UDP4 192.0.2.1 10.0.0.1 56324 443"),
        line("PROXY UNKNOWNS"),
        line("PROXY  TCP4 192.0.2.1 10.0.0.1 56324 443"),
        line("PROXY TCP4  192.0.2.1 10.0.0.1 56324 443"),
        line("PROXY TCP4 192.0.2.1 10.0.0.1 56324 443 "),
        line("PROXY TCP4 192.0.2.1 10.0.0.1 56324"),
        line("PROXY TCP4 192.0.2.1 10.0.0.1 56324 443 1"),
        line("PROXY TCP4 192.0.2.01 10.0.0.1 56324 443"),
        line("PROXY TCP4 192.0.2 10.0.0.1 56324 443"),
        line("PROXY TCP4 192.0.2.1 x 56324 443"),
        line("PROXY TCP4 192.0.2.1 10.0.0.1 +5 443"),
        line("PROXY TCP4 192.0.2.1 10.0.0.1 05 443"),
        line("PROXY TCP4 192.0.2.1 10.0.0.1 65536 443"),
        line("PROXY TCP4 192.0.2.1 10.0.0.1 56324 "),
        line("PROXY TCP4 ::1 ::1 56324 443"),
        line("PROXY TCP6 192.0.2.1 10.0.0.1 56324 443"),
        line("PROXY TCP6 fe80::1%eth0 ::1 56324 443"),
        b"PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\0\r\n".to_vec(),
        b"PROXY \xff\xff\xff\xff\r\n".to_vec(),
        long.into_bytes(),
        v2(0x11, 0x11, &v4_body(&[])),
        v2(0x22, 0x11, &v4_body(&[])),
        v2(0x31, 0x11, &v4_body(&[])),
        v2(0x21, 0x12, &v4_body(&[])),
        v2(0x21, 0x22, &v6_body()),
        v2(0x21, 0x32, &[0; 216]),
        v2(0x21, 0x11, &v4_body(&[])[..11]),
        v2(0x21, 0x21, &v6_body()[..35]),
        v2(0x21, 0x31, &[0; 215]),
        v2(0x21, 0x11, &v4_body(&[0x04])),
        v2(0x21, 0x11, &v4_body(&[0x04, 0])),
        v2(0x21, 0x11, &v4_body(&[0x04, 0, 1])),
        v2(0x21, 0x11, &v4_body(&[CHECKSUM, 0, 3, 1, 2, 3])),
        v2(0x21, 0x11, &v4_body(&[0; V2_LONGEST])),
        [V2, &[0x21, 0x11, 0xff, 0xff]].concat(),
        wrong_sum,
        wrong_port,
    ];
    for case in cases {
        let (outcome, _) = take(&case);
        assert!(outcome.is_err(), "{:?}", case.escape_ascii().to_string());
    }
}

#[test]
fn a_header_is_known_by_its_first_bytes() {
    assert!(begins(b"PROXY TCP4"));
    assert!(begins(V2));
    assert!(begins(&V2[..6]));
    for other in [
        &b"PROXIES"[..],
        b"PUT / ",
        b"P",
        b"\r",
        b"",
        b"\x16\x03",
        b"\r\n\r\nGET",
    ] {
        assert!(!begins(other), "{:?}", other.escape_ascii().to_string());
    }
}

proptest! {
    #[test]
    fn nothing_panics_and_no_more_than_a_header_is_read(
        start in prop::sample::select(vec![Vec::new(), V1.to_vec(), V2.to_vec(), v2(0x21, 0x11, &v4_body(&[]))]),
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let bytes = [start, rest].concat();
        let (_, left) = take(&bytes);
        prop_assert!(bytes.len() - left.len() <= V2_HEAD + V2_LONGEST);
    }

    #[test]
    fn what_a_proxy_writes_is_what_is_read(source: SocketAddr, to: u16) {
        let (ip, port) = (source.ip(), source.port());
        let (family, octets) = match ip {
            IpAddr::V4(ip) => ("TCP4", ip.octets().to_vec()),
            IpAddr::V6(ip) => ("TCP6", ip.octets().to_vec()),
        };
        let line = format!("PROXY {family} {ip} {ip} {port} {to}\r\n");
        let ports = [port.to_be_bytes(), to.to_be_bytes()].concat();
        let body = [&octets[..], &octets, &ports].concat();
        let family = if ip.is_ipv4() { 0x11 } else { 0x21 };
        let wanted = Some(SocketAddr::new(ip.to_canonical(), port));
        prop_assert_eq!(take(line.as_bytes()).0.unwrap(), wanted);
        prop_assert_eq!(take(&v2(0x21, family, &body)).0.unwrap(), wanted);
    }
}
