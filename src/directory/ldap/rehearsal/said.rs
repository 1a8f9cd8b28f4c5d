//! What a server says, as bytes: the other half of `Message::decode`, for the server of a rehearsal.

use bytes::Bytes;

use crate::directory::ldap::code::Code;
use crate::directory::ldap::control::{Control, PAGED};
use crate::directory::ldap::response::{ENTRY, Entry};
use crate::ldap::ber::{ENUMERATED, INTEGER, OCTETS, SEQUENCE, Writer};

/// An entry that was found.
pub(super) fn entry(id: i32, entry: &Entry) -> Vec<u8> {
    message(id, &[], |out| encode(out, ENTRY, entry))
}

/// The end of an operation.
pub(super) fn done(id: i32, tag: u8, (code, text): (Code, &str), controls: &[Control]) -> Vec<u8> {
    message(id, controls, |out| {
        out.nested(tag, |out| {
            out.integer(ENUMERATED, code.0);
            out.octets(OCTETS, b"");
            out.octets(OCTETS, text.as_bytes());
        });
    })
}

/// That no further page follows.
pub(super) fn last_page() -> Control {
    Control {
        critical: false,
        ..Control::paged(0, b"")
    }
}

/// Whether a search is asked for in pages.
pub(super) fn is_paged(controls: &[Control]) -> bool {
    controls.iter().any(|control| control.oid == PAGED)
}

/// What an entry was, or is now.
pub(super) fn read(oid: &'static str, entry: &Entry) -> Control {
    let mut out = Writer::new();
    encode(&mut out, SEQUENCE, entry);
    Control {
        oid: oid.into(),
        critical: false,
        value: Some(Bytes::from(out.finish())),
    }
}

fn encode(out: &mut Writer, tag: u8, entry: &Entry) {
    out.nested(tag, |out| {
        out.octets(OCTETS, entry.dn.as_bytes());
        out.nested(SEQUENCE, |out| {
            entry.attributes.iter().for_each(|one| one.encode(out));
        });
    });
}

fn message(id: i32, controls: &[Control], body: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer::new();
    out.nested(SEQUENCE, |out| {
        out.integer(INTEGER, i64::from(id));
        body(out);
        if !controls.is_empty() {
            out.nested(0xa0, |out| {
                for control in controls {
                    control.encode(out);
                }
            });
        }
    });
    out.finish()
}
