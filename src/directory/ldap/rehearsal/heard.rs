//! What a client says, read as a server reads it: the other half of [`Request::encode`], for the
//! server of a rehearsal.

use std::sync::Arc;

use bytes::Bytes;

use crate::directory::ldap::control::Control;
use crate::directory::ldap::request::{
    Attribute, Change, ChangeKind, PASSWORD_MODIFY, Request, START_TLS, Scope, Search, WHO_AM_I,
    Write,
};
use crate::ldap::ber::{
    self, BOOLEAN, BerError, ENUMERATED, INTEGER, OCTETS, Reader, SEQUENCE, SET,
};
use crate::ldap::dn::{Dn, Rdn};
use crate::ldap::filter::{Extensible, Filter, Pieces};
use crate::net::secret::Secret;

/// The id of a message, what it asks, and with what controls.
pub(super) fn heard(frame: &Bytes) -> Result<(i32, Request, Vec<Control>), BerError> {
    let mut reader = Reader::new(frame).nested(SEQUENCE)?;
    let id = i32::try_from(reader.integer(INTEGER)?).map_err(|_| BerError::Number)?;
    let element = reader.element()?.ok_or(BerError::Truncated)?;
    let request = request(element.tag, element.content)?;
    let controls = match reader.optional(0xa0)? {
        Some(list) => Control::decode_all(frame, list)?,
        None => Vec::new(),
    };
    Ok((id, request, controls))
}

fn request(tag: u8, content: &[u8]) -> Result<Request, BerError> {
    let mut reader = Reader::new(content);
    Ok(match tag {
        0x60 => bind(&mut reader)?,
        0x42 => Request::Unbind,
        0x63 => Request::Search(search(&mut reader)?),
        0x66 => Request::Write(modify(&mut reader)?),
        0x68 => Request::Write(add(&mut reader)?),
        0x4a => Request::Write(Write::Delete { dn: name(content)? }),
        0x6c => Request::Write(rename(&mut reader)?),
        0x6e => {
            let dn = name(reader.expect(OCTETS)?)?;
            let mut pair = reader.nested(SEQUENCE)?;
            Request::Compare {
                dn,
                attribute: pair.text(OCTETS)?.into(),
                value: value(pair.expect(OCTETS)?),
            }
        }
        0x50 => {
            let id = ber::integer(content)?;
            Request::Abandon(i32::try_from(id).map_err(|_| BerError::Number)?)
        }
        0x77 => {
            let named = reader.text(0x80)?;
            let known = [PASSWORD_MODIFY, WHO_AM_I, START_TLS];
            Request::Extended {
                oid: known
                    .into_iter()
                    .find(|oid| *oid == named)
                    .unwrap_or_default(),
                value: reader.optional(0x81)?.map(value),
            }
        }
        _ => return Err(BerError::Unexpected),
    })
}

fn bind(reader: &mut Reader<'_>) -> Result<Request, BerError> {
    reader.integer(INTEGER)?;
    let dn = name(reader.expect(OCTETS)?)?;
    match reader.optional(0x80)? {
        Some(password) => Ok(Request::BindSimple {
            dn,
            password: Secret::new(ber::text(password)?.to_owned()),
        }),
        None => Ok(Request::BindExternal),
    }
}

fn search(reader: &mut Reader<'_>) -> Result<Search, BerError> {
    let base = name(reader.expect(OCTETS)?)?;
    let scope = match reader.integer(ENUMERATED)? {
        0 => Scope::Base,
        1 => Scope::One,
        2 => Scope::Sub,
        _ => return Err(BerError::Number),
    };
    reader.integer(ENUMERATED)?;
    let mut limit = || u32::try_from(reader.integer(INTEGER)?).map_err(|_| BerError::Number);
    let (size_limit, time_limit) = (limit()?, limit()?);
    reader.expect(BOOLEAN)?;
    let filter = filter(reader, 0)?;
    let mut names = reader.nested(SEQUENCE)?;
    let mut attributes: Vec<Arc<str>> = Vec::new();
    while !names.is_empty() {
        attributes.push(names.text(OCTETS)?.into());
    }
    attributes.retain(|name| &**name != "1.1");
    Ok(Search {
        base,
        scope,
        filter,
        attributes,
        size_limit,
        time_limit,
    })
}

