//! What the client makes of a server that fails, lies, or says nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use postern::directory::Health;
use postern::directory::ldap::{
    Attribute, Bounds, Change, ChangeKind, Code, Dn, Filter, LdapConfig, LdapError, Pool, Search,
    Timeouts, Why, Write,
};
use tokio::sync::mpsc::unbounded_channel;

use crate::place::soon;
use crate::scripted::{
    ABANDON, Conversation, EXTENDED, MODIFY, SEARCH, Scripted, UNBIND, entry, message, notice,
    result,
};

fn look() -> Search {
    Search::entry("dc=x".parse().unwrap(), &["cn"])
}

fn everything() -> Search {
    Search::below("dc=x".parse().unwrap(), Filter::everything(), &["cn"])
}

fn write() -> Write {
    Write::Modify {
        dn: "dc=x".parse::<Dn>().unwrap(),
        changes: vec![Change::new(ChangeKind::Replace, Attribute::one("sn", "x"))],
    }
}

fn pool(config: LdapConfig) -> Arc<Pool> {
    Pool::open(config, None).unwrap()
}

#[tokio::test]
async fn a_dropped_search_is_abandoned_and_a_dropped_pool_says_goodbye() {
    let (seen, mut heard) = unbounded_channel();
    let server = Scripted::new(move |mut talk: Conversation, _| {
        let seen = seen.clone();
        async move {
            talk.opened().await;
            while let Some(asked) = talk.next().await {
                seen.send((asked.id, asked.tag, asked.content.clone()))
                    .unwrap();
                if asked.tag == SEARCH {
                    talk.say(entry(asked.id, "dc=x")).await;
                }
            }
        }
    })
    .await;
    let pool = pool(server.config());
    let mut entries = pool.search(everything(), &[], soon());
    entries.next().await.unwrap().unwrap();
    drop(entries);
    let (id, tag, _) = heard.recv().await.unwrap();
    assert_eq!(tag, SEARCH);
    let (_, tag, content) = heard.recv().await.unwrap();
    assert_eq!((tag, i64::from(content[0])), (ABANDON, id));

    // A call whose future is dropped, too.
    let one = tokio::time::timeout(Duration::from_millis(100), pool.one(look(), soon()));
    one.await.unwrap_err();
    assert_eq!(heard.recv().await.unwrap().1, SEARCH);
    assert_eq!(heard.recv().await.unwrap().1, ABANDON);
    drop(pool);
    assert_eq!(heard.recv().await.unwrap().1, UNBIND);
}

#[tokio::test]
async fn a_write_is_sent_once_and_a_read_three_times_at_most() {
    let (seen, mut heard) = unbounded_channel();
    let server = Scripted::new(move |mut talk: Conversation, _| {
        let seen = seen.clone();
        async move {
            talk.opened().await;
            if let Some(asked) = talk.next().await {
                seen.send(asked.tag).unwrap();
            }
        }
    })
    .await;
    let pool = pool(server.config());
    let outcome = pool.write(write(), &[], soon()).await;
    assert!(
        matches!(outcome, Err(LdapError::Unknown(Why::Closed(_)))),
        "{outcome:?}"
    );
    let found = pool.one(look(), soon()).await;
    assert!(
        matches!(found, Err(LdapError::Unknown(Why::Closed(_)))),
        "{found:?}"
    );
    assert!(matches!(pool.health(), Health::Down(_)));
    assert_eq!(pool.vitals().retries, 2);
    drop(pool);
    let mut tags = Vec::new();
    while let Ok(tag) = heard.try_recv() {
        tags.push(tag);
    }
    assert_eq!(tags, [MODIFY, SEARCH, SEARCH, SEARCH]);
    assert_eq!(server.connections(), 4);
}

