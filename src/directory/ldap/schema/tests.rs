//! Descriptions as servers send them.

use proptest::prelude::*;

use super::super::request::Attribute;
use super::*;

fn schema() -> Schema {
    let types = [
        "( 2.5.4.41 NAME 'name' DESC 'RFC4519: common supertype (of names)' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15{32768} )",
        "( 2.5.4.3 NAME ( 'cn' 'commonName' ) SUP name )",
        "( 2.5.4.4 NAME ( 'sn' 'surname' ) SUP name X-ORIGIN ( 'RFC 4519' 'x' ) )",
        "( 1.2.3 NAME 'uidNumber' EQUALITY integerMatch ORDERING integerOrderingMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )",
        "( 1.3.6.1.1.16.4 NAME 'entryUUID' EQUALITY UUIDMatch SYNTAX 1.3.6.1.1.16.1 SINGLE-VALUE NO-USER-MODIFICATION USAGE directoryOperation )",
        "( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' SYNTAX '1.3.6.1.4.1.1466.115.121.1.15' SINGLE-VALUE )",
        "( 9.9 NAME 'loop' SUP pool )",
        "( 9.10 NAME 'pool' SUP loop )",
        "(broken",
    ];
    let classes = [
        "( 2.5.6.0 NAME 'top' ABSTRACT MUST objectClass )",
        "( 2.5.6.6 NAME 'person' SUP top STRUCTURAL MUST ( sn $ cn ) MAY ( userPassword $ telephoneNumber ) )",
        "( 2.5.6.7 NAME 'organizationalPerson' SUP person MAY title )",
        "( 1.1 NAME 'posixAccount' SUP top AUXILIARY MUST ( commonName $ uidNumber ) )",
        "( 1.2 NAME 'extensibleObject' SUP top AUXILIARY )",
        "( 1.3 NAME 'round' SUP ( round $ person ) )",
    ];
    Schema::of(&Entry {
        dn: "cn=Subschema".into(),
        attributes: vec![
            Attribute::many("attributeTypes", types),
            Attribute::many("objectClasses", classes),
        ],
    })
}

#[test]
fn attributes_inherit_how_they_compare() {
    let schema = schema();
    assert_eq!(schema.skipped(), 1);
    let cn = schema.attribute("COMMONNAME;lang-de").unwrap();
    assert_eq!(cn.names, ["cn", "commonName"]);
    assert_eq!(cn.equality.as_deref(), Some("caseIgnoreMatch"));
    assert_eq!(cn.syntax.as_deref(), Some("1.3.6.1.4.1.1466.115.121.1.15"));
    assert!(cn.ordering.is_none() && !cn.single_value && !cn.read_only);
    let uuid = schema.attribute("1.3.6.1.1.16.4").unwrap();
    assert!(uuid.single_value && uuid.read_only && uuid.operational);
    let quoted = schema.attribute("samaccountname").unwrap();
    assert_eq!(
        quoted.syntax.as_deref(),
        Some("1.3.6.1.4.1.1466.115.121.1.15")
    );
    assert_eq!(schema.attribute("loop").unwrap().equality, None);
    assert_eq!(schema.attribute("nothing"), None);
    assert!(schema.is_same("cn", "2.5.4.3") && !schema.is_same("cn", "sn"));
}

#[test]
fn classes_need_what_those_above_need() {
    let schema = schema();
    let required = schema.required(&["organizationalPerson", "posixAccount"]);
    let required: Vec<&str> = required.iter().map(String::as_str).collect();
    assert_eq!(required, ["cn", "objectclass", "sn", "uidnumber"]);
    let allows = |class, name| schema.allows(&[class], name);
    assert!(allows("organizationalPerson", "surname"));
    assert!(allows("organizationalPerson", "title") && !allows("person", "title"));
    assert!(allows("person", "entryUUID") && allows("extensibleObject", "anything"));
    assert!(allows("round", "sn") && !allows("nothing", "sn"));
    let kind = |name| schema.class(name).map(|class| class.kind);
    assert_eq!(kind("TOP"), Some(ClassKind::Abstract));
    assert_eq!(kind("organizationalPerson"), Some(ClassKind::Structural));
    assert_eq!(kind("posixAccount"), Some(ClassKind::Auxiliary));
}

proptest! {
    #[test]
    fn any_text_is_read_or_left_out(text in "[()'$ A-Z.0-9]{0,60}|\\PC{0,40}") {
        let _ = parse::attribute_type(&text);
        let _ = parse::object_class(&format!("( 1.2 {text} )"));
    }
}

#[test]
fn of_a_schema_without_end_a_part_is_read() {
    let long = "x".repeat(MOST / 8);
    let types: Vec<String> = (0..9)
        .map(|n| format!("( 1.{n} NAME 'a{n}' DESC '{long}' )"))
        .collect();
    let classes = ["( 2.1 NAME 'late' )"];
    let schema = Schema::of(&Entry {
        dn: "cn=Subschema".into(),
        attributes: vec![
            Attribute::many("attributeTypes", types),
            Attribute::many("objectClasses", classes),
        ],
    });
    assert!(schema.attribute("a0").is_some() && schema.attribute("a8").is_none());
    assert!(schema.class("late").is_none());
    assert_eq!(schema.skipped(), 3);
}
