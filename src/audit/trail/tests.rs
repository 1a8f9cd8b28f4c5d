//! Trails on disks that are full, gone, meddled with and stuck, and how they go on.

use std::fs::File;
use std::io::{Read as _, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Instant, UNIX_EPOCH};

use super::super::folder::Folder;
use super::super::settings::Sync;
use super::super::verify::{Summary, verify};
use super::*;

const LONG: Duration = Duration::from_secs(60);

fn settings(path: &Path) -> Settings {
    let mut settings = Settings::at(Place::File(path.to_owned()));
    // Of a test machine that is busy with other things.
    settings.wait = LONG;
    settings
}

fn start(settings: &Settings) -> Trail {
    Trail::start(settings, None, "r1", Arc::new(Metrics::new()), UNIX_EPOCH).unwrap()
}

fn record(n: u64) -> Record {
    Record::new("intent", UNIX_EPOCH).number("n", n)
}

fn stop(trail: &Trail) {
    assert!(trail.close(Record::new("stop", UNIX_EPOCH), LONG));
}

async fn intents(trail: &Trail, count: u64) -> u64 {
    let mut written = 0;
    for n in 0..count {
        written += u64::from(trail.intent(record(n)).await.is_ok());
    }
    written
}

fn bytes(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn text(path: &Path) -> String {
    String::from_utf8(bytes(path)).unwrap()
}

/// Everything of the trail, which must be whole.
fn whole(path: &Path) -> Summary {
    let mut files = super::super::full(path).unwrap();
    files.push(path.to_owned());
    let found = verify(&files, &[], false).unwrap();
    assert_eq!(found.faults, []);
    found
}

/// Waits until it is so.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn down(trail: &Trail) -> Option<String> {
    trail.state().unwrap().down
}

