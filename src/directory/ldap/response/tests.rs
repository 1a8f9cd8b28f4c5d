//! Answers are read as they are, and nothing that a server sends does harm.

use proptest::prelude::*;

use super::super::request::Attribute;
use super::*;
use crate::ldap::ber::Writer;

/// An answer as a server writes it.
fn sent(id: i64, tag: u8, body: impl FnOnce(&mut Writer)) -> Bytes {
    let mut out = Writer::new();
    out.nested(SEQUENCE, |out| {
        out.integer(INTEGER, id);
        out.nested(tag, body);
    });
    out.finish().into()
}

fn result(out: &mut Writer, code: i64) {
    out.integer(ENUMERATED, code);
    out.octets(OCTETS, b"dc=x");
    out.octets(OCTETS, b"words");
}

fn entry() -> Bytes {
    sent(7, ENTRY, |out| {
        out.octets(OCTETS, b"uid=a,dc=x");
        out.nested(SEQUENCE, |out| {
            Attribute::many("cn", ["a", "b", ""]).encode(out);
            Attribute::one("objectGUID", &b"\x00\xff"[..]).encode(out);
            Attribute::many("member", Vec::<Bytes>::new()).encode(out);
            Attribute::many("member;range=0-1", ["x", "y"]).encode(out);
        });
    })
}

#[test]
fn entries_keep_their_bytes() {
    let message = Message::decode(&entry()).unwrap();
    let Response::Entry(entry) = message.body else {
        panic!("no entry");
    };
    assert_eq!(message.id, 7);
    assert_eq!(entry.dn, "uid=a,dc=x");
    assert_eq!(entry.values("CN"), ["a", "b", ""]);
    assert_eq!(entry.values("objectguid"), [&b"\x00\xff"[..]]);
    assert_eq!(entry.text("objectGUID"), None);
    assert!(entry.values("sn").is_empty());
    assert!(entry.values("member").is_empty());
    assert_eq!(entry.values("member;range=0-1"), ["x", "y"]);
    let shown = format!("{entry:?}");
    assert!(
        !shown.contains("uid=a") && shown.contains("cn: (3 values)"),
        "{shown}"
    );
}

#[test]
fn results_of_any_code_are_kept() {
    for code in [0, 32, 92, 4096, 65_535, -1] {
        let message = Message::decode(&sent(1, 0x67, |out| result(out, code))).unwrap();
        let Response::Done { tag, result, .. } = message.body else {
            panic!("no result");
        };
        assert_eq!((tag, result.code), (0x67, Code(code)));
        assert_eq!((&*result.matched, &*result.message), ("dc=x", "words"));
        assert!(!format!("{result:?}{result}").contains("words"));
    }
}

#[test]
fn referrals_and_extended_answers_are_read() {
    let message = Message::decode(&sent(0, 0x78, |out| {
        result(out, 52);
        out.nested(0xa3, |out| out.octets(OCTETS, b"ldap://x"));
        out.octets(0x8a, NOTICE_OF_DISCONNECTION.as_bytes());
        out.octets(0x8b, b"v");
        out.octets(0x8f, b"later");
    }));
    let Response::Done {
        result, oid, value, ..
    } = message.unwrap().body
    else {
        panic!("no result");
    };
    assert_eq!(result.referrals, ["ldap://x"]);
    assert_eq!(oid.as_deref(), Some(NOTICE_OF_DISCONNECTION));
    assert_eq!(value.unwrap(), "v");
}

#[test]
fn what_is_not_known_is_kept_as_such() {
    let unknown = sent(1, 0x7e, |_| {});
    let message = Message::decode(&unknown).unwrap();
    assert_eq!(message.body, Response::Unknown(0x7e));
    let on_the_way = sent(1, INTERMEDIATE, |out| out.octets(0x80, b"1.2.3"));
    let message = Message::decode(&on_the_way).unwrap();
    assert_eq!(message.body, Response::Intermediate);
}

#[test]
fn what_is_broken_is_refused() {
    for broken in [
        &b""[..],
        b"\x30\x00",
        b"\x30\x03\x02\x01\x01",
        b"\x30\x05\x02\x01\xff\x65\x00",
        b"\x30\x05\x02\x01\x01\x65\x00",
        b"\x30\x09\x02\x05\x01\x00\x00\x00\x00\x65\x00",
        b"\x30\x09\x02\x01\x01\x64\x04\x04\x02\xff\xff",
    ] {
        assert!(
            Message::decode(&Bytes::from_static(broken)).is_err(),
            "{broken:?}"
        );
    }
}

fn frames() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec![
        entry(),
        sent(3, 0x65, |out| result(out, 0)),
        sent(3, REFERENCE, |out| out.octets(OCTETS, b"ldap://x")),
        sent(0, 0x78, |out| result(out, 2)),
    ])
    .prop_map(|frame| frame.to_vec())
}

proptest! {
    // 10,000 by default, 200,000 with `scripts/test --long`.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.saturating_mul(40),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let bytes = Bytes::from(bytes);
        let _ = head(&bytes);
        let _ = Message::decode(&bytes);
        let _ = ber::message_length(&bytes, 1 << 24);
    }

    #[test]
    fn any_damage_is_read_or_refused(
        mut frame in frames(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        shorten: bool,
    ) {
        for (at, byte) in damage {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        if shorten {
            frame.truncate(cut.index(frame.len()));
        }
        let frame = Bytes::from(frame);
        if let Ok(message) = Message::decode(&frame) {
            prop_assert_eq!(head(&frame).unwrap().0, message.id);
        }
    }
}