/// A filter, by RFC 4511 §4.5.1.7.
pub(super) fn filter(reader: &mut Reader<'_>, depth: usize) -> Result<Filter, BerError> {
    if depth > DEEPEST {
        return Err(BerError::TooLarge);
    }
    let element = reader.element()?.ok_or(BerError::Truncated)?;
    let mut inner = Reader::new(element.content);
    let all = |mut inner: Reader<'_>| {
        let mut parts = Vec::new();
        while !inner.is_empty() {
            parts.push(filter(&mut inner, depth + 1)?);
        }
        Ok(parts)
    };
    let pair = |mut inner: Reader<'_>| {
        let name: Arc<str> = inner.text(OCTETS)?.into();
        Ok((name, value(inner.expect(OCTETS)?)))
    };
    Ok(match element.tag {
        0xa0 => Filter::And(all(inner)?),
        0xa1 => Filter::Or(all(inner)?),
        0xa2 => Filter::Not(Box::new(filter(&mut inner, depth + 1)?)),
        0xa3 => pair(inner).map(|(name, value)| Filter::Equal(name, value))?,
        0xa4 => {
            let name = inner.text(OCTETS)?.into();
            Filter::Substrings(name, pieces(inner.nested(SEQUENCE)?)?)
        }
        0xa5 => pair(inner).map(|(name, value)| Filter::AtLeast(name, value))?,
        0xa6 => pair(inner).map(|(name, value)| Filter::AtMost(name, value))?,
        0x87 => Filter::Present(ber::text(element.content)?.into()),
        0xa8 => pair(inner).map(|(name, value)| Filter::About(name, value))?,
        0xa9 => Filter::Rule(Extensible {
            rule: inner
                .optional(0x81)?
                .map(ber::text)
                .transpose()?
                .map(Arc::from),
            attribute: inner
                .optional(0x82)?
                .map(ber::text)
                .transpose()?
                .map(Arc::from),
            value: value(inner.expect(0x83)?),
            in_name: match inner.optional(0x84)? {
                Some(truth) => ber::boolean(truth)?,
                None => false,
            },
        }),
        _ => return Err(BerError::Unexpected),
    })
}

fn pieces(mut reader: Reader<'_>) -> Result<Pieces, BerError> {
    let mut pieces = Pieces::default();
    while let Some(element) = reader.element()? {
        let piece = value(element.content);
        match element.tag {
            0x80 => pieces.initial = Some(piece),
            0x81 => pieces.any.push(piece),
            0x82 => pieces.last = Some(piece),
            _ => return Err(BerError::Unexpected),
        }
    }
    Ok(pieces)
}

fn add(reader: &mut Reader<'_>) -> Result<Write, BerError> {
    let dn = name(reader.expect(OCTETS)?)?;
    let mut list = reader.nested(SEQUENCE)?;
    let mut attributes = Vec::new();
    while !list.is_empty() {
        attributes.push(attribute(&mut list)?);
    }
    Ok(Write::Add { dn, attributes })
}

fn modify(reader: &mut Reader<'_>) -> Result<Write, BerError> {
    let dn = name(reader.expect(OCTETS)?)?;
    let mut list = reader.nested(SEQUENCE)?;
    let mut changes = Vec::new();
    while !list.is_empty() {
        let mut one = list.nested(SEQUENCE)?;
        let kind = match one.integer(ENUMERATED)? {
            0 => ChangeKind::Add,
            1 => ChangeKind::Delete,
            2 => ChangeKind::Replace,
            3 => ChangeKind::Increment,
            _ => return Err(BerError::Number),
        };
        changes.push(Change::new(kind, attribute(&mut one)?));
    }
    Ok(Write::Modify { dn, changes })
}

