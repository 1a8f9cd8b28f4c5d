//! What the audit trail costs a write: one `intent` that is waited for and one `outcome`, as the
//! gateway makes them, into a file with a keyed chain. `cargo bench --bench audit [-- FOLDER]`; the
//! file is made in FOLDER, else in that of temporary files, and taken away.
//!
//! "One at a time" is what a write waits; "64 at a time" is what the trail takes, for records that
//! come together are written together. The allocations are those of all threads, the writer's too.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::allow_attributes,
    unsafe_code,
    unreachable_pub,
    reason = "a bench that cannot go on stops, reads the clock, and counts allocations, for which \
              the language has only an unsafe trait"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use postern::audit::{Change, Key, Place, Record, Settings, Shown, Sync, Trail};
use postern::telemetry::Metrics;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

mod counting;

fn main() {
    let folder = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let folder = folder.map_or_else(std::env::temp_dir, PathBuf::from);
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    println!(
        "{:<10}{:>14}{:>14}{:>14}{:>14}{:>16}",
        "sync", "at a time", "us, median", "us, least", "allocations", "bytes"
    );
    for (sync, word) in [(Sync::Batch, "batch"), (Sync::Always, "always")] {
        for together in [1, 64] {
            let file = folder.join(format!("postern-bench-{}.jsonl", std::process::id()));
            let trail = start(&file, sync);
            // Until all has its size.
            runtime.block_on(writes(&trail, together, BATCH));
            let (mut times, mut allocations) = (Vec::with_capacity(ROUNDS), Vec::new());
            for _ in 0..ROUNDS {
                let before = counting::allocations();
                let began = Instant::now();
                runtime.block_on(writes(&trail, together, BATCH));
                times.push(began.elapsed().as_secs_f64() * 1e6 / BATCH as f64);
                allocations.push((counting::allocations() - before) as f64 / BATCH as f64);
            }
            trail.close(Record::new("stop", SystemTime::now()), DEADLINE);
            times.sort_by(f64::total_cmp);
            allocations.sort_by(f64::total_cmp);
            let bytes = file.metadata().unwrap().len() / ((ROUNDS + 1) * BATCH) as u64;
            println!(
                "{word:<10}{together:>14}{:>14.1}{:>14.1}{:>14.1}{bytes:>16}",
                times[ROUNDS / 2],
                times[0],
                allocations[ROUNDS / 2],
            );
            std::fs::remove_file(file).unwrap();
        }
    }
}

fn start(file: &std::path::Path, sync: Sync) -> Trail {
    let mut settings = Settings::at(Place::File(file.to_owned()));
    settings.sync = sync;
    settings.wait = DEADLINE;
    settings.rotate.size = u64::MAX;
    let key = Key::new(b"a key of the bench, of 32 bytes!");
    let metrics = Arc::new(Metrics::new());
    Trail::start(
        &settings,
        Some(key),
        "0123456789ab",
        metrics,
        SystemTime::now(),
    )
    .unwrap()
}

/// So many writes, so many of them at a time.
async fn writes(trail: &Trail, together: usize, all: usize) {
    if together == 1 {
        for _ in 0..all {
            write(trail).await;
        }
        return;
    }
    let mut under_way = JoinSet::new();
    for _ in 0..all {
        if under_way.len() == together {
            under_way.join_next().await.unwrap().unwrap();
        }
        let trail = trail.clone();
        under_way.spawn(async move { write(&trail).await });
    }
    under_way.join_all().await;
}

async fn write(trail: &Trail) {
    let number = trail.number();
    let begun = Instant::now();
    let digest = trail.digest("corp", "displayName", "Barbara Jensen");
    let change = Change {
        op: Some("replace"),
        path: "displayName".to_owned(),
        value: Some(Shown::Digest(digest, None)),
        before: None,
    };
    let intent = record("intent", &number)
        .text("decision", "allowed")
        .maybe("allowed_by", Some("provisioner/allow[0]"))
        .changes(&[change]);
    trail.intent(intent).await.unwrap();
    let outcome = record("outcome", &number).text("result", "done");
    trail.outcome(outcome.took(begun.elapsed()));
}

fn record(event: &'static str, number: &str) -> Record {
    Record::new(event, SystemTime::now())
        .text("request_id", "6f1c0ab2-1a")
        .text("account", "entra-prod")
        .text("key", "k2")
        .text("peer", "192.0.2.7:51234")
        .text("tenant", "corp")
        .text("revision", "0123456789ab")
        .text("write", number)
        .text("verb", "PATCH")
        .text("resource", "User")
        .maybe("id", Some("2819c223-7f76-453a-919d-413861904646"))
}

const ROUNDS: usize = 21;
const BATCH: usize = 2_000;
const DEADLINE: Duration = Duration::from_secs(30);
