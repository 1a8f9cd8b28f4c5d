//! Framing by example, over every cut, and against the whole reader.

use proptest::prelude::*;
use serde_json::json;

use super::*;

type Framed = Result<(Vec<Bytes>, Envelope), String>;

/// Frames a text that comes in pieces of the given sizes, over and over.
fn frame(text: &[u8], sizes: &[usize], max: usize) -> Framed {
    let mut framer = Framer::new(max);
    let mut out = Vec::new();
    let mut rest = Bytes::copy_from_slice(text);
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = (*sizes.next().unwrap()).clamp(1, rest.len());
        let chunk = rest.split_to(size);
        framer
            .push(&chunk, &mut out)
            .map_err(|error| error.to_string())?;
    }
    let envelope = framer.finish().map_err(|error| error.to_string())?;
    Ok((out, envelope))
}

fn whole(text: &str) -> Framed {
    frame(text.as_bytes(), &[usize::MAX], 1 << 20)
}

fn shown(text: &str) -> (Vec<String>, Envelope) {
    let (elements, envelope) = whole(text).unwrap();
    let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    (elements.into_iter().map(text).collect(), envelope)
}

const NASTY: &str = concat!(
    "{ \"schemas\":[\"urn:{]\\\"[\"], \"x\" : {\"Resources\":[{}]},\n \"Resour\\u0063es\":[",
    "{\"a\":\"}]{\\\"\\\\\"}, {\"b\":[[{}],{\"c\":\"\\\\\"}]}\n,{}] , \"totalResults\": \"3\",",
    "\"startIndex\":1,\"n\":null,\"t\":-1.5e3,\"é\":\"\\ud83d\\ude39😹\" } \n"
);

