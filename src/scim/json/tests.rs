//! The cases of JSONTestSuite (y: must be taken, n: must be refused; of the undecided ones, what
//! we decide), and laws against serde_json.

use std::fmt::Write as _;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Number, Value, json};

use super::*;

#[rustfmt::skip]
const TAKEN: &[&str] = &[
    "[[]   ]", "[\"\"]", "[]", "[\"a\"]", "[false]", "[null, 1, \"1\", {}]", "[null]", "[1\n]",
    " [1]", "[1,null,null,null,2]", "[2] ", "[123e65]", "[0e+1]", "[0e1]", "[ 4]",
    "[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]", "[20e1]",
    "[-0]", "[-123]", "[-1]", "[1E22]", "[1E-2]", "[1E+2]", "[123e45]", "[123.456e78]", "[1e-2]",
    "[1e+2]", "[123]", "[123.456789]", "[1E400]", "[-1e+9999]", "[100000000000000000000]",
    r#"{"asd":"sdf", "dfg":"fgh"}"#, r#"{"asd":"sdf"}"#, "{}", r#"{"":0}"#,
    r#"{"foo\u0000bar": 42}"#, r#"{ "min": -1.0e+28, "max": 1.0e+28 }"#, r#"{"a":[]}"#,
    "{\n\"a\": \"b\"\n}", r#"["\u0060\u012a\u12AB"]"#, r#"["\uD801\udc37"]"#,
    r#"["\ud83d\ude39\ud83d\udc8d"]"#, r#"["\"\\\/\b\f\n\r\t"]"#, r#"["\\u0000"]"#, r#"["\""]"#,
    "[\"a/*b*/c/*d//e\"]", r#"["\\a"]"#, r#"["\\n"]"#, r#"["\u0012"]"#, r#"["\uFFFF"]"#,
    "[\"asd\"]", "[ \"asd\"]", r#"["\uDBFF\uDFFF"]"#, r#"["new\u00A0line"]"#, "[\"\u{10ffff}\"]",
    "[\"\u{ffff}\"]", r#"["\u0000"]"#, "[\"π\"]", "[\"asd \"]", "\" \"", r#"["\uD834\uDd1e"]"#,
    "[\"\u{2028}\"]", "[\"\u{2029}\"]", r#"["\u0821"]"#, r#"["\uDBFF\uDFFE"]"#, "[\"€𝄞\"]",
    "[\"aa\u{7f}a\"]", "false", "42", "-0.1", "null", "\"asd\"", "true", "\"\"", "[\"a\"]\n",
    "[true]", " [] ", "\t\r\n{}\t",
];

