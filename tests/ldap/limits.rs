//! The limits of Active Directory, for a relay before a server that has none: a stand-in at the
//! level of the protocol. What is told and what it means is the real server's; what is cut, and
//! how that is said, is as [MS-ADTS] 3.1.1.3.1.3.3 and 3.1.1.3.4.6 have it:
//!
//! - `MaxValRange`: of an attribute with more values only the first come, as `name;range=0-1499`,
//!   beside an empty `name`; others are asked for by `name;range=1500-*`, and a place behind the
//!   last is an error;
//! - `MaxPageSize`: no page is larger, and a search without pages ends with `sizeLimitExceeded`;
//! - a write of too many values is `adminLimitExceeded`;
//! - searches of a whole tree are told of the parts that other servers have;
//! - what the server says beside a result ends in a line's end and a null.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use postern::directory::ldap::Control;
use postern::directory::ldap::control::PAGED;
use postern::directory::ldap::response::{ENTRY, Entry, Message, Response};
use postern::ldap::attribute::{self, Range};
use postern::ldap::ber::{
    BOOLEAN, ENUMERATED, Element, INTEGER, OCTETS, Reader, SEQUENCE, SET, Writer,
};

use crate::relay::Shared;
use crate::scripted::{MODIFY, SEARCH, message};

const ADD: u8 = 0x68;
const DONE: u8 = 0x65;
const SCHEMA: &[&str] = &["attributeTypes", "objectClasses"];

/// Which it has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    /// `MaxValRange`; none where it is 0.
    pub values: usize,
    /// `MaxPageSize`; none where it is 0.
    pub page: i64,
    /// So many values in a write; none where it is 0.
    pub written: usize,
    /// Whether other servers are told of.
    pub references: bool,
    /// The port of this machine to which writes are sent instead; none where it is 0.
    pub refers_writes: u16,
    /// Whether the server knows nothing of ranges.
    pub cuts_itself: bool,
}

impl Limits {
    /// Active Directory's, but for `MaxValRange`: small, or nothing of it would be seen.
    pub(crate) fn of_values(values: usize) -> Self {
        Self {
            values,
            page: 1000,
            written: 2500,
            references: true,
            refers_writes: 0,
            cuts_itself: false,
        }
    }
}

/// One connection.
pub(crate) struct Turn {
    shared: Arc<Shared>,
    searches: HashMap<i64, Searching>,
}

