//! Servers that say what no server should: what is told of it is an error, and nothing is done
//! because of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use postern::directory::ldap::{Dn, Filter, LdapConfig, LdapError, Pool, Search, Why};
use postern::directory::{Ask, DirectoryError};
use postern::ldap::ber::{ENUMERATED, INTEGER, OCTETS, SEQUENCE, SET, Writer};
use postern::scim::operation::{Projection, Verb};
use postern::scim::query::Query;
use postern::scim::{Operation, Upstream};

use crate::lists::Directed;
use crate::place::{Kind, soon};
use crate::scripted::{Conversation, SEARCH, Scripted, message, result};

const ID: &str = "0a0a0a0a-0000-1000-8000-000000000001";
const OTHER: &str = "0a0a0a0a-0000-1000-8000-000000000002";
const PAGED: &str = "1.2.840.113556.1.4.319";

/// An entry with these attributes.
fn told(id: i64, dn: &str, attributes: &[(&str, &str)]) -> Vec<u8> {
    message(id, 0x64, |out| {
        out.octets(OCTETS, dn.as_bytes());
        out.nested(SEQUENCE, |out| {
            for (name, value) in attributes {
                out.nested(SEQUENCE, |out| {
                    out.octets(OCTETS, name.as_bytes());
                    out.nested(SET, |out| out.octets(OCTETS, value.as_bytes()));
                });
            }
        });
    })
}

fn person(id: i64, dn: &str, own: &str) -> Vec<u8> {
    told(id, dn, &[("entryUUID", own), ("cn", "x"), ("sn", "x")])
}

/// The end of a search, with what is said of the next page.
fn page(id: i64, control: Option<&[u8]>) -> Vec<u8> {
    let mut out = Writer::new();
    out.nested(SEQUENCE, |out| {
        out.integer(INTEGER, id);
        out.nested(0x65, |out| {
            out.integer(ENUMERATED, 0);
            out.octets(OCTETS, b"");
            out.octets(OCTETS, b"");
        });
        if let Some(value) = control {
            out.nested(0xa0, |out| {
                out.nested(SEQUENCE, |out| {
                    out.octets(OCTETS, PAGED.as_bytes());
                    out.octets(OCTETS, value);
                });
            });
        }
    });
    out.finish()
}

fn cookie(text: &[u8]) -> Vec<u8> {
    let mut out = Writer::new();
    out.nested(SEQUENCE, |out| {
        out.integer(INTEGER, 0);
        out.octets(OCTETS, text);
    });
    out.finish()
}

/// Answers the look at the root entry, which offers pages.
async fn opened(talk: &mut Conversation) {
    let asked = talk.next().await.unwrap();
    talk.say(told(asked.id, "", &[("supportedControl", PAGED)]))
        .await;
    talk.say(result(asked.id, 0x65, 0)).await;
}

fn unit() -> Dn {
    "ou=people,dc=x".parse().unwrap()
}

fn directed(config: LdapConfig) -> Directed {
    let pool = Pool::open(config, None).unwrap();
    Directed::at(Kind::Slapd, &pool, unit())
}

fn everything() -> Search {
    Search::below(unit(), Filter::everything(), &["cn"])
}

async fn done(directed: &Directed, verb: Verb) -> Result<(), DirectoryError> {
    let operation = Operation::<Upstream>::new("User".parse().unwrap(), verb);
    let ask = Ask {
        request_id: "r1".into(),
        traceparent: None,
        deadline: Instant::now() + Duration::from_secs(10),
    };
    let operation = operation.projected(Projection::All);
    directed.directory.execute(operation, &ask).await.map(drop)
}

/// What comes of a name that was not asked for.
async fn misled(dn: &'static str, own: &'static str) {
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&writes);
    let server = Scripted::new(move |mut talk: Conversation, _| {
        let counted = Arc::clone(&counted);
        async move {
            talk.opened().await;
            while let Some(asked) = talk.next().await {
                match asked.tag {
                    SEARCH => {
                        talk.say(person(asked.id, dn, own)).await;
                        talk.say(result(asked.id, 0x65, 0)).await;
                    }
                    tag => {
                        counted.fetch_add(1, SeqCst);
                        talk.say(result(asked.id, tag + 1, 0)).await;
                    }
                }
            }
        }
    })
    .await;
    let directed = directed(server.config());
    for verb in [
        Verb::Read(ID.parse().unwrap()),
        Verb::Delete(ID.parse().unwrap()),
    ] {
        let outcome = done(&directed, verb).await;
        assert!(
            matches!(outcome, Err(DirectoryError::Malformed(_))),
            "{dn}: {outcome:?}"
        );
    }
    assert_eq!(writes.load(SeqCst), 0, "{dn}");
}