#[rustfmt::skip]
const REFUSED: &[&str] = &[
    "", " ", "[1 true]", "[\"\": 1]", "[\"\"],", "[,1]", "[1,,2]", "[\"x\",,]", "[\"x\"]]",
    "[\"\",]", "[\"x\"", "[x", "[3[4]]", "[1:2]", "[,]", "[-]", "[   , \"\"]", "[\"a\",\n4\n,1,",
    "[1,]", "[1,\n1\n,1", "[\"\"", "[,\"\"]", "[*]", "[1", "[1,", "[{}", "[fals]", "[nul]", "[tru]",
    "[++1234]", "[+1]", "[+Inf]", "[-01]", "[-1.0.]", "[-2.]", "[-NaN]", "[.-1]", "[.2e-3]",
    "[0.1.2]", "[0.3e+]", "[0.3e]", "[0.e1]", "[0E+]", "[0E]", "[0e+]", "[0e]", "[1.0e+]",
    "[1.0e-]", "[1.0e]", "[1 000.0]", "[1eE2]", "[2.e+3]", "[2.e-3]", "[2.e3]", "[9.e+]", "[Inf]",
    "[NaN]", "[１]", "[1+2]", "[0x1]", "[0x42]", "[Infinity]", "[0e+-1]", "[-123.123foo]",
    "[-Infinity]", "[-foo]", "[- 1]", "[-012]", "[-.123]", "[-1x]", "[1ea]", "[1.]", "[.123]",
    "[1.2a-3]", "[1.8011670033376514H-308]", "[012]", "[01]", "00", "-", "1.", ".5", "+1",
    "[\"x\", truth]", "{[: \"x\"}", "{\"x\", null}", "{\"x\"::\"b\"}", "{🇨🇭}", "{\"a\":\"a\" 123}",
    "{key: 'value'}", "{\"a\" b}", "{:\"b\"}", "{\"a\" \"b\"}", "{\"a\":", "{\"a\"", "{1:1}",
    "{9999E9999:1}", "{null:null,null:null}", "{\"id\":0,,,,,}", "{'a':0}", "{\"id\":0,}",
    "{\"a\":\"b\"}/**/", "{\"a\":\"b\"}/**//", "{\"a\":\"b\"}//", "{\"a\":\"b\"}/",
    "{\"a\":\"b\",,\"c\":\"d\"}", "{a: \"b\"}", "{\"a\":\"a", "{ \"foo\" : \"bar\", \"a\" }",
    "{\"a\":\"b\"}#", "[\"\\uD800\\\"]", "[\"\\uD800\\u\"]", "[\"\\uD800\\u1\"]",
    "[\"\\uD800\\u1x\"]", "[é]", "[\"\\x00\"]", "[\"\\\\\\\"]", "[\"\\\t\"]", "[\"\\🌀\"]",
    "[\"\\\"]", "[\"\\u00A\"]", "[\"\\uD834\\uDd\"]", "[\"\\uD800\\uD800\\x\"]", "[\"\\a\"]",
    "[\"\\uqqqq\"]", "[\\u0020\"asd\"]", "[\\n]", "\"", "['single quote']", "abc", "[\"\\",
    "[\"a\u{0}a\"]", "[\"new\nline\"]", "[\"\t\"]", "\"\\UA66D\"", "\"\"x", "<.>", "[<null>]",
    "[1]x", "[1]]", "[\"asd]", "aå", "[True]", "1]", "{\"x\": true,", "[][]", "]", "{}}", "{\"\":",
    "{\"a\":/*comment*/\"b\"}", "{\"a\": true} \"x\"", "['", "[,", "[{", "[\"a", "[\"a\"", "{",
    "{]", "{,", "{[", "{\"a", "{'a'", "[\"\\{[\"\\{[\"\\{[\"\\{", "*", "{\"a\":\"b\"}#{}",
    "[\u{2060}]", "[\u{c}]", "\u{feff}", "\u{feff}{}", "[\u{feff}]", "\u{a0}{}", "\u{0}", "{}\u{0}",
    // Undecided by the suite, refused here.
    "[\"\\uDADA\"]", "[\"\\uD888\\u1234\"]", "[\"\\uD800\\n\"]", "[\"\\uDd1ea\"]",
    "[\"\\uD800\\uD800\\n\"]", "[\"\\ud800\"]", "[\"\\ud800abc\"]", "[\"\\uDd1e\\uD834\"]",
    "[\"\\uDFAA\"]",
    // Duplicates, which the suite lets through.
    r#"{"a":"b","a":"c"}"#, r#"{"a":"b","a":"b"}"#, r#"{"a":1,"A":1}"#, r#"{"a":1,"\u0061":1}"#,
    r#"{"userName":"x","USERN\u0041me":"y"}"#, r#"{"x":{"a":1,"b":2,"A":3}}"#,
    r#"[{"\u00e9":1,"é":2}]"#, r#"{"\ud83d\ude39":1,"😹":2}"#, r#"{"":1,"":2}"#,
    // serde_json's private door for numbers.
    r#"{"$serde_json::private::Number":"1"}"#, r#"{"\u0024serde_json::private::RawValue":"1"}"#,
];

/// Bytes that are not UTF-8, in places where a lenient reader would not look.
#[rustfmt::skip]
const NOT_UTF8: &[&[u8]] = &[
    b"[\"\xe0\xff\"]", b"[\"\xff\"]", b"[\"\xc0\xaf\"]", b"[\"\xfc\x83\xbf\xbf\xbf\xbf\"]",
    b"[\"\xed\xa0\x80\"]", b"[\"\xe9\"]", b"[\xff]", b"[123\xe5]", b"[1e1\xe5]", b"[0\xe5]",
    b"{\"\xb9\":\"0\",}", b"[\"\\u\xe5\"]", b"[\"\\\xe5\"]", b"[a\xe5]", b"\xff\xfe[\x00\"\x00",
    b"[\xe5", b"\xe5{}",
];

#[test]
fn takes_what_must_be_taken() {
    for text in TAKEN {
        let value = parse(text.as_bytes());
        assert!(value.is_ok(), "{text}: {value:?}");
        let object = check(Bytes::from(*text)).is_ok();
        assert_eq!(object, text.trim_start().starts_with('{'), "{text}");
    }
}