#[derive(Default)]
struct Searching {
    /// Values that were asked for by their places.
    ranges: Vec<(String, Range)>,
    /// How many entries may still come.
    left: Option<i64>,
    /// The result that stands instead of the server's.
    ends: Option<(i64, &'static str)>,
    of_root: bool,
    refers: bool,
    begun: bool,
}

impl Turn {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            searches: HashMap::new(),
        }
    }

    /// What becomes of a request: what goes on to the server, what goes back, and the place from
    /// which values are asked for.
    pub(crate) fn asked(&mut self, frame: &Bytes) -> (Vec<u8>, Vec<u8>, Option<u32>) {
        let limits = self.shared.limits;
        let mut reader = Reader::new(frame).nested(SEQUENCE).unwrap();
        let id = reader.integer(INTEGER).unwrap();
        let operation = reader.element().unwrap().unwrap();
        let controls = reader.optional(0xa0).unwrap();
        match operation.tag {
            SEARCH => {
                let (on, place) = self.search(id, operation.content, controls);
                let untouched = limits.values == 0 && limits.page == 0;
                (
                    if untouched { frame.to_vec() } else { on },
                    Vec::new(),
                    place,
                )
            }
            ADD | MODIFY if limits.refers_writes > 0 => {
                let url = format!("ldap://127.0.0.1:{}", limits.refers_writes);
                let back = message(id, operation.tag + 1, |out| {
                    out.integer(ENUMERATED, 10);
                    out.octets(OCTETS, b"");
                    out.octets(
                        OCTETS,
                        b"0000202B: RefErr: DSID-0310082F, data 0, 1 access points\n\0",
                    );
                    out.nested(0xa3, |out| out.octets(OCTETS, url.as_bytes()));
                });
                (Vec::new(), back, None)
            }
            ADD | MODIFY if limits.written > 0 && values_in(operation) > limits.written => {
                let text = "00002024: SvcErr: DSID-02050A38, problem 5008 (ADMIN_LIMIT_EXCEEDED), data -1026\n\0";
                (Vec::new(), ended(id, operation.tag + 1, 11, text), None)
            }
            _ => (frame.to_vec(), Vec::new(), None),
        }
    }

    fn search(
        &mut self,
        id: i64,
        content: &[u8],
        controls: Option<&[u8]>,
    ) -> (Vec<u8>, Option<u32>) {
        let limits = self.shared.limits;
        let mut reader = Reader::new(content);
        let parts: Vec<Element<'_>> = std::iter::from_fn(|| reader.element().unwrap()).collect();
        let mut searching = Searching {
            of_root: parts[0].content.is_empty() && parts[1].content == [0],
            refers: limits.references && parts[1].content == [2],
            ..Searching::default()
        };
        let mut names = Vec::new();
        let mut list = Reader::new(parts[7].content);
        while let Some(name) = list.element().unwrap() {
            let name = std::str::from_utf8(name.content).unwrap();
            if let Some(range) = attribute::range(name) {
                searching
                    .ranges
                    .push((attribute::without_range(name), range));
            }
            names.push(if limits.cuts_itself {
                attribute::without_range(name)
            } else {
                name.to_owned()
            });
        }
        let mut paged = false;
        let controls = controls.map(|controls| {
            let mut out = Writer::new();
            let mut list = Reader::new(controls);
            while let Some(control) = list.element().unwrap() {
                let (oid, value) = read_control(control.content);
                if oid == PAGED.as_bytes() && limits.page > 0 {
                    paged = true;
                    page(&mut out, value.unwrap(), limits.page);
                } else {
                    out.octets(control.tag, control.content);
                }
            }
            out.finish()
        });
        searching.left = (!paged && limits.page > 0).then_some(limits.page);
        let mut out = Writer::new();
        out.nested(SEQUENCE, |out| {
            out.integer(INTEGER, id);
            out.nested(SEARCH, |out| {
                for part in &parts[..7] {
                    out.octets(part.tag, part.content);
                }
                out.nested(SEQUENCE, |out| {
                    names
                        .iter()
                        .for_each(|name| out.octets(OCTETS, name.as_bytes()));
                });
            });
            if let Some(controls) = &controls {
                out.octets(0xa0, controls);
            }
        });
        let place = searching.ranges.iter().map(|(_, range)| range.from).max();
        self.searches.insert(id, searching);
        (out.finish(), place)
    }

    /// What becomes of an answer.
    pub(crate) fn answered(&mut self, frame: &Bytes) -> Vec<u8> {
        let limits = self.shared.limits;
        let mut reader = Reader::new(frame).nested(SEQUENCE).unwrap();
        let id = reader.integer(INTEGER).unwrap();
        let tag = reader.peek().unwrap();
        if tag == ENTRY {
            return self.entry(id, frame);
        }
        if tag != DONE {
            return frame.to_vec();
        }
        let Some(searching) = self.searches.remove(&id) else {
            return frame.to_vec();
        };
        let mut all = Vec::new();
        if searching.refers {
            all.extend(elsewhere(id));
        }
        match searching.ends {
            Some((code, text)) if limits.values > 0 || limits.page > 0 => {
                all.extend(ended(id, DONE, code, text));
            }
            _ => all.extend_from_slice(frame),
        }
        all
    }

    fn entry(&mut self, id: i64, frame: &Bytes) -> Vec<u8> {
        let Ok(Message {
            body: Response::Entry(entry),
            ..
        }) = Message::decode(frame)
        else {
            return frame.to_vec();
        };
        let searching = self.searches.entry(id).or_default();
        if searching.of_root || searching.ends.is_some() {
            return if searching.of_root {
                frame.to_vec()
            } else {
                Vec::new()
            };
        }
        let mut out = Vec::new();
        // Once before all entries, once behind them.
        if searching.refers && !std::mem::replace(&mut searching.begun, true) {
            out.extend(elsewhere(id));
        }
        if let Some(left) = &mut searching.left {
            *left -= 1;
            if *left < 0 {
                searching.ends = Some((4, ""));
                return Vec::new();
            }
        }
        let Some(entry) = cut(entry, searching, self.shared.limits) else {
            searching.ends = Some((
                1,
                "00002121: SvcErr: DSID-0305144E, problem 5012 (DIR_ERROR), data 0\n\0",
            ));
            return Vec::new();
        };
        for attribute in &entry.attributes {
            let name = attribute::base(&attribute.name);
            self.shared.tell(name, attribute.values.len());
        }
        out.extend(encoded(id, &entry));
        out
    }
}

