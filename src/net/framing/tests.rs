//! What the scanner clears and refuses, and that no way to cut the bytes changes it.

use proptest::prelude::*;

use super::{Limits, Refusal, Scanner, request_line};

/// Small, so that short texts reach them.
const SMALL: Limits = Limits {
    head: 400,
    target: 40,
    fields: 8,
    chunk_line: 40,
};

/// How many bytes were cleared, how many heads, and what ended it.
type Verdict = (usize, u64, Option<Refusal>);

/// Feeds the bytes in parts of these sizes (then the rest), as the guard does.
fn fed(bytes: &[u8], cuts: &[usize]) -> Verdict {
    let mut scanner = Scanner::new(SMALL);
    let mut held = Vec::new();
    let mut total = 0;
    let mut rest = bytes;
    for cut in cuts.iter().copied().chain([usize::MAX]) {
        let (part, more) = rest.split_at(cut.min(rest.len()));
        rest = more;
        held.extend_from_slice(part);
        let (cleared, refusal) = scanner.advance(&held);
        held.drain(..cleared);
        total += cleared;
        if refusal.is_some() {
            return (total, scanner.heads(), refusal);
        }
    }
    (total, scanner.heads(), None)
}

fn whole(text: &str) -> Verdict {
    fed(text.as_bytes(), &[])
}

#[track_caller]
fn passes(text: &str, heads: u64) {
    assert_eq!(whole(text), (text.len(), heads, None), "{text:?}");
}

#[track_caller]
fn refuses(text: &str, refusal: Refusal) {
    let verdict = whole(text);
    assert_eq!((verdict.1, verdict.2), (0, Some(refusal)), "{text:?}");
    assert_eq!(verdict.0, 0, "nothing of a refused head goes on: {text:?}");
}