#[test]
fn refuses_what_must_be_refused() {
    for text in REFUSED
        .iter()
        .map(|text| text.as_bytes())
        .chain(NOT_UTF8.iter().copied())
    {
        let shown = String::from_utf8_lossy(text);
        assert!(parse(text).is_err(), "{shown}");
        assert!(check(Bytes::copy_from_slice(text)).is_err(), "{shown}");
        let inside = [b"{\"k\":", text, b"}"].concat();
        assert!(parse(&inside).is_err(), "inside an object: {shown}");
    }
}

#[test]
fn same_name_in_different_objects_is_no_duplicate() {
    for text in [
        r#"{"a":{"a":{"a":1}},"b":{"a":2}}"#,
        r#"[{"a":1},{"a":2}]"#,
        r#"{"a":{"b":1},"b":2}"#,
        r#"{"é":1,"É":2}"#,
    ] {
        assert!(parse(text.as_bytes()).is_ok(), "{text}");
    }
    // A name of the outer object after an inner one has closed.
    assert!(parse(br#"{"a":{"b":1},"c":{},"a":2}"#).is_err());
}

#[test]
fn depth_is_64() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
    let error = parse(nested(MAX_DEPTH + 1).as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 1 column 65: nested more than 64 deep"
    );
    let objects = |depth: usize| r#"{"a":"#.repeat(depth) + "1" + &"}".repeat(depth);
    assert!(check(objects(MAX_DEPTH).into()).is_ok());
    assert!(check(objects(MAX_DEPTH + 1).into()).is_err());
    assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
}

#[test]
fn errors_say_where_and_what_without_values() {
    let cases = [
        (
            "{\n  \"a\": 1,\n  \"A\": 2\n}",
            "line 3 column 3: the name `A` stands twice in one object",
        ),
        (
            r#"{"pass":"x" hunter2}"#,
            "line 1 column 13: expected `,` or `}`, found something else",
        ),
        (
            r#"{"a\u0007b":1,"a\u0007b":2}"#,
            r"line 1 column 15: the name `a\u{7}b` stands twice in one object",
        ),
        ("[]", "line 1 column 1: expected an object, found `[`"),
        ("", "line 1 column 1: expected an object, found the end"),
        (
            r#"{"a":01}"#,
            "line 1 column 6: a number with a leading zero",
        ),
        (
            r#"{"a":"\ud800"}"#,
            "line 1 column 7: half of a surrogate pair",
        ),
        (
            "{\"a\":\"\n\"}",
            "line 1 column 7: a control character in a string",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(check(text.into()).unwrap_err().to_string(), expected);
    }
    let long = "n".repeat(500);
    let error = check(format!(r#"{{"{long}":1,"{long}":2}}"#).into()).unwrap_err();
    assert!(error.problem.len() < 120, "{error}");
}

#[test]
fn many_names_are_compared_alike() {
    let mut text = String::from("{");
    for index in 0..100_000 {
        let _ = write!(text, "\"name{index}\":0,");
    }
    let unique = format!("{text}\"last\":0}}");
    assert!(check(unique.into()).is_ok());
    for twice in ["name0", "NAME7", "na\\u006de23", "NAME24", "name99999"] {
        assert!(
            check(format!("{text}\"{twice}\":0}}").into()).is_err(),
            "{twice}"
        );
    }
}

#[test]
fn numbers_keep_their_value() {
    for number in [
        "18446744073709551616",
        "1.10",
        "-0",
        "0.1234567890123456789012345678901234567",
    ] {
        let checked = check(format!(r#"{{"n":{number}}}"#).into()).unwrap();
        let printed = serde_json::to_string(&checked.parse()).unwrap();
        assert_eq!(printed, format!(r#"{{"n":{number}}}"#));
    }
}

#[test]
fn plain_run_ends_at_the_first_special_byte() {
    for special in [b'"', b'\\', 0, 0x1f, b'\n'] {
        for at in 0..40 {
            let mut text = vec![b'x'; 40];
            text[at] = special;
            text[39] = 0xff;
            assert_eq!(plain_run(&text), if at == 39 { 40 } else { at });
        }
    }
    let plain = "ÿ!#[]\u{7f} é€𝄞".as_bytes();
    assert_eq!(plain_run(plain), plain.len());
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |n| Number::from_f64(n).map(Value::Number)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..40).prop_map(|members| {
                let mut map = Map::new();
                for (name, value) in members {
                    if super::super::resource::get(&map, &name).is_none() {
                        map.insert(name, value);
                    }
                }
                Value::Object(map)
            }),
        ]
    })
}

/// Texts near JSON: its tokens, in any order.
fn near_json() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"A\"",
        "\"b\"",
        "1",
        "-",
        "0",
        ".5",
        "e1",
        "null",
        "true",
        " ",
        "\n",
        "\"\\u0061\"",
        "\"\\ud800\"",
        "\"",
        "\\",
    ]);
    prop::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat())
}