#[test]
fn hands_over_each_element_and_remembers_the_envelope() {
    let (elements, envelope) = shown(NASTY);
    assert_eq!(
        elements,
        [r#"{"a":"}]{\"\\"}"#, r#"{"b":[[{}],{"c":"\\"}]}"#, "{}"]
    );
    assert_eq!(
        envelope,
        Envelope {
            total: Some(3),
            start: Some(1)
        }
    );
}

#[test]
fn every_two_cuts_give_the_same() {
    let text = NASTY.as_bytes();
    let expected = whole(NASTY);
    for first in 1..text.len() {
        for second in 1..text.len() - first {
            let sizes = [first, second, text.len()];
            assert_eq!(frame(text, &sizes, 1 << 20), expected, "{first} {second}");
        }
    }
}

#[test]
fn understands_untidy_directories() {
    for (text, count, total) in [
        (r#"{"resources":[{}],"totalresults":"1"}"#, 1, Some(1)),
        (r#"{"totalResults":0}"#, 0, Some(0)),
        (r#"{"totalResults":7,"Resources":[]}"#, 0, Some(7)),
        (r#"{"Resources":null,"totalResults":0}"#, 0, Some(0)),
        (r#"{"Resources":[{}],"totalResults":null}"#, 1, None),
        (r#"{"Resources":[{}],"totalResults":-1}"#, 1, None),
        (" [ {} , {\"a\":1} ] ", 2, None),
        ("[]", 0, None),
    ] {
        let (elements, envelope) = shown(text);
        assert_eq!((elements.len(), envelope.total), (count, total), "{text}");
    }
}

#[test]
fn refuses_what_is_no_list() {
    for text in [
        "",
        " ",
        "{",
        "[",
        "[{}",
        "[{}]x",
        "[{},]",
        "[{} {}]",
        "[,{}]",
        "[1]",
        "[null]",
        "[[]]",
        "[\"a\"]",
        "{}",
        r#"{"detail":"no"}"#,
        "null",
        "1",
        r#""Resources""#,
        r#"{"Resources":{}}"#,
        r#"{"Resources":"x"}"#,
        r#"{"Resources":nul}"#,
        r#"{"Resources":[{}],"resources":[]}"#,
        r#"{"Resources":[],"Resour\u0063es":[]}"#,
        r#"{"totalResults":1,"totalResults":2,"Resources":[]}"#,
        r#"{"Resources":[]"#,
        r#"{"Resources":[],}"#,
        r#"{,"Resources":[]}"#,
        r#"{"Resources" []}"#,
        r#"{"Resources":[]}}"#,
        r#"{"Resources":[]} {}"#,
        r#"{"Resources":[{}]]}"#,
        r#"{"a":[},"Resources":[]}"#,
        r#"{"a":01,"Resources":[]}"#,
        r#"{"a":,"Resources":[]}"#,
        r#"{"a":tru,"Resources":[]}"#,
        r#"{"\ud800":1,"Resources":[]}"#,
        r#"{"a":1"b":2,"Resources":[]}"#,
        "\u{feff}[]",
        "{Resources:[]}",
    ] {
        assert!(whole(text).is_err(), "{text}");
    }
    assert!(frame(b"{\"a\":\"\xff\",\"Resources\":[]}", &[3], 100).is_err());
}

#[test]
fn limits_one_element_not_the_list() {
    let element = format!("{{\"a\":\"{}\"}}", "x".repeat(92));
    let list = format!("[{element},{element},{element}]");
    for sizes in [&[1][..], &[7, 30], &[1000]] {
        assert_eq!(frame(list.as_bytes(), sizes, 100).unwrap().0.len(), 3);
        let error = frame(list.as_bytes(), sizes, 99).unwrap_err();
        assert!(error.ends_with("a part is larger than 99 bytes"), "{error}");
    }
    // An element without end is refused before it is held.
    let endless = format!("[{{\"a\":\"{}", "x".repeat(1000));
    assert!(
        frame(endless.as_bytes(), &[10], 100)
            .unwrap_err()
            .contains("larger than 100")
    );
}

#[test]
fn says_where() {
    for sizes in [&[1][..], &[4], &[1000]] {
        let error = frame(b"{\n \"Resources\":\n  [{}, 1]}", sizes, 100).unwrap_err();
        assert_eq!(error, "line 3 column 8: expected an object in `Resources`");
        let error = frame(b"{\n \"Resources\":[", sizes, 100).unwrap_err();
        assert_eq!(
            error,
            "line 2 column 15: the text ends before the list does"
        );
    }
}

#[test]
fn stays_refused() {
    let mut framer = Framer::new(100);
    let mut out = Vec::new();
    assert!(framer.push(&Bytes::from("[{},x"), &mut out).is_err());
    assert!(framer.push(&Bytes::from(",{}]"), &mut out).is_err());
    assert_eq!(out.len(), 1);
    assert!(framer.finish().is_err());
}

fn any_text() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"Resources\"",
        "\"a\"",
        "\"totalResults\"",
        "1",
        "null",
        " ",
        "\"\\\"\"",
        "{}",
        "[{}]",
        "\\",
        "\"",
        "{\"Resources\":[",
        "]}",
    ]);
    prop::collection::vec(token, 0..16).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn any_chunking_frames_alike(
        elements in prop::collection::vec(any::<(String, i64)>(), 0..8),
        sizes in prop::collection::vec(1usize..20, 1..6),
        total in any::<u32>(),
    ) {
        let elements: Vec<Value> = elements
            .into_iter()
            .map(|(text, number)| json!({"userName": text, "x": [{ "n": number }]}))
            .collect();
        let list = json!({"totalResults": total, "Resources": elements});
        let text = serde_json::to_vec_pretty(&list).unwrap();
        let (framed, envelope) = frame(&text, &sizes, 1 << 16).unwrap();
        let framed: Vec<Value> =
            framed.iter().map(|element| json::parse(element).unwrap()).collect();
        prop_assert_eq!(framed, elements);
        prop_assert_eq!(envelope.total, Some(total as usize));
    }

    #[test]
    fn odd_texts_frame_alike_or_fail_alike(
        text in any_text(), sizes in prop::collection::vec(1usize..5, 1..4),
    ) {
        prop_assert_eq!(frame(text.as_bytes(), &sizes, 1 << 16), whole(&text));
    }

    #[test]
    fn what_is_framed_and_checked_is_json(text in any_text()) {
        if let Ok((elements, _)) = whole(&text)
            && elements.iter().all(|element| json::parse(element).is_ok())
        {
            prop_assert!(json::parse(text.as_bytes()).is_ok(), "{}", text);
        }
    }

    #[test]
    fn nothing_panics(
        text in prop::collection::vec(any::<u8>(), 0..64),
        sizes in prop::collection::vec(1usize..9, 1..4),
    ) {
        let _ = frame(&text, &sizes, 16);
    }
}
