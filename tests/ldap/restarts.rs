//! Servers that die and come back, under load.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use postern::directory::ldap::{
    Attribute, Change, ChangeKind, Dn, LdapError, Pool, Search, Timeouts, Write,
};
use tokio::task::JoinSet;

use crate::own::Slapd;
use crate::place::{done, soon};

fn people() -> Dn {
    "ou=people,dc=example,dc=com".parse().unwrap()
}

fn add_value(dn: &Dn, value: String) -> Write {
    let value = Attribute::one("description", value);
    Write::Modify {
        dn: dn.clone(),
        changes: vec![Change::new(ChangeKind::Add, value)],
    }
}

/// What became of the writes.
#[derive(Default)]
struct Writes {
    acknowledged: HashSet<String>,
    unknown: HashSet<String>,
    unsent: HashSet<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_and_no_write_is_done_twice_while_slapd_is_killed() {
    let Some(mut slapd) = Slapd::new("killed") else {
        return;
    };
    let pool = Pool::open(slapd.config(), None).unwrap();
    let dn = people();
    let running = Arc::new(AtomicBool::new(true));
    let reads = Arc::new(AtomicU64::new(0));
    let kills = Arc::new(AtomicU64::new(0));
    let mut readers = JoinSet::new();
    for _ in 0..8 {
        let (pool, dn) = (Arc::clone(&pool), dn.clone());
        let (running, reads) = (Arc::clone(&running), Arc::clone(&reads));
        let kills = Arc::clone(&kills);
        readers.spawn(async move {
            while running.load(SeqCst) {
                let search = Search::entry(dn.clone(), &["ou"]);
                let before = kills.load(SeqCst);
                let found = pool.one(search, soon()).await;
                let survived = kills.load(SeqCst) - before;
                let found = found.unwrap_or_else(|e| panic!("{e:?} after {survived} kills"));
                assert_eq!(found.unwrap().text("ou"), Some("people"));
                reads.fetch_add(1, SeqCst);
            }
        });
    }
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let (pool, dn, running) = (Arc::clone(&pool), dn.clone(), Arc::clone(&running));
        writers.spawn(async move {
            let mut writes = Writes::default();
            let mut number = 0;
            while running.load(SeqCst) {
                number += 1;
                let value = format!("{writer}-{number}");
                let outcome = pool.write(add_value(&dn, value.clone()), &[], soon()).await;
                match outcome {
                    // Done twice, it would be attributeOrValueExists.
                    Ok(outcome) => {
                        done(Ok(outcome.result));
                        writes.acknowledged.insert(value);
                    }
                    Err(LdapError::Unknown(_)) => drop(writes.unknown.insert(value)),
                    Err(error) => {
                        assert!(error.is_unsent(), "{error:?}");
                        writes.unsent.insert(value);
                    }
                }
            }
            writes
        });
    }
    let mut recoveries = Vec::new();
    for _ in 0..3 {
        more(&reads, 300).await;
        kills.fetch_add(1, SeqCst);
        slapd.kill();
        slapd.start_again();
        let back = Instant::now();
        more(&reads, 20).await;
        recoveries.push(back.elapsed());
    }
    more(&reads, 300).await;
    running.store(false, SeqCst);
    while let Some(reader) = readers.join_next().await {
        reader.unwrap();
    }
    let mut all = Vec::new();
    while let Some(writes) = writers.join_next().await {
        all.push(writes.unwrap());
    }
    // Only now nothing is under way.
    let entry = pool.one(Search::entry(dn, &["description"]), soon()).await;
    let entry = entry.unwrap().unwrap();
    let there: HashSet<String> = entry
        .values("description")
        .iter()
        .map(|value| String::from_utf8(value.to_vec()).unwrap())
        .collect();
    let (mut known, mut unknown) = (0, 0);
    for writes in &all {
        for value in &writes.acknowledged {
            assert!(there.contains(value), "{value} was acknowledged");
        }
        for value in &writes.unsent {
            assert!(
                !there.contains(value),
                "{value} was said not to have been sent"
            );
        }
        known += writes.acknowledged.len();
        unknown += writes.unknown.len();
    }
    println!(
        "{} reads; {known} writes acknowledged, {unknown} unknown; 20 reads after slapd was back: \
         {recoveries:?}; {:?}",
        reads.load(SeqCst),
        pool.vitals()
    );
    // Of each kill, one per writer and connection: the second may not know yet that it is dead.
    assert!(unknown <= 3 * 4 * 2, "{unknown}");
}

/// Waits for so many more reads.
async fn more(reads: &AtomicU64, count: u64) {
    let wanted = reads.load(SeqCst) + count;
    let end = Instant::now() + Duration::from_secs(30);
    while reads.load(SeqCst) < wanted {
        assert!(Instant::now() < end, "the readers stand still");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn all_moves_to_the_next_server_and_back_when_the_first_is_steady() {
    let (Some(mut first), Some(second)) = (Slapd::new("first"), Slapd::new("second")) else {
        return;
    };
    let mut config = first.config();
    config.urls.push(second.url().parse().unwrap());
    config.timeouts = Timeouts {
        fail_back: Duration::from_millis(500),
        ..Timeouts::default()
    };
    let pool = Pool::open(config, None).unwrap();
    let mark = async |pool: &Arc<Pool>| {
        let entry = pool
            .one(Search::entry(people(), &["description"]), soon())
            .await;
        let entry = entry.unwrap().unwrap();
        entry.text("description").map(str::to_owned)
    };
    // They are no replicas here: each is told from the other by what only it has.
    for (server, name) in [(&first, "first"), (&second, "second")] {
        let alone = Pool::open(server.config(), None).unwrap();
        let write = add_value(&people(), name.to_owned());
        done(alone.write(write, &[], soon()).await.map(|o| o.result));
    }
    for _ in 0..20 {
        assert_eq!(mark(&pool).await.as_deref(), Some("first"));
    }
    assert_eq!(&*pool.in_use(), &first.url());
    first.kill();
    for _ in 0..20 {
        assert_eq!(mark(&pool).await.as_deref(), Some("second"));
    }
    assert_eq!(&*pool.in_use(), &second.url());
    let write = add_value(&people(), "follows".to_owned());
    done(pool.write(write, &[], soon()).await.map(|o| o.result));
    first.start_again();
    // At once nothing moves.
    assert_eq!(mark(&pool).await.as_deref(), Some("second"));
    let end = Instant::now() + Duration::from_secs(30);
    while mark(&pool).await.as_deref() != Some("first") {
        assert!(Instant::now() < end, "nothing moved back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(&*pool.in_use(), &first.url());
}