/// Takes everything apart.
fn open(node: &mut Node<'_>) {
    node.array().into_iter().flatten().for_each(open);
    for (_, value) in node.object().into_iter().flat_map(Members::iter_mut) {
        open(value);
    }
}

/// However much of it is taken apart, a document is what serde_json reads, and so is its print.
fn same_in_parts(text: &Checked) -> Result<(), TestCaseError> {
    let whole = Value::from(text.parse());
    let mut node = Node::from(text.members());
    prop_assert!(node.to_value() == whole);
    open(&mut node);
    prop_assert!(node.to_value() == whole);
    for node in [node, Node::from(&whole), Node::from(whole.clone())] {
        let mut printed = Vec::new();
        node.print(&mut printed);
        prop_assert_eq!(parse(&printed).unwrap(), whole.clone());
    }
    Ok(())
}

#[test]
fn members_are_found_in_any_case_and_keep_their_order() {
    let text = check(r#" { "A" : 1 , "b\u0042":[ ], "c" : { } , "d":"\"" } "#.into()).unwrap();
    let mut members = text.members();
    let absent: Vec<_> = members.iter().map(|(_, value)| value.is_absent()).collect();
    assert_eq!(absent, [false, true, true, false]);
    assert_eq!(members.find("D").unwrap().as_str().unwrap(), "\"");
    assert_eq!(members.find("a").unwrap().as_number(), Some("1"));
    *members.slot("a") = "x".into();
    *members.slot("bb").make_array().unwrap() = vec![Node::NULL];
    *members.slot("e").make_object().unwrap().slot("f") = String::from("\u{1}").into();
    assert!(members.remove("C").is_some() && members.remove("C").is_none());
    let printed = Checked::print(&members, 0).into_bytes();
    assert_eq!(
        printed,
        r#"{"A":"x","bB":[null],"d":"\"","e":{"f":"\u0001"}}"#.as_bytes()
    );
}

proptest! {
    #[test]
    fn taken_apart_a_document_is_the_same(value in any_value(), near in near_json()) {
        let pretty = serde_json::to_vec_pretty(&json!({ "v": value })).unwrap();
        same_in_parts(&check(pretty.into()).unwrap())?;
        if let Ok(text) = check(near.into()) {
            same_in_parts(&text)?;
        }
    }

    #[test]
    fn what_is_printed_is_taken_and_read_alike(value in any_value()) {
        let text = serde_json::to_vec(&value).unwrap();
        let pretty = serde_json::to_vec_pretty(&json!({ "v": value })).unwrap();
        let map: Map<String, Value> = serde_json::from_slice(&pretty).unwrap();
        prop_assert_eq!(check(pretty.into()).unwrap().parse().into_map(), map);
        prop_assert_eq!(parse(&text).unwrap(), value);
    }

    #[test]
    fn what_is_taken_serde_json_takes(text in near_json()) {
        let plain = serde_json::from_str::<Value>(&text);
        match scan::scan(text.as_bytes(), scan::Top::Any) {
            Ok(()) => prop_assert!(plain.is_ok(), "{}", text),
            Err(fault) => {
                let error = fault.locate(text.as_bytes()).problem;
                let stricter = error.contains("twice") || error.contains("surrogate");
                prop_assert!(plain.is_err() || stricter, "{}: {}", text, error);
            }
        }
    }

    #[test]
    fn nothing_panics(text in prop::collection::vec(any::<u8>(), 0..64)) {
        if scan::scan(&text, scan::Top::Any).is_ok() {
            prop_assert!(serde_json::from_slice::<Value>(&text).is_ok());
        }
    }

    #[test]
    fn a_changed_byte_never_splits_the_readers(
        value in any_value(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut text = serde_json::to_vec(&json!({ "v": value })).unwrap();
        let at = at.index(text.len());
        text[at] = byte;
        if scan::scan(&text, scan::Top::Any).is_ok() {
            prop_assert!(serde_json::from_slice::<Value>(&text).is_ok());
        }
    }
}
