//! Filters and paths that parse and that do not, with what exactly is said; the RFC's examples.

use super::*;
use crate::scim::accent::Accent;
use crate::scim::schema::{ENTERPRISE_USER, Schema, TypeSchema, USER, group, user};

fn print(text: &str) -> String {
    let mut accents = Accents::accepted();
    match filter(text, &user(), &mut accents) {
        Ok(filter) => filter.to_string(),
        Err(error) => panic!("{text}: {error}"),
    }
}

fn error(text: &str) -> String {
    match filter(text, &user(), &mut Accents::accepted()) {
        Ok(filter) => panic!("{text} parses to {filter}"),
        Err(error) => error.to_string(),
    }
}

fn patch(text: &str) -> Result<String, String> {
    let path = patch_path(text, &user(), &mut Accents::accepted());
    path.map(|p| p.to_string()).map_err(|e| e.to_string())
}

#[test]
fn rfc7644_3_4_2_2_examples() {
    for text in [
        r#"userName eq "bjensen""#,
        r#"name.familyName co "O'Malley""#,
        r#"userName sw "J""#,
        r#"title pr"#,
        r#"meta.lastModified gt "2011-05-13T04:42:34Z""#,
        r#"meta.lastModified ge "2011-05-13T04:42:34Z""#,
        r#"meta.lastModified lt "2011-05-13T04:42:34Z""#,
        r#"meta.lastModified le "2011-05-13T04:42:34Z""#,
        r#"title pr and userType eq "Employee""#,
        r#"title pr or userType eq "Intern""#,
        r#"schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User""#,
        r#"userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")"#,
        r#"userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")"#,
        r#"userType eq "Employee" and emails[type eq "work" and value co "@example.com"]"#,
    ] {
        assert_eq!(print(text), text);
    }
    assert_eq!(
        print(r#"userType eq "Employee" and (emails.type eq "work")"#),
        r#"userType eq "Employee" and emails.type eq "work""#
    );
    assert_eq!(
        print(r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J""#),
        r#"userName sw "J""#
    );
    assert_eq!(
        print(concat!(
            r#"emails[type eq "work" and value co "@example.com"] or "#,
            r#"ims[type eq "xmpp" and value co "@foo.com"]"#
        )),
        concat!(
            r#"emails[type eq "work" and value co "@example.com"] or "#,
            r#"ims[type eq "xmpp" and value co "@foo.com"]"#
        )
    );
}

#[test]
fn rfc7644_3_5_2_patch_paths() {
    for text in [
        "members",
        "name.familyName",
        r#"addresses[type eq "work"]"#,
        r#"members[value eq "2819c223-7f76-453a-919d-413861904646"]"#,
        r#"members[value eq "2819c223-7f76-453a-919d-413861904646"].displayName"#,
        r#"emails[type eq "work" and value ew "example.com"]"#,
        r#"addresses[type eq "work"].streetAddress"#,
    ] {
        assert_eq!(patch(text).as_deref(), Ok(text));
    }
}

#[test]
fn what_real_clients_send_as_filters() {
    for (text, printed) in [
        // Entra: attributes that it matches on, a random id, two terms.
        (r#"externalId eq "jyoung""#, r#"externalId eq "jyoung""#),
        (r#"displayName eq "d""#, r#"displayName eq "d""#),
        (
            r#"id eq "9ba93a6c" and manager eq "26118915""#,
            r#"id eq "9ba93a6c" and urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq "26118915""#,
        ),
        (
            r#"id eq "G" and members eq "U""#,
            r#"id eq "G" and members eq "U""#,
        ),
        (
            r#"emails[type eq "work"].value eq "a@b.c""#,
            r#"emails[type eq "work" and value eq "a@b.c"]"#,
        ),
        (
            r#"emails[type eq "a" or type eq "b"].value pr and id pr"#,
            r#"emails[(type eq "a" or type eq "b") and value pr] and id pr"#,
        ),
        (
            r#"roles[primary eq "True"].value eq "x""#,
            r#"roles[primary eq true and value eq "x"]"#,
        ),
        (
            r#"emails[not(primary eq "false")]"#,
            r#"emails[not (primary eq false)]"#,
        ),
        (r#"active eq "TRUE""#, "active eq true"),
        (r#"active eq True"#, "active eq true"),
        (r#"emails.primary ne "False""#, "emails.primary ne false"),
        (r#"userName eq "True""#, r#"userName eq "True""#),
        (r#"active eq "yes""#, r#"active eq "yes""#),
        // Okta.
        (
            r#"userName eq "a+b@example.com""#,
            r#"userName eq "a+b@example.com""#,
        ),
        (r#"  userName   eq   "x"  "#, r#"userName eq "x""#),
        ("\tuserName\teq\t\"x\"\t", r#"userName eq "x""#),
    ] {
        assert_eq!(print(text), printed, "{text}");
    }
}

#[test]
fn spelling_precedence_and_grouping() {
    for (text, printed) in [
        ("USERNAME EQ \"x\"", "USERNAME eq \"x\""),
        ("a pr AND b pr Or c pr", "a pr and b pr or c pr"),
        ("a pr or b pr and c pr", "a pr or b pr and c pr"),
        ("(a pr or b pr) and c pr", "(a pr or b pr) and c pr"),
        ("((a pr and b pr)) and ((c pr))", "a pr and b pr and c pr"),
        (
            "a pr or (b pr or (c pr or d pr))",
            "a pr or b pr or c pr or d pr",
        ),
        ("not(a pr)", "not (a pr)"),
        ("NOT\t(a pr)and(b pr)", "not (a pr) and b pr"),
        ("not (not (a pr))", "not (not (a pr))"),
        ("not (a pr and b pr) or c pr", "not (a pr and b pr) or c pr"),
        ("not eq 1", "not eq 1"),
        ("and pr and or pr or pr pr", "and pr and or pr or pr pr"),
        ("members.$ref ew \"/1\"", "members.$ref ew \"/1\""),
        ("members[$ref ew \"/1\"]", "members[$ref ew \"/1\"]"),
        ("( a pr )", "a pr"),
        ("emails[ type eq \"w\" ]", "emails[type eq \"w\"]"),
        (
            "emails[type eq \"w\" and (value pr or display pr)]and a pr",
            "emails[type eq \"w\" and (value pr or display pr)] and a pr",
        ),
        ("a eq\"x\"", "a eq \"x\""),
        ("x eq null and y ne NULL", "x eq null and y ne null"),
        ("x eq -0.0 or x eq 1E5", "x eq -0.0 or x eq 1e+5"),
        (
            "x eq 123456789012345678901234567890.10",
            "x eq 123456789012345678901234567890.10",
        ),
        (
            r#"x eq "\u00e9\n\"\\\/\ud83d\ude00""#,
            "x eq \"é\\n\\\"\\\\/😀\"",
        ),
        (r#"x eq """#, r#"x eq """#),
        (r#"x eq ") and (""#, r#"x eq ") and (""#),
        ("_x-1 pr", "_x-1 pr"),
    ] {
        assert_eq!(print(text), printed, "{text}");
        assert_eq!(print(printed), printed);
    }
}

#[test]
fn names_with_uris_split_at_the_longest_known_one() {
    let odd = TypeSchema {
        extensions: [ENTERPRISE_USER, "urn:acme", "urn:acme:2.0"]
            .map(|uri| Schema::new(uri.parse().unwrap(), "X", "", Vec::new()).into())
            .into(),
        ..user()
    };
    let parts = |text: &str| {
        let path = attr_path(text, &odd).unwrap();
        let sub = path.sub.map(|s| s.to_string()).unwrap_or_default();
        let uri = path.uri.map(|u| u.to_string()).unwrap_or_default();
        (uri, path.name.to_string(), sub)
    };
    let of = |uri: &str, name: &str, sub: &str| (uri.to_owned(), name.to_owned(), sub.to_owned());
    for (text, wanted) in [
        (
            format!("{USER}:name.givenName"),
            of("", "name", "givenName"),
        ),
        (
            format!("{}:userName", USER.to_uppercase()),
            of("", "userName", ""),
        ),
        (
            format!("{ENTERPRISE_USER}:manager.value"),
            of(ENTERPRISE_USER, "manager", "value"),
        ),
        ("URN:ACME:x.y".to_owned(), of("urn:acme", "x", "y")),
        ("urn:acme:2.0:x".to_owned(), of("urn:acme:2.0", "x", "")),
        ("urn:acme:3.0:x.y".to_owned(), of("urn:acme:3.0", "x", "y")),
        (
            "http://acme.example/s:x".to_owned(),
            of("http://acme.example/s", "x", ""),
        ),
    ] {
        assert_eq!(parts(&text), wanted, "{text}");
    }
}

#[test]
fn filters_that_do_not_parse() {
    const OPERATOR: &str = "an operator: eq, ne, co, sw, ew, gt, ge, lt, le or pr";
    const VALUE: &str = "a value: text in double quotes, a number, true, false or null";
    const MORE: &str = "`and`, `or` or the end";
    const NAME: &str = "an attribute name";
    const NO_ORDER: &str = "`eq` or `ne`: booleans and binaries have no order";
    for (text, position, expected, found) in [
        ("", 1, NAME, "the end"),
        ("   ", 4, NAME, "the end"),
        ("userName", 9, "a space and an operator", "the end"),
        ("userName ", 10, OPERATOR, "the end"),
        ("userName xx \"a\"", 10, OPERATOR, "`xx \"a\"`"),
        ("userName=\"a\"", 9, "a space and an operator", "`=\"a\"`"),
        ("userName eq", 12, VALUE, "the end"),
        ("userName eqx", 10, OPERATOR, "`eqx`"),
        ("userName eq bjensen", 13, VALUE, "`bjensen`"),
        ("userName eq 'bjensen'", 13, VALUE, "`'bjensen'`"),
        (
            "userName eq \"bjensen",
            21,
            "a double quote that ends the text",
            "the end",
        ),
        ("userName eq \"a\" \"b\"", 17, MORE, "`\"b\"`"),
        ("userName eq \"a\" and", 20, NAME, "the end"),
        ("userName eq \"a\" xor id pr", 17, MORE, "`xor id pr`"),
        ("userName eq \"a\" andid pr", 17, MORE, "`andid pr`"),
        ("or userName pr", 4, OPERATOR, "`userName pr`"),
        ("(userName pr", 13, "`and`, `or` or `)`", "the end"),
        ("userName pr)", 12, MORE, "`)`"),
        ("()", 2, NAME, "`)`"),
        ("not userName pr", 5, OPERATOR, "`userName pr`"),
        ("not ()", 6, NAME, "`)`"),
        ("emails[]", 8, NAME, "`]`"),
        ("emails[type eq \"w\"", 19, "`and`, `or` or `]`", "the end"),
        ("emails[type eq \"w\")", 19, "`and`, `or` or `]`", "`)`"),
        (
            "emails[type.x pr]",
            12,
            "a space and an operator",
            "`.x pr]`",
        ),
        ("emails[a[b pr]]", 9, "a space and an operator", "`[b pr]]`"),
        (
            "emails.value[a pr]",
            13,
            "a space and an operator",
            "`[a pr]`",
        ),
        ("emails[type pr] eq 1", 17, MORE, "`eq 1`"),
        ("emails[type pr].", 17, NAME, "the end"),
        ("a.b.c pr", 4, "a space and an operator", "`.c pr`"),
        ("1a pr", 1, NAME, "`1a pr`"),
        ("a. pr", 3, NAME, "` pr`"),
        ("ümlaut pr", 1, NAME, "`ümlaut pr`"),
        ("naïve eq 1", 3, "a space and an operator", "`ïve eq 1`"),
        ("x eq 01", 6, VALUE, "`01`"),
        ("x eq 1.", 6, VALUE, "`1.`"),
        ("x eq +1", 6, VALUE, "`+1`"),
        ("x eq 1e", 6, VALUE, "`1e`"),
        ("x eq {}", 6, VALUE, "`{}`"),
        ("x eq \"\\x\"", 7, "an escape that JSON has", "`\\x\"`"),
        (
            "x eq \"\\ud800\"",
            7,
            "an escape that JSON has",
            "`\\ud800\"`",
        ),
        (
            "x eq \"\\ud800\\u0041\"",
            7,
            "an escape that JSON has",
            "`\\ud800\\u0041\"`",
        ),
        (
            "x eq \"\\udc00\"",
            7,
            "an escape that JSON has",
            "`\\udc00\"`",
        ),
        ("é eq \"\n\"", 1, NAME, "`é eq \"\u{fffd}\"`"),
        (
            "x eq \"\n\"",
            7,
            "an escape such as \\n for a control character",
            "`\u{fffd}\"`",
        ),
        ("x\neq 1", 2, "a space and an operator", "`\u{fffd}eq 1`"),
        ("active gt true", 8, NO_ORDER, "`gt true`"),
        ("active le \"x\"", 8, NO_ORDER, "`le \"x\"`"),
        ("unknown ge false", 9, NO_ORDER, "`ge false`"),
        (
            "emails[primary lt \"True\"]",
            16,
            NO_ORDER,
            "`lt \"True\"]`",
        ),
        (
            "x509Certificates.value gt \"a\"",
            24,
            NO_ORDER,
            "`gt \"a\"`",
        ),
        (
            "userName eq \"a\" und noch viel mehr Text",
            17,
            MORE,
            "`und noch viel me…`",
        ),
        ("urn:x:", 7, NAME, "the end"),
        (
            "a:b pr",
            1,
            "an attribute name, or a schema URI before it",
            "`a:b pr`",
        ),
        (
            "urn:ietf:params:scim:schemas:core:2.0:User eq 1",
            43,
            "`:` and an attribute name after the schema URI",
            "` eq 1`",
        ),
    ] {
        let wanted = format!("at character {position}: expected {expected}, found {found}");
        assert_eq!(error(text), wanted, "{text}");
    }
}

#[test]
fn accents_are_noted_or_refused() {
    for (text, accent, refusal) in [
        (
            "active eq \"True\"",
            Accent::BooleanTextInFilter,
            "at character 11: expected true or false, without quotes, found `\"True\"`",
        ),
        (
            "emails[type eq \"work\"].value eq \"x\"",
            Accent::FilterOnElement,
            "at character 23: expected `and`, `or` or the end; a sub-attribute after a bracket is \
             for PATCH, found `.value eq \"x\"`",
        ),
    ] {
        let mut accents = Accents::accepted();
        filter(text, &user(), &mut accents).unwrap();
        assert_eq!(accents.seen(), [accent]);
        let refused = filter(text, &user(), &mut Accents::refused()).unwrap_err();
        assert_eq!(refused.to_string(), refusal);
    }
    let mut accents = Accents::accepted();
    let text = "roles[primary eq \"True\"].value";
    let path = patch_path(text, &user(), &mut accents).unwrap();
    assert_eq!(path.to_string(), "roles[primary eq true].value");
    assert_eq!(accents.seen(), [Accent::BooleanTextInFilter]);
    assert!(patch_path(text, &user(), &mut Accents::refused()).is_err());
}

#[test]
fn patch_paths_of_clients() {
    let manager = format!("{ENTERPRISE_USER}:manager.value");
    for (text, printed) in [
        (
            " emails[type eq \"work\"].value ",
            "emails[type eq \"work\"].value",
        ),
        (manager.as_str(), manager.as_str()),
        (ENTERPRISE_USER, ENTERPRISE_USER),
        (
            "urn:ietf:params:scim:schemas:core:2.0:User:active",
            "active",
        ),
        ("members[value eq \"a]b\"]", "members[value eq \"a]b\"]"),
        (
            "urn:acme:2.0:User:tags[value eq 1].note",
            "urn:acme:2.0:User:tags[value eq 1].note",
        ),
        (
            "emails[type eq \"a\" or not(primary eq true)]",
            "emails[type eq \"a\" or not (primary eq true)]",
        ),
    ] {
        assert_eq!(patch(text).as_deref(), Ok(printed), "{text}");
    }
    let whole = ENTERPRISE_USER.to_uppercase();
    let path = patch_path(&whole, &user(), &mut Accents::accepted()).unwrap();
    assert_eq!(path, PatchPath::Extension(ENTERPRISE_USER.parse().unwrap()));
    assert_eq!(path.to_string(), ENTERPRISE_USER);
}

#[test]
fn patch_paths_that_do_not_parse() {
    for (text, wanted) in [
        (
            "",
            "at character 1: expected an attribute name, found the end",
        ),
        (
            "/emails/0",
            "at character 1: expected an attribute name, found `/emails/0`",
        ),
        (
            "emails[0]",
            "at character 8: expected an attribute name, found `0]`",
        ),
        (
            "emails[type eq \"work\"",
            "at character 22: expected `and`, `or` or `]`, found the end",
        ),
        (
            "emails[type eq \"work\"].value.x",
            "at character 29: expected the end of the path, found `.x`",
        ),
        (
            "emails[type eq \"work\"]value",
            "at character 23: expected the end of the path, found `value`",
        ),
        (
            "emails.value[a pr]",
            "at character 13: expected the end of the path, found `[a pr]`",
        ),
        (
            "name familyName",
            "at character 6: expected the end of the path, found `familyName`",
        ),
        (
            USER,
            "at character 43: expected `:` and an attribute name after the schema URI, found the \
             end",
        ),
    ] {
        assert_eq!(patch(text), Err(wanted.to_owned()), "{text}");
    }
}

#[test]
fn booleans_are_known_by_their_attribute() {
    let mut accents = Accents::accepted();
    let text = "displayName eq \"true\"";
    assert_eq!(
        filter(text, &group(), &mut accents).unwrap().to_string(),
        text
    );
    assert!(accents.seen().is_empty());
}

#[test]
fn nesting_is_limited() {
    let nested = |open: &str, close: &str, levels: usize| {
        format!("{}a pr{}", open.repeat(levels), close.repeat(levels))
    };
    for open in ["(", "not (", "b pr and (", "b pr or c pr and ("] {
        let deepest = nested(open, ")", MAX_DEPTH);
        assert_eq!(print(&print(&deepest)), print(&deepest));
        let wanted = "levels of parentheses and brackets";
        assert!(error(&nested(open, ")", MAX_DEPTH + 1)).contains(wanted));
    }
    // What an accent puts into parentheses is not deeper than the limit either.
    let inner = |levels| nested("b pr or c pr and (", ")", levels);
    let deepest = format!("emails[{}].value pr", inner(MAX_DEPTH - 2));
    assert_eq!(print(&print(&deepest)), print(&deepest));
    print(&format!("emails[{}]", inner(MAX_DEPTH - 1)));
    assert!(error(&format!("emails[{}].value pr", inner(MAX_DEPTH - 1))).contains("levels"));
}

#[test]
fn bombs_end_early() {
    for bomb in [
        "(",
        "[",
        "not (",
        "not(",
        "a[",
        "\"",
        "a pr and ",
        "a.",
        "urn:",
        "\\u",
        " ",
    ] {
        for times in [2_000, 100_000] {
            let text = bomb.repeat(times);
            assert!(filter(&text, &user(), &mut Accents::accepted()).is_err());
            assert!(patch_path(&text, &user(), &mut Accents::accepted()).is_err());
            assert!(attr_path(&text, &user()).is_err());
        }
    }
    let many = vec!["a pr"; MAX_TERMS + 1].join(" or ");
    assert!(error(&many).contains("at most 1024 comparisons"));
    let many = vec!["a pr"; MAX_TERMS].join(" or ");
    assert_eq!(print(&many), many);
    let long = format!("a eq \"{}\"", "x".repeat(MAX_LENGTH - 7));
    assert_eq!(print(&long), long);
    assert_eq!(
        error(&format!("{long} ")),
        "at character 1: expected at most 16384 bytes, found 16385 bytes"
    );
}

#[test]
fn selections_take_lists_and_whole_schemas() {
    let texts = |text: &str| -> Vec<String> {
        let paths = selection(text, &user()).unwrap();
        paths.iter().map(ToString::to_string).collect()
    };
    assert_eq!(texts(""), [""; 0]);
    assert_eq!(texts(" , ,"), [""; 0]);
    assert_eq!(
        texts("userName,name.familyName , emails"),
        ["userName", "name.familyName", "emails"]
    );
    assert_eq!(texts(ENTERPRISE_USER), [ENTERPRISE_USER]);
    assert!(selection(ENTERPRISE_USER, &user()).unwrap()[0].is_whole());
    assert_eq!(
        texts(&format!("{USER},id")).len(),
        user().base.attributes.len() + 1
    );
    assert!(attr_path(ENTERPRISE_USER, &user()).is_err());
    let many = vec!["a"; MAX_TERMS + 1].join(",");
    assert!(selection(&many, &user()).is_err());
}