/// A request with these header lines after `Host`.
fn with(lines: &str) -> String {
    format!("POST /Users HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

#[test]
fn well_formed_requests_pass_one_after_another() {
    let get =
        "GET /Users?filter=a%20eq HTTP/1.1\r\nHost: scim.example.com:8443\r\nAccept:*/*\r\n\r\n";
    let post = format!("{}hello", with("Content-Length: 5\r\n"));
    let chunked = with("transfer-encoding:\tCHUNKED \r\n")
        + "5\r\nhello\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n";
    passes(get, 1);
    passes(&post, 1);
    passes(&chunked, 1);
    passes(&format!("{post}{get}{chunked}\r\n{get}{post}"), 5);
    passes("GET / HTTP/1.0\r\n\r\n", 1);
    passes("GET / HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n", 1);
    passes("GET / HTTP/1.1\r\nHost: a\r\nX: \u{e9}\tb\r\nY:\r\n\r\n", 1);
}

#[test]
fn what_is_incomplete_is_held_back_as_a_whole() {
    let text = "GET / HTTP/1.1\r\nHost: a\r\n\r";
    assert_eq!(whole(text), (0, 0, None));
    let two = format!("{text}\n{text}");
    assert_eq!(whole(&two), (text.len() + 1, 1, None));
    let body = with("Content-Length: 50\r\n") + "part";
    assert_eq!(whole(&body), (body.len(), 1, None));
}

#[test]
fn two_lengths_are_never_let_through() {
    use Refusal::*;
    let length = "Content-Length: 5\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    refuses(&with(&format!("{length}{chunked}")), TwoLengths);
    refuses(&with(&format!("{chunked}{length}")), TwoLengths);
    refuses(&with(&format!("{length}{length}")), ContentLengths);
    refuses(
        &with(&format!("{length}CONTENT-LENGTH: 6\r\n")),
        ContentLengths,
    );
    refuses(&with(&format!("{chunked}{chunked}")), TransferEncoding);
    for value in [
        "",
        "+5",
        "-1",
        "0x5",
        "5,5",
        "5 5",
        "5;",
        "1234567890123456",
        "5\u{a0}",
        "\u{ff15}",
    ] {
        refuses(
            &with(&format!("Content-Length: {value}\r\n")),
            ContentLength,
        );
    }
    for value in [
        "",
        "gzip",
        "gzip, chunked",
        "chunked, chunked",
        "identity",
        "chunked,",
        "xchunked",
        "chunked;q=1",
        "\"chunked\"",
    ] {
        refuses(
            &with(&format!("Transfer-Encoding: {value}\r\n")),
            TransferEncoding,
        );
    }
    refuses(
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        TransferEncoding,
    );
}

#[test]
fn lines_end_one_way_only() {
    use Refusal::*;
    refuses("GET / HTTP/1.1\nHost: a\n\n", BareLineFeed);
    refuses("GET / HTTP/1.1\r\nHost: a\n\r\n", BareLineFeed);
    refuses("GET / HTTP/1.1\r\nHost: a\r\n\n", BareLineFeed);
    refuses("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", BareLineFeed);
    refuses(&with("X: a\rContent-Length: 5\r\n"), FieldValue);
    refuses(&with("X: a\r\r\n"), FieldValue);
    refuses(&with("X: a\r\n b\r\n"), Folded);
    refuses(&with("X: a\r\n\tContent-Length: 5\r\n"), Folded);
    refuses("GET / HTTP/1.1\r\n Host: a\r\n\r\n", Folded);
    let blank = whole("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(
        blank,
        (2, 0, Some(RequestLine)),
        "one empty line may come before, not two"
    );
}

#[test]
fn names_values_and_hosts_are_clean() {
    use Refusal::*;
    for line in [
        "Content-Length : 5",
        "X y: 1",
        ": 1",
        "X",
        "X\u{0}: 1",
        "(x): 1",
        "X\u{e9}: 1",
        "X\u{b}: 1",
    ] {
        refuses(&with(&format!("{line}\r\n")), FieldName);
    }
    for value in ["\u{0}", "a\u{1}b", "\u{7f}", "\u{b}", "\u{1b}[2J"] {
        refuses(&with(&format!("X: {value}\r\n")), FieldValue);
    }
    refuses("GET / HTTP/1.1\r\n\r\n", Hosts);
    refuses("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", Hosts);
    refuses("GET / HTTP/1.0\r\nHost: a\r\nhost: a\r\n\r\n", Hosts);
    for host in [
        "", "a b", "a, b", "u@a", "a/b", "a:port", "a:123456", ":80", "[::1", "[x]:1", "[]",
        "[::1]x", "a:1:2", "a\u{e9}",
    ] {
        refuses(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), Host);
    }
}

#[test]
fn request_lines_are_a_method_a_path_and_a_version() {
    use Refusal::*;
    let line = |line: &str| format!("{line}\r\nHost: a\r\n\r\n");
    for target in ["http://a/Users", "a:80", "*", "Users", "", "/a#b"] {
        refuses(&line(&format!("GET {target} HTTP/1.1")), Target);
    }
    for target in [
        "/\u{e9}", "/a\u{0}", "/a\tb", "/a\"", "/<", "/>", "/`", "/?\"", "/?<", "/?>",
    ] {
        refuses(&line(&format!("GET {target} HTTP/1.1")), TargetBytes);
    }
    refuses(&line("CONNECT /a HTTP/1.1"), Target);
    for text in [
        "GET /",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "G@T / HTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/1.1x",
        "GET / HTTP/11",
        "/ HTTP/1.1",
        "GET\t/ HTTP/1.1",
    ] {
        refuses(&line(text), RequestLine);
    }
    refuses("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Version);
    refuses(&line("GET / HTTP/1.2"), Version);
    refuses(&line("GET / HTTP/0.9"), Version);
    refuses(
        &line(&format!("GET /{} HTTP/1.1", "a".repeat(40))),
        TargetTooLong,
    );
}

#[test]
fn chunks_are_framed_strictly() {
    use Refusal::*;
    let head = with("Transfer-Encoding: chunked\r\n");
    for (body, refusal) in [
        ("x\r\n", Chunk),
        ("\r\n", Chunk),
        ("0x5\r\nhello", Chunk),
        ("+5\r\n", Chunk),
        ("5 \r\nhello", Chunk),
        (" 5\r\nhello", Chunk),
        ("5;a\u{0}\r\nhello", Chunk),
        ("5;a\rb\r\nhello", Chunk),
        ("5\nhello", BareLineFeed),
        ("5;a\nhello", BareLineFeed),
        ("1000000000000000\r\n", Chunk),
        ("5\r\nhello0\r\n\r\n", Chunk),
        ("5\r\nhello\n0\r\n\r\n", Chunk),
        ("5\r\nhello\r0\r\n\r\n", Chunk),
        ("0\r\nX: 1\n\r\n", BareLineFeed),
        ("0\r\n X: 1\r\n\r\n", Folded),
        ("0\r\nX : 1\r\n\r\n", FieldName),
        ("0\r\nX: \u{0}\r\n\r\n", FieldValue),
        ("0\r\n\n", BareLineFeed),
    ] {
        let verdict = whole(&format!("{head}{body}GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!((verdict.1, verdict.2), (1, Some(refusal)), "{body:?}");
    }
    let long = format!("{head}5;{}", "a".repeat(60));
    assert_eq!(whole(&long).2, Some(Chunk));
    let trailers = format!("{head}0\r\n{}", "X: 123456\r\n".repeat(9));
    assert_eq!(whole(&trailers).2, Some(Chunk));
}

#[test]
fn sizes_are_bounded() {
    refuses(&with(&"A: b\r\n".repeat(8)), Refusal::TooLarge);
    passes(&with(&"A: b\r\n".repeat(7)), 1);
    refuses(
        &with(&format!("A: {}\r\n", "b".repeat(400))),
        Refusal::TooLarge,
    );
    let frame = with("A: \r\n").len();
    let filled = |size: usize| with(&format!("A: {}\r\n", "b".repeat(size - frame)));
    passes(&filled(SMALL.head), 1);
    refuses(&filled(SMALL.head + 1), Refusal::TooLarge);
    let endless = format!("GET /{}", "a".repeat(400));
    refuses(&endless, Refusal::TooLarge);
    // A body may be as long as it says.
    let body = with("Content-Length: 999999999999999\r\n") + &"x".repeat(5_000);
    passes(&body, 1);
}

/// Pieces from which both good and bad messages come together.
fn piece() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n",
        "POST /x HTTP/1.1\r\nHost: a\r\n",
        "Host: a\r\n",
        "Content-Length: 3\r\n",
        "Content-Length: 0\r\n",
        "Transfer-Encoding: chunked\r\n",
        "X-Y: z\r\n",
        "\r\n",
        "\n",
        "\r",
        "abc",
        "3\r\nabc\r\n",
        "0\r\n\r\n",
        "0\r\n",
        "3;e=1\r\n",
        " ",
        ":",
        "\u{0}",
    ]);
    prop_oneof![8 => fixed.prop_map(str::to_owned), 1 => "[ -~\r\n]{0,60}"]
}

fn good() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("GET /a HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        "[a-z0-9\r\n:]{0,30}".prop_map(|body| {
            format!(
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        }),
        prop::collection::vec("[a-z0-9\r\n:]{1,30}", 0..4).prop_map(|chunks| {
            let mut text = with("Transfer-Encoding: chunked\r\n");
            for chunk in chunks {
                text += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
            }
            text + "0\r\n\r\n"
        }),
    ]
}