#[tokio::test]
async fn the_chain_goes_on_over_restarts_and_only_the_owner_reads_it() {
    let folder = Folder::new();
    let path = folder.0.join("audit.ndjson");
    for round in 1..=3 {
        let trail = start(&settings(&path));
        assert_eq!(intents(&trail, 5).await, 5);
        stop(&trail);
        let found = whole(&path);
        assert_eq!((found.records, found.starts), (round * 7, round));
    }
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[tokio::test]
async fn what_a_crash_tore_is_told_of_and_what_it_left_whole_is_kept() {
    let folder = Folder::new();
    let path = folder.0.join("audit.ndjson");
    let trail = start(&settings(&path));
    intents(&trail, 3).await;
    stop(&trail);
    let good = bytes(&path);
    let found = whole(&path).records;
    for (cut, repaired, records) in [(1, 0, found), (2, 1, found - 1), (60, 1, found - 1)] {
        let bytes = &good[..good.len() - cut];
        std::fs::write(&path, bytes).unwrap();
        stop(&start(&settings(&path)));
        let after = whole(&path);
        assert_eq!(after.repaired, repaired, "{cut}");
        assert_eq!(after.records, records + repaired + 2, "{cut}");
    }
    // Blocks of zeros, as some file systems leave them.
    std::fs::write(&path, [&good[..], &[0; 4096]].concat()).unwrap();
    stop(&start(&settings(&path)));
    assert_eq!(whole(&path).repaired, 1);
    // A crash in the very first line.
    std::fs::write(&path, b"{\"seq\":1,\"pr").unwrap();
    stop(&start(&settings(&path)));
    assert_eq!(whole(&path).repaired, 1);
}

#[tokio::test]
async fn full_files_are_put_aside_and_the_oldest_deleted() {
    let folder = Folder::new();
    let path = folder.0.join("audit.ndjson");
    let mut settings = settings(&path);
    settings.sync = Sync::Never;
    settings.rotate.size = 2_000;
    settings.rotate.keep = 3;
    for _ in 0..2 {
        let trail = start(&settings);
        assert_eq!(intents(&trail, 40).await, 40);
        stop(&trail);
    }
    let full = super::super::full(&path).unwrap();
    assert_eq!(full.len(), 3);
    for file in &full {
        let length = std::fs::metadata(file).unwrap().len();
        assert!((1_000..=2_000).contains(&length), "{length}");
    }
    let found = whole(&path);
    assert_eq!(found.last.unwrap().seq, 84);
    // The newest is gone: its end is missed, and the rest goes on from where it is known.
    std::fs::remove_file(&path).unwrap();
    stop(&start(&settings));
    assert!(whole(&path).last.unwrap().seq < 84);
}

#[tokio::test]
async fn a_folder_that_is_gone_stops_writes_until_it_is_back() {
    let folder = Folder::new();
    let path = folder.0.join("audit/audit.ndjson");
    std::fs::create_dir(folder.0.join("audit")).unwrap();
    let trail = start(&settings(&path));
    assert_eq!(intents(&trail, 2).await, 2);
    std::fs::remove_dir_all(folder.0.join("audit")).unwrap();
    assert_eq!(intents(&trail, 3).await, 0);
    trail.outcome(record(9));
    until("it is counted", || trail.state().unwrap().lost == 1).await;
    assert_eq!(
        trail.stops_writes().as_deref(),
        Some("its folder is not there")
    );
    std::fs::create_dir(folder.0.join("audit")).unwrap();
    // By itself: where nobody may write, nobody tries.
    until("it is up again", || down(&trail).is_none()).await;
    assert_eq!(intents(&trail, 1).await, 1);
    stop(&trail);
    let found = whole(&path);
    assert_eq!(found.lost, 1);
    let text = text(&path);
    assert!(
        text.contains(
            "\"event\":\"gap\",\"lost\":1,\"refused\":3,\"reason\":\"its folder is not there\""
        ),
        "{text}"
    );
    assert!(text.contains("\"what\":\"the file was removed\""), "{text}");
}

#[tokio::test]
async fn a_full_disk_stops_writes_or_costs_records() {
    let full = Path::new("/dev/full");
    let trail = start(&settings(full));
    assert_eq!(intents(&trail, 3).await, 0);
    assert!(trail.stops_writes().unwrap().contains("No space left"));
    assert_eq!(trail.state().unwrap().refused, 3);
    let mut open = settings(full);
    open.when_full = WhenFull::DropAndCount;
    let trail = start(&open);
    assert_eq!(intents(&trail, 3).await, 3);
    until("they are counted", || trail.state().unwrap().lost >= 3).await;
    assert!(down(&trail).is_some());
    assert_eq!(trail.stops_writes(), None);
}

#[tokio::test]
async fn whoever_meddles_with_the_file_is_told_of() {
    let folder = Folder::new();
    let path = folder.0.join("audit.ndjson");
    let trail = start(&settings(&path));
    let told = |what: &str| text(&path).contains(what);
    intents(&trail, 1).await;
    std::fs::rename(&path, folder.0.join("audit.ndjson.00000000000000000001")).unwrap();
    intents(&trail, 1).await;
    assert!(told("the file was removed"));
    // As `logrotate` does it: nothing is lost.
    whole(&path);
    std::fs::rename(&path, folder.0.join("audit.ndjson.00000000000000000003")).unwrap();
    std::fs::write(&path, "").unwrap();
    intents(&trail, 1).await;
    assert!(told("the file was replaced"));
    whole(&path);
    std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(b"{}\n")
        .unwrap();
    intents(&trail, 1).await;
    assert!(told("written by somebody else"));
    let found = verify(std::slice::from_ref(&path), &[], false).unwrap();
    assert_eq!(found.faults.len(), 1);
    // Cut in the middle of a line: what follows is none of that line's.
    let cut = bytes(&path).len() - 10;
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(u64::try_from(cut).unwrap()).unwrap();
    intents(&trail, 1).await;
    let found = verify(std::slice::from_ref(&path), &[], false).unwrap();
    assert_eq!(found.last.unwrap().seq, 10);
    assert_eq!(found.faults.len(), 3, "{:#?}", found.faults);
    stop(&trail);
}

#[test]
fn a_place_that_cannot_be_used_is_refused_with_what_to_do() {
    let folder = Folder::new();
    let refused = |path: &Path| {
        let trail = Trail::start(
            &settings(path),
            None,
            "r",
            Arc::new(Metrics::new()),
            UNIX_EPOCH,
        );
        trail.map(|_| ()).unwrap_err().to_string()
    };
    let good = folder.0.join("good");
    let trail = start(&settings(&good));
    assert!(
        refused(&good).ends_with("another process writes it: each replica needs a file of its own")
    );
    stop(&trail);
    let link = folder.0.join("link");
    std::os::unix::fs::symlink(&good, &link).unwrap();
    assert!(refused(&link).ends_with("name the file itself"));
    assert!(refused(&folder.0.join("none/audit")).ends_with("its folder is not there: make it"));
    assert!(refused(&folder.0).ends_with("it is a folder: name a file in it"));
    let other = folder.file("passwd", b"root:x:0:0\n");
    assert!(
        refused(&other).contains("it is no audit trail"),
        "{}",
        refused(&other)
    );
    assert_eq!(std::fs::metadata(&other).unwrap().size(), 11);
}

/// An output that takes nothing until it is told to.
struct Stuck(Receiver<()>, Arc<std::sync::Mutex<Vec<u8>>>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        // In small pieces.
        let piece = &bytes[..bytes.len().min(100)];
        self.1.lock().unwrap().extend_from_slice(piece);
        Ok(piece.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_output_that_is_stuck_holds_a_write_up_no_longer_than_the_wait() {
    let (go, wait) = channel();
    let text = Arc::<std::sync::Mutex<Vec<u8>>>::default();
    let out = Out::Stream(Box::new(Stuck(wait, Arc::clone(&text))), Vec::new());
    let mut settings = Settings::at(Place::Stdout);
    settings.wait = Duration::from_millis(20);
    let metrics = Arc::new(Metrics::new());
    let trail = Trail::begin(
        &settings,
        (out, Head::default()),
        None,
        None,
        "r",
        metrics,
        UNIX_EPOCH,
    );
    let trail = trail.unwrap();
    assert_eq!(intents(&trail, 3).await, 0);
    assert_eq!(trail.state().unwrap().refused, 3);
    drop(go);
    stop(&trail);
    let text = text.lock().unwrap();
    let folder = Folder::new();
    let found = verify(&[folder.file("out", &text)], &[], false).unwrap();
    assert_eq!(found.faults, []);
    // Those who gave up before they were looked at are not in it.
    assert!(String::from_utf8_lossy(&text).contains("\"event\":\"gap\",\"lost\":0,\"refused\":"));
}

#[tokio::test]
async fn a_digest_tells_a_value_only_to_who_has_the_key() {
    let folder = Folder::new();
    let secret = Key::new(b"0123456789abcdef0123456789abcdef");
    let keyed = settings(&folder.0.join("audit"));
    let metrics = Arc::new(Metrics::new());
    let trail = Trail::start(&keyed, Some(secret.clone()), "r", metrics, UNIX_EPOCH).unwrap();
    let one = trail.digest("corp", "name.familyName", "Jensen");
    assert_eq!(one.len(), 32);
    assert_eq!(one, trail.digest("corp", "NAME.familyname", "Jensen"));
    assert_ne!(one, trail.digest("corp", "userName", "Jensen"));
    assert_ne!(one, trail.digest("other", "name.familyName", "Jensen"));
    stop(&trail);
    assert_eq!(one, digest_of(&secret, "corp", "name.familyName", "Jensen"));
    // Without a key file each process has one of its own.
    let keyed = settings(&folder.0.join("plain"));
    let own = || {
        let trail = start(&keyed);
        let digest = trail.digest("t", "p", "v");
        stop(&trail);
        digest
    };
    assert_ne!(own(), own());
}