fn rename(reader: &mut Reader<'_>) -> Result<Write, BerError> {
    let dn = name(reader.expect(OCTETS)?)?;
    let rdn: Option<Rdn> = name(reader.expect(OCTETS)?)?.rdn().cloned();
    let delete_old = ber::boolean(reader.expect(BOOLEAN)?)?;
    let above = reader.optional(0x80)?.map(name).transpose()?;
    Ok(Write::Rename {
        dn,
        rdn: rdn.ok_or(BerError::Unexpected)?,
        delete_old,
        above,
    })
}

fn attribute(reader: &mut Reader<'_>) -> Result<Attribute, BerError> {
    let mut one = reader.nested(SEQUENCE)?;
    let name = one.text(OCTETS)?;
    let mut set = one.nested(SET)?;
    let mut values = Vec::new();
    while !set.is_empty() {
        values.push(value(set.expect(OCTETS)?));
    }
    Ok(Attribute::many(name, values))
}

fn name(content: &[u8]) -> Result<Dn, BerError> {
    let text = ber::text(content)?;
    text.parse().map_err(|_| BerError::Unexpected)
}

fn value(content: &[u8]) -> Bytes {
    Bytes::copy_from_slice(content)
}

/// As many levels as a filter of ours can have.
const DEEPEST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn comes_back(request: &Request, controls: &[Control]) {
        let frame = Bytes::from(request.encode(7, controls));
        let (id, heard, with) = heard(&frame).unwrap();
        assert_eq!((id, with.as_slice()), (7, controls));
        assert_eq!(heard.encode(7, controls), frame);
    }

    #[test]
    fn what_the_client_says_is_what_the_server_hears() {
        let dn: Dn = r"cn=a\, b,ou=x,dc=y".parse().unwrap();
        let filter: Filter =
            "(&(cn=*)(|(cn=a*b*c)(cn=*b)(!(n>=1)))(n<=2)(cn~=x)(uac:1.2.3:=2)(cn:dn:=z))"
                .parse()
                .unwrap();
        let writes = [
            Write::Add {
                dn: dn.clone(),
                attributes: vec![Attribute::many("cn", ["a", "b"])],
            },
            Write::Modify {
                dn: dn.clone(),
                changes: vec![
                    Change::new(ChangeKind::Add, Attribute::one("cn", "c")),
                    Change::new(ChangeKind::Replace, Attribute::many("sn", [""; 0])),
                    Change::new(ChangeKind::Delete, Attribute::one("n", "1")),
                    Change::new(ChangeKind::Increment, Attribute::one("n", "1")),
                ],
            },
            Write::Delete { dn: dn.clone() },
            Write::Rename {
                dn: dn.clone(),
                rdn: Rdn::new("cn", " x").unwrap(),
                delete_old: true,
                above: Some(Dn::root()),
            },
        ];
        for write in writes {
            comes_back(&Request::Write(write), &[Control::permissive()]);
        }
        comes_back(
            &Request::Search(Search::below(dn.clone(), filter.clone(), &["cn"])),
            &[Control::paged(5, b"")],
        );
        comes_back(&Request::Search(Search::entry(dn.clone(), &[])), &[]);
        let password = Secret::new("hunter2".to_owned());
        comes_back(&Request::password_modify(&dn, &password), &[]);
        comes_back(
            &Request::BindSimple {
                dn: dn.clone(),
                password,
            },
            &[],
        );
        comes_back(&Request::BindExternal, &[]);
        comes_back(&Request::Abandon(5), &[]);
        comes_back(&Request::Unbind, &[]);
        comes_back(
            &Request::Compare {
                dn,
                attribute: "cn".into(),
                value: "x".into(),
            },
            &[Control::assertion(&filter)],
        );
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for frame in [
            &b""[..],
            b"\x30\x00",
            b"\x30\x05\x02\x01\x01\x61\x00",
            b"\x30\x05\x02\x01\x01\x63\x00",
            b"\x30\x05\x02\x01\x01\x68\x00",
        ] {
            assert!(heard(&Bytes::from_static(frame)).is_err(), "{frame:?}");
        }
    }
}