proptest! {
    #[test]
    fn any_cut_of_any_bytes_gives_the_same_verdict(
        pieces in prop::collection::vec(piece(), 0..12),
        cuts in prop::collection::vec(0_usize..30, 0..40),
    ) {
        let text = pieces.concat();
        let whole = fed(text.as_bytes(), &[]);
        prop_assert_eq!(fed(text.as_bytes(), &cuts), whole);
        prop_assert_eq!(fed(text.as_bytes(), &vec![1; text.len()]), whole);
    }

    #[test]
    fn good_messages_pass_however_they_are_cut(
        messages in prop::collection::vec(good(), 1..6),
        cuts in prop::collection::vec(0_usize..30, 0..40),
    ) {
        let text = messages.concat();
        prop_assert_eq!(fed(text.as_bytes(), &cuts), (text.len(), messages.len() as u64, None));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let (cleared, _, _) = fed(&bytes, &[]);
        prop_assert!(cleared <= bytes.len());
    }
}

/// hyper answers a target that it does not take with an empty 400: it must never get to see one.
#[test]
fn every_target_that_passes_is_one_for_hyper() {
    for byte in u8::MIN..=u8::MAX {
        for before in ["/", "/a?b="] {
            let target = [before.as_bytes(), &[byte]].concat();
            let line = [b"GET ", target.as_slice(), b" HTTP/1.1"].concat();
            if request_line(&line, &SMALL).is_ok() {
                http::Uri::try_from(target.as_slice()).unwrap();
            }
        }
    }
}
