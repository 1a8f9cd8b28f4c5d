//! Names are printed so that they come back, whatever is in them.

use proptest::prelude::*;

use super::*;

fn dn(text: &str) -> Dn {
    text.parse().unwrap()
}

#[test]
fn examples_of_the_rfc() {
    for (text, printed) in [
        (
            "UID=jsmith,DC=example,DC=net",
            "UID=jsmith,DC=example,DC=net",
        ),
        (
            "OU=Sales+CN=J.  Smith,DC=example,DC=net",
            "OU=Sales+CN=J.  Smith,DC=example,DC=net",
        ),
        (
            r#"CN=James \"Jim\" Smith\, III,DC=example,DC=net"#,
            r#"CN=James \"Jim\" Smith\, III,DC=example,DC=net"#,
        ),
        (
            r"CN=Before\0dAfter,DC=example,DC=net",
            r"CN=Before\0dAfter,DC=example,DC=net",
        ),
        ("1.3.6.1.4.1.1466.0=#04024869", "1.3.6.1.4.1.1466.0=Hi"),
        (r"CN=Lu\C4\8Di\C4\87", "CN=Lu\u{10d}i\u{107}"),
        ("cn = a , dc = b", "cn=a,dc=b"),
        ("OID.2.5.4.3=x", "2.5.4.3=x"),
        ("x=#0500", "x=#0500"),
        ("x=#0400", "x=#0400"),
        (r"cn=\ a\ ", r"cn=\ a\ "),
        (r"cn=a\20", r"cn=a\ "),
        (r"cn=\#a#", r"cn=\#a#"),
        (r"cn=a\00b", r"cn=a\00b"),
        (r"cn=\ff", r"cn=\ff"),
        ("", ""),
    ] {
        assert_eq!(dn(text).to_string(), printed, "{text}");
    }
}

#[test]
fn what_is_no_name_is_refused_with_a_reason() {
    for (text, why) in [
        ("alice", DnError::NoValue),
        ("cn=a,", DnError::NoValue),
        (",cn=a", DnError::Type),
        ("cn=a,=b", DnError::Type),
        ("1=a", DnError::Type),
        ("cn;x=a", DnError::Type),
        ("cn=a\"b", DnError::Unescaped),
        ("cn=a;b=c", DnError::Unescaped),
        ("cn=a<b", DnError::Unescaped),
        ("cn=a\0", DnError::Unescaped),
        ("cn=a\\", DnError::Escape),
        ("cn=a\\g1", DnError::Escape),
        ("cn=a\\1", DnError::Escape),
        ("cn=#", DnError::Hex),
        ("cn=#4", DnError::Hex),
        ("cn=#4g", DnError::Hex),
        ("cn=", DnError::Empty),
        ("cn=  ,dc=x", DnError::Empty),
        ("cn=+dc=x", DnError::Empty),
    ] {
        assert_eq!(text.parse::<Dn>(), Err(why), "{text}");
    }
    let deep = vec!["a=b"; 257].join(",");
    assert_eq!(deep.parse::<Dn>(), Err(DnError::TooMany));
}

#[test]
fn names_are_compared_by_type_and_value() {
    let same = |a: &str, b: &str| dn(a).is_same(&dn(b));
    assert!(same("CN=Alice  Smith,DC=X", "cn=alice smith, dc=x"));
    assert!(same("ou=a+cn=b", "CN=B+OU=A"));
    assert!(same("2.5.4.3=x", "commonName=X"));
    assert!(same(r"cn=\61", "cn=a"));
    assert!(same("cn=#040161", "cn=a"));
    assert!(same("cn=ÄB", "cn=äb"));
    for (a, b) in [
        ("cn=a", "cn=b"),
        ("cn=a", "sn=a"),
        ("cn=a,dc=x", "cn=a"),
        ("cn=a+ou=b", "cn=a,ou=b"),
        (r"cn=a\,ou\=b", "cn=a,ou=b"),
        (r"cn=a\+ou\=b", "cn=a+ou=b"),
    ] {
        assert!(!same(a, b), "{a} {b}");
    }
}

#[test]
fn below_is_told_by_parts_not_by_text() {
    let base = dn("ou=people,dc=example,dc=com");
    for inside in [
        "uid=a,ou=people,dc=example,dc=com",
        "uid=a,ou=x,OU=People,DC=example,DC=COM",
        r"uid=a\,b,ou=people,dc=example,dc=com",
    ] {
        assert!(dn(inside).is_under(&base), "{inside}");
    }
    for outside in [
        "ou=people,dc=example,dc=com",
        "dc=example,dc=com",
        "",
        "uid=a,ou=people2,dc=example,dc=com",
        r"uid=a\,ou\=people\,dc\=example\,dc\=com",
        r"uid=a\,ou=people,dc=example,dc=com,dc=org",
        "uid=xou=people,dc=example,dc=com",
    ] {
        assert!(!dn(outside).is_under(&base), "{outside}");
    }
    assert!(base.is_within(&base) && base.is_within(&Dn::root()));
    assert_eq!(dn("uid=a,dc=x").parent(), Some(dn("dc=x")));
    assert_eq!(Dn::root().parent(), None);
    assert!(dn("uid=a+cn=b,dc=x").rdn().unwrap().has("commonName"));
}

#[test]
fn a_part_needs_a_name_and_a_value() {
    for attribute in ["", "cn=x", "a,b", "cn;x", "c n", "ä"] {
        assert_eq!(Dn::root().child(attribute, "v"), None, "{attribute}");
    }
    assert_eq!(Dn::root().child("cn", ""), None);
}

#[test]
fn nobody_is_named_in_debug() {
    let shown = format!("{:?}", dn("uid=alice,ou=people"));
    assert!(!shown.contains("alice") && shown.contains("uid"), "{shown}");
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let nasty = prop::sample::select(vec![
        b' ', b'#', b',', b'+', b'"', b'\\', b'<', b'>', b';', b'=', 0, b'*', b'(', b'a', 0xff,
        0xc3,
    ]);
    prop_oneof![
        prop::collection::vec(nasty, 1..12),
        "\\PC{1,12}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 1..12),
    ]
}

proptest! {
    #[test]
    fn whatever_is_built_comes_back(values in prop::collection::vec((value(), value()), 1..5)) {
        let mut built = Dn::root();
        for (one, other) in values {
            built = built.below(Rdn::new("cn", one).unwrap().and("ou", other).unwrap());
        }
        let text = built.to_string();
        prop_assert_eq!(&dn(&text), &built, "{}", text);
        prop_assert_eq!(dn(&built.key()).key(), built.key());
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[a-c=,+\\\\# \"0-9é]{0,40}|\\PC{0,30}") {
        if let Ok(name) = text.parse::<Dn>() {
            prop_assert_eq!(dn(&name.to_string()), name);
        }
    }
}