#[tokio::test]
async fn a_read_that_is_lost_after_its_entry_is_asked_again() {
    let server = Scripted::new(|mut talk: Conversation, number| async move {
        talk.opened().await;
        while let Some(asked) = talk.next().await {
            talk.say(entry(asked.id, "dc=x")).await;
            if number == 0 {
                return; // without a word that this is all
            }
            talk.say(result(asked.id, 0x65, 0)).await;
        }
    })
    .await;
    let pool = pool(server.config());
    assert_eq!(pool.one(look(), soon()).await.unwrap().unwrap().dn, "dc=x");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_slow_reader_costs_neither_memory_nor_the_others() {
    let (ended, mut abandoned) = unbounded_channel();
    let server = Scripted::new(move |mut talk: Conversation, _| {
        let ended = ended.clone();
        async move {
            talk.opened().await;
            let first = talk.next().await.unwrap();
            // Without an end, until it is abandoned.
            let mut said = 0_u64;
            loop {
                tokio::select! {
                    biased;
                    asked = talk.next() => {
                        let asked = asked.unwrap();
                        if asked.tag == ABANDON {
                            ended.send(said).unwrap();
                            continue;
                        }
                        talk.say(entry(asked.id, "dc=other")).await;
                        talk.say(result(asked.id, 0x65, 0)).await;
                        continue;
                    }
                    () = tokio::task::yield_now() => {}
                }
                if ended.is_closed() {
                    return;
                }
                talk.say(entry(first.id, "dc=x")).await;
                said += 1;
            }
        }
    })
    .await;
    let config = LdapConfig {
        bounds: Bounds {
            held: 200_000,
            stall: Duration::from_millis(300),
            ..Bounds::default()
        },
        ..server.config()
    };
    let pool = pool(config);
    let pinned = pool.pinned(soon()).await.unwrap();
    let mut slow = pinned.search(everything(), &[], soon());
    slow.next().await.unwrap().unwrap();
    // It is not read from here on; what another one asks is answered all the same.
    let other = pinned.one(look(), soon()).await.unwrap().unwrap();
    assert_eq!(other.dn, "dc=other");
    let _said = abandoned.recv().await.unwrap();
    // The searcher hears of it, and of nothing that was held.
    let mut left = 0;
    let error = loop {
        match slow.next().await {
            Ok(Some(_)) => left += 1,
            Ok(None) => panic!("it came to an end"),
            Err(error) => break error,
        }
    };
    assert_eq!(error, LdapError::Unknown(Why::TooSlow));
    assert!(left < 10, "{left}");
    drop(abandoned);
}

#[tokio::test]
async fn a_notice_of_disconnection_is_heard_by_all() {
    let server = Scripted::new(|mut talk: Conversation, number| async move {
        talk.opened().await;
        if number > 0 {
            while let Some(asked) = talk.next().await {
                talk.say(entry(asked.id, "dc=x")).await;
                talk.say(result(asked.id, 0x65, 0)).await;
            }
        }
        let _both = (talk.next().await, talk.next().await);
        talk.say(notice()).await;
        talk.next().await;
    })
    .await;
    let pool = pool(server.config());
    let (read, written) = tokio::join!(pool.one(look(), soon()), pool.write(write(), &[], soon()));
    assert_eq!(read.unwrap().unwrap().dn, "dc=x");
    let Err(LdapError::Unknown(Why::Closed(why))) = written else {
        panic!("{written:?}");
    };
    assert_eq!(&*why, "the directory ended it with unavailable (52)");
}

#[tokio::test]
async fn nonsense_ends_a_connection_and_an_odd_answer_only_its_operation() {
    let server = Scripted::new(|mut talk: Conversation, number| async move {
        talk.opened().await;
        let mut count = 0;
        while let Some(asked) = talk.next().await {
            if asked.tag == ABANDON {
                continue; // what was not understood is given up
            }
            count += 1;
            match (number, count) {
                // An entry whose name is no UTF-8.
                (0, 1) => {
                    talk.say(message(asked.id, 0x64, |o| o.octets(4, b"\xff")))
                        .await
                }
                // The answer to another question.
                (0, 2) => talk.say(result(asked.id, 0x67, 0)).await,
                // Nobody asked for this, and a number that nobody knows.
                (0, 3) => {
                    talk.say(result(9999, 0x65, 0)).await;
                    talk.say(message(asked.id, 0x79, |_| {})).await;
                    talk.say(result(asked.id, 0x65, 92)).await;
                }
                (0, _) => talk.say(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).await,
                _ => talk.say(vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]).await,
            }
        }
    })
    .await;
    let pool = pool(server.config());
    for _ in 0..2 {
        let found = pool.one(look(), soon()).await;
        assert!(
            matches!(found, Err(LdapError::Unknown(Why::Malformed(_)))),
            "{found:?}"
        );
    }
    let code = pool.one(look(), soon()).await.unwrap_err().code();
    assert_eq!(code, Some(Code(92)));
    assert_eq!(server.connections(), 1);
    for _ in 0..2 {
        let found = pool.one(look(), soon()).await;
        assert!(
            matches!(found, Err(LdapError::Unknown(Why::Malformed(_)))),
            "{found:?}"
        );
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn silence_is_not_waited_for_longer_than_allowed() {
    let server = Scripted::new(|mut talk: Conversation, number| async move {
        talk.opened().await;
        while let Some(asked) = talk.next().await {
            if number > 0 {
                talk.say(result(asked.id, 0x67, 0)).await;
            }
        }
    })
    .await;
    let pool = pool(server.config());
    let short = || Instant::now() + Duration::from_millis(200);
    let outcome = pool.write(write(), &[], short()).await;
    assert_eq!(outcome.unwrap_err(), LdapError::Unknown(Why::TimedOut));
    // The silent connection is not used again.
    let outcome = pool.write(write(), &[], soon()).await.unwrap();
    assert_eq!(outcome.result.code, Code::SUCCESS);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_server_that_sends_writes_elsewhere_is_left() {
    let replica = Scripted::new(|mut talk: Conversation, _| async move {
        talk.opened().await;
        while let Some(asked) = talk.next().await {
            let tag = if asked.tag == MODIFY { 0x67 } else { 0x65 };
            let code = if asked.tag == MODIFY { 10 } else { 0 };
            talk.say(result(asked.id, tag, code)).await;
        }
    })
    .await;
    let primary = Scripted::new(|mut talk: Conversation, _| async move {
        talk.opened().await;
        while let Some(asked) = talk.next().await {
            talk.say(result(asked.id, asked.tag + 1, 0)).await;
        }
    })
    .await;
    let mut config = replica.config();
    config.urls.extend(primary.config().urls);
    let pool = pool(config);
    assert_eq!(pool.one(everything(), soon()).await, Ok(None));
    assert_eq!(primary.connections(), 0);
    let outcome = pool.write(write(), &[], soon()).await.unwrap();
    assert_eq!(outcome.result.code, Code::SUCCESS);
    assert_eq!(&*pool.in_use(), &primary.config().urls[0].to_string());
    // Alone, its answer is what there is.
    let alone = Pool::open(replica.config(), None).unwrap();
    let outcome = alone.write(write(), &[], soon()).await.unwrap();
    assert_eq!(outcome.result.code, Code::REFERRAL);
    assert_eq!(outcome.result.referrals, ["ldap://elsewhere"]);
}

#[tokio::test]
async fn nothing_is_believed_that_comes_between_starttls_and_tls() {
    let server = Scripted::new(|mut talk: Conversation, _| async move {
        let asked = talk.next().await.unwrap();
        assert_eq!(asked.tag, EXTENDED);
        let mut both = result(asked.id, 0x78, 0);
        both.extend(result(2, 0x61, 0));
        talk.say(both).await;
        assert!(talk.next().await.is_none(), "something followed");
    })
    .await;
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let config = LdapConfig {
        start_tls: true,
        ca: Some(made.cert.pem().into_bytes()),
        timeouts: Timeouts {
            connect: Duration::from_millis(200),
            ..Timeouts::default()
        },
        ..server.config()
    };
    let error = pool(config).one(look(), soon()).await.unwrap_err();
    assert_eq!(
        error,
        LdapError::Unsent(Why::Malformed(
            "something came between StartTLS and TLS".into()
        ))
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_waited_for_only_at_first() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let config = LdapConfig {
        timeouts: Timeouts {
            connect: Duration::from_millis(400),
            ..Timeouts::default()
        },
        ..LdapConfig::new(vec![format!("ldap://127.0.0.1:{port}").parse().unwrap()])
    };
    let pool = pool(config);
    let asked = Instant::now();
    for round in 0..20 {
        let error = pool.write(write(), &[], soon()).await.unwrap_err();
        assert!(
            matches!(error, LdapError::Unsent(Why::Unreachable(_))),
            "{round}: {error:?}"
        );
    }
    assert!(asked.elapsed() < Duration::from_secs(10));
    assert!(pool.vitals().connect_failures >= 2);
    assert!(matches!(pool.health(), Health::Down(_)));
}