/// An entry of which no attribute has too many values; `None` where values are asked for from a
/// place behind the last.
fn cut(entry: Entry, searching: &Searching, limits: Limits) -> Option<Entry> {
    if limits.values == 0 {
        return Some(entry);
    }
    let mut out = Entry {
        dn: entry.dn,
        attributes: Vec::new(),
    };
    for mut attribute in entry.attributes {
        let name = attribute::without_range(&attribute.name);
        // Of a schema there are thousands: only with the real limit it is told in parts.
        if SCHEMA.contains(&&*name) && limits.values < 100 {
            out.attributes.push(attribute);
            continue;
        }
        let asked = searching.ranges.iter();
        let mut asked = asked.filter(|(asked, _)| asked.eq_ignore_ascii_case(&name));
        let asked = asked.next().map(|(_, range)| *range);
        let from = asked.map_or(0, |range| range.from);
        // Others have been left out by a server that knows ranges.
        let told = attribute::range(&attribute.name);
        if told.is_none() {
            let before = usize::try_from(from).unwrap().min(attribute.values.len());
            attribute.values.drain(..before);
        }
        if attribute.values.is_empty() && asked.is_some() {
            return None;
        }
        let wanted = asked.and_then(|range| range.to).map_or(usize::MAX, |to| {
            usize::try_from(to - from).unwrap().saturating_add(1)
        });
        let count = attribute.values.len().min(limits.values).min(wanted);
        let whole = count == attribute.values.len() && told.is_none_or(|range| range.to.is_none());
        attribute.values.truncate(count);
        if asked.is_none() && !whole {
            let mut empty = attribute.clone();
            empty.values.clear();
            out.attributes.push(empty);
        }
        if asked.is_some() || !whole {
            let last = from + u32::try_from(count).unwrap() - 1;
            attribute.name = if whole {
                format!("{name};range={from}-*").into()
            } else {
                format!("{name};range={from}-{last}").into()
            };
        }
        out.attributes.push(attribute);
    }
    Some(out)
}

fn encoded(id: i64, entry: &Entry) -> Vec<u8> {
    message(id, ENTRY, |out| {
        out.octets(OCTETS, entry.dn.as_bytes());
        out.nested(SEQUENCE, |out| {
            for attribute in &entry.attributes {
                out.nested(SEQUENCE, |out| {
                    out.octets(OCTETS, attribute.name.as_bytes());
                    let mut values = Writer::new();
                    attribute
                        .values
                        .iter()
                        .for_each(|value| values.octets(OCTETS, value));
                    out.octets(SET, &values.finish());
                });
            }
        });
    })
}

/// That other servers have a part of the tree.
fn elsewhere(id: i64) -> Vec<u8> {
    message(id, 0x73, |out| {
        out.octets(
            OCTETS,
            b"ldap://ForestDnsZones.example.com/DC=ForestDnsZones,DC=example,DC=com",
        );
    })
}

fn ended(id: i64, tag: u8, code: i64, text: &str) -> Vec<u8> {
    message(id, tag, |out| {
        out.integer(ENUMERATED, code);
        out.octets(OCTETS, b"");
        out.octets(OCTETS, text.as_bytes());
    })
}

/// How many values an add or a modify has.
fn values_in(operation: Element<'_>) -> usize {
    let mut count = 0;
    let mut open = vec![operation.content];
    while let Some(content) = open.pop() {
        let mut reader = Reader::new(content);
        while let Some(element) = reader.element().unwrap() {
            match element.tag {
                SEQUENCE => open.push(element.content),
                SET => {
                    let mut values = Reader::new(element.content);
                    count += std::iter::from_fn(|| values.element().unwrap()).count();
                }
                _ => {}
            }
        }
    }
    count
}

fn read_control(content: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut reader = Reader::new(content);
    let oid = reader.expect(OCTETS).unwrap();
    reader.optional(BOOLEAN).unwrap();
    (oid, reader.optional(OCTETS).unwrap())
}

/// The control for pages, of which none is larger than the limit.
fn page(out: &mut Writer, value: &[u8], most: i64) {
    let mut reader = Reader::new(value).nested(SEQUENCE).unwrap();
    let size = reader.integer(INTEGER).unwrap().min(most);
    let cookie = reader.expect(OCTETS).unwrap();
    let control = Control::paged(u32::try_from(size).unwrap(), cookie);
    out.nested(SEQUENCE, |out| {
        out.octets(OCTETS, control.oid.as_bytes());
        out.boolean(BOOLEAN, control.critical);
        out.octets(OCTETS, control.value.as_ref().unwrap());
    });
}