#[tokio::test]
async fn a_name_outside_of_the_base_is_not_followed() {
    misled("cn=x,ou=others,dc=x", ID).await;
    misled("ou=people,dc=y", ID).await;
    misled("", ID).await;
}

#[tokio::test]
async fn another_entry_than_the_one_meant_is_not_touched() {
    misled("cn=x,ou=people,dc=x", OTHER).await;
}

/// What a search comes to of which each page has two entries, and such an end.
async fn ended(count: usize, end: impl Fn(i64) -> Vec<u8> + Send + Sync + 'static) -> Outcome {
    let end = Arc::new(end);
    let server = Scripted::new(move |mut talk: Conversation, _| {
        let end = Arc::clone(&end);
        async move {
            opened(&mut talk).await;
            while let Some(asked) = talk.next().await {
                if asked.tag == SEARCH {
                    for _ in 0..count {
                        talk.say(person(asked.id, "cn=x,ou=people,dc=x", ID)).await;
                    }
                    talk.say(end(asked.id)).await;
                }
            }
        }
    })
    .await;
    let config = LdapConfig {
        page: 2,
        ..server.config()
    };
    let pool = Pool::open(config, None).unwrap();
    let mut entries = pool.search(everything(), &[], soon());
    let mut came = 0;
    loop {
        match entries.next().await {
            Ok(Some(_)) => came += 1,
            Ok(None) => return Outcome::All(came),
            Err(LdapError::Unknown(Why::Malformed(_))) => return Outcome::Malformed,
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    All(usize),
    Malformed,
}

#[tokio::test]
async fn a_full_page_without_a_word_on_the_next_is_no_end() {
    let whole = |id| page(id, Some(&cookie(b"")));
    assert_eq!(ended(2, whole).await, Outcome::All(2));
    assert_eq!(ended(2, |id| page(id, None)).await, Outcome::Malformed);
    let broken = |id| page(id, Some(b"\x30\x7f"));
    assert_eq!(ended(1, broken).await, Outcome::Malformed);
    // What fits into a page may come without.
    assert_eq!(ended(1, |id| page(id, None)).await, Outcome::All(1));
}

#[tokio::test]
async fn an_entry_of_very_many_tiny_values_is_not_taken_apart() {
    let server = Scripted::new(move |mut talk: Conversation, _| async move {
        talk.opened().await;
        while let Some(asked) = talk.next().await {
            if asked.tag == SEARCH {
                let values = [0x04, 0x00].repeat(4 << 20);
                let entry = message(asked.id, 0x64, |out| {
                    out.octets(OCTETS, b"cn=x,ou=people,dc=x");
                    out.nested(SEQUENCE, |out| {
                        out.nested(SEQUENCE, |out| {
                            out.octets(OCTETS, b"cn");
                            out.octets(SET, &values);
                        });
                    });
                });
                talk.say(entry).await;
                talk.say(result(asked.id, 0x65, 0)).await;
            }
        }
    })
    .await;
    let pool = Pool::open(server.config(), None).unwrap();
    let found = pool.one(everything(), soon()).await.map(|_| ());
    let wanted = Why::Malformed("a message has too many parts".into());
    assert_eq!(found, Err(LdapError::Unknown(wanted)));
}

#[tokio::test]
async fn an_entry_that_is_told_twice_is_one() {
    let server = Scripted::new(move |mut talk: Conversation, _| async move {
        talk.opened().await;
        while let Some(asked) = talk.next().await {
            if asked.tag == SEARCH {
                for (dn, own) in [("b", OTHER), ("a", ID), ("b", OTHER)] {
                    let dn = format!("cn={dn},ou=people,dc=x");
                    talk.say(person(asked.id, &dn, own)).await;
                }
                talk.say(result(asked.id, 0x65, 0)).await;
            }
        }
    })
    .await;
    let told = directed(server.config()).list(Query::default()).await;
    let told = told.unwrap();
    assert_eq!(
        (told.total, told.ids),
        (2, vec![ID.to_owned(), OTHER.to_owned()])
    );
}
