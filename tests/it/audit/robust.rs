//! Disks that are full, programs that are killed, and both in the middle of work.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::support::client::plain_get;
use super::super::support::long;
use super::super::support::program::first_line;
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_every_write_before_it_is_sent() {
    let it = It::start([made("7")], PASS, "{file: /dev/full}").await;
    let answer = it.client().post("/Users", &json!({"userName": "a"})).await;
    assert_eq!(answer.headers["retry-after"], "5");
    let detail = answer.expect_error(503, None);
    assert!(
        detail.contains("audit trail") && detail.contains("nothing was changed"),
        "{detail}"
    );
    it.client().delete("/Users/1").await.expect(503);
    assert_eq!(it.directory.requests().len(), 0);
    // Reads go on.
    it.client().get("/Users/1").await.expect(200);
    let probe = it.serving.probe();
    let (status, body) = plain_get(probe, "/readyz").await.unwrap();
    assert_eq!(status, 503);
    assert!(
        body.contains("audit: the trail cannot be written: No space left"),
        "{body}"
    );
    let (_, metrics) = plain_get(probe, "/metrics").await.unwrap();
    assert!(metrics.contains("postern_audit_up 0"), "{metrics}");
    assert!(
        metrics.contains("postern_audit_records_total{result=\"refused\"} 2"),
        "{metrics}"
    );
    assert!(
        it.program
            .log()
            .contains("the audit trail cannot be written: No space left")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn or_costs_records_which_are_counted() {
    let it = It::start(
        [made("7")],
        PASS,
        "{file: /dev/full, when_full: drop-and-count}",
    )
    .await;
    it.client()
        .post("/Users", &json!({"userName": "a"}))
        .await
        .expect(201);
    let probe = it.serving.probe();
    eventually("they are counted", || {
        let metrics = futures_metrics(probe);
        metrics
            .contains("postern_audit_records_total{result=\"dropped\"} 2")
            .then_some(())
    })
    .await;
    assert_eq!(plain_get(probe, "/readyz").await.unwrap().0, 200);
}

/// The metrics, from a place that cannot wait.
fn futures_metrics(probe: std::net::SocketAddr) -> String {
    tokio::task::block_in_place(|| {
        let now = tokio::runtime::Handle::current();
        now.block_on(plain_get(probe, "/metrics")).unwrap().1
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_full_is_written_again_without_a_restart() {
    let it = It::start([made("7")], PASS, KEYED).await;
    let user = json!({"userName": "a"});
    it.client().post("/Users", &user).await.expect(201);
    let folder = it.program.folder.join("audit");
    let away = it.program.folder.join("away");
    std::fs::rename(&folder, &away).unwrap();
    it.client().post("/Users", &user).await.expect(503);
    assert_eq!(it.directory.requests().len(), 1);
    std::fs::rename(&away, &folder).unwrap();
    let probe = it.serving.probe();
    eventually("it is ready again", || {
        futures_metrics(probe)
            .contains("postern_audit_up 1")
            .then_some(())
    })
    .await;
    it.client().post("/Users", &user).await.expect(201);
    let all = it.stopped();
    // The write that was refused, and its refusal, which could not be written either: which of them
    // a gap tells of is up to whether the writer or the request was first to notice.
    let gaps = of(&all, "gap");
    let told = |key: &str| gaps.iter().filter_map(|gap| gap[key].as_u64()).sum::<u64>();
    assert!(told("refused") + told("lost") >= 1, "{all:#?}");
}

/// A disk of its own that fills in the middle of a line, and has room again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_leaves_no_half_line() {
    let mount = "mount -t tmpfs -o size=256k tmpfs audit";
    let may = Command::new("unshare")
        .args(["-m", "sh", "-c", "mount -t tmpfs -o size=64k tmpfs /tmp"])
        .stderr(Stdio::null())
        .status();
    if !may.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this user may not mount a tmpfs of its own (`unshare -m`)");
        return;
    }
    let it = It::start([made("7")], PASS, KEYED).await;
    let It {
        program,
        serving,
        directory,
    } = it;
    drop(serving);
    std::fs::remove_file(program.folder.join("audit/audit.ndjson")).unwrap();
    let mut child = Command::new("unshare")
        .args([
            "-m",
            "sh",
            "-c",
            &format!("{mount} && exec \"$0\" serve --json"),
        ])
        .arg(env!("CARGO_BIN_EXE_postern"))
        .current_dir(&program.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(program.folder.join("log")).unwrap())
        .spawn()
        .unwrap();
    let folder = program.folder.strip_prefix("/").unwrap().join("audit");
    let within = Path::new("/proc")
        .join(child.id().to_string())
        .join("root")
        .join(folder);
    let line = first_line(&mut child);
    let serving = program.adopt(child, &line.to_string(), "/corp");
    let user = json!({"userName": "a"});
    serving.client.post("/Users", &user).await.expect(201);

    let mut filler = std::fs::File::create(within.join("filler")).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
    drop(filler);
    // What is left of the file's last block takes some more.
    let mut done = 1;
    loop {
        match serving.client.post("/Users", &user).await.status.as_u16() {
            201 => done += 1,
            503 => break,
            other => panic!("{other}"),
        }
        assert!(done < 100);
    }
    std::fs::remove_file(within.join("filler")).unwrap();
    let probe = serving.probe();
    eventually("it can be written again", || {
        futures_metrics(probe)
            .contains("postern_audit_up 1")
            .then_some(())
    })
    .await;
    serving.client.post("/Users", &user).await.expect(201);
    assert_eq!(directory.requests().len(), done + 1);
    let text = eventually("the last outcome", || {
        let text = std::fs::read_to_string(within.join("audit.ndjson")).unwrap();
        let last = text.lines().last()?.contains("\"event\":\"outcome\"");
        (last && text.ends_with('\n')).then_some(text)
    })
    .await;
    program.write("audit/audit.ndjson", &text);
    let said = verified(&program);
    assert_eq!(said.code, Some(0), "{said:?}");
    let all = records(&program.folder);
    assert_eq!(of(&all, "intent").len(), done + 1);
    assert_eq!(of(&all, "gap").len(), 1, "{all:#?}");
    assert!(
        of(&all, "gap")[0]["reason"]
            .as_str()
            .unwrap()
            .contains("No space left")
    );
    assert_eq!(of(&all, "repaired").len(), 0);
}

#[test]
fn a_trail_that_cannot_be_kept_is_told_at_the_start() {
    let rule = rule("/corp", "http://127.0.0.1:1", "", PASS);
    for (audit, code, wanted) in [
        (
            "{file: none/audit.ndjson}",
            1,
            "its folder is not there: make it",
        ),
        ("{file: access.yaml}", 1, "it is no audit trail"),
        (
            "{file: audit, key_file: none}",
            64,
            "make one with `openssl rand -hex 32`",
        ),
    ] {
        let program = Program::new(&[("corp.yaml", &rule)]);
        program.append("postern.yaml", &format!("audit: {audit}\n"));
        let said = program.run(&["serve"]);
        assert_eq!(said.code, Some(code), "{said:?}");
        assert!(said.err.contains(wanted), "{}", said.err);
    }
}

/// Killed again and again in the middle of work, with files that fill: whatever was acknowledged
/// has its intent, and the chain is whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_the_trail_is_whole_and_has_every_acknowledged_write() {
    let audit = "{file: audit/audit.ndjson, key_file: audit.key, wait: 10s, rotate: {size: 64KiB, keep: 1000}}";
    let it = It::start([made("7")], PASS, audit).await;
    let It {
        program,
        mut serving,
        directory,
    } = it;
    let mut acknowledged = Vec::new();
    for round in 0..long(20, 3) {
        let client = serving.client.clone();
        let over = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (client, over) = (client.clone(), Arc::clone(&over));
                tokio::spawn(async move {
                    let mut done = Vec::new();
                    for n in 0.. {
                        if over.load(Ordering::Acquire) {
                            break;
                        }
                        let id = format!("w-{round}-{writer}-{n}");
                        let asked = write(&client, &id);
                        match tokio::time::timeout(std::time::Duration::from_secs(10), asked).await
                        {
                            Ok(Some(201)) => done.push(id),
                            _ => break,
                        }
                    }
                    done
                })
            })
            .collect();
        let enough = directory.requests().len() + 100;
        eventually("there is load", || {
            (directory.requests().len() >= enough).then_some(())
        })
        .await;
        serving.signal("KILL");
        over.store(true, Ordering::Release);
        serving.end();
        for writer in writers {
            acknowledged.extend(writer.await.unwrap());
        }
        serving = program.serve("/corp");
    }
    serving.signal("TERM");
    assert_eq!(serving.end().code(), Some(0));
    let said = verified(&program);
    assert_eq!(said.code, Some(0), "{said:?}");
    let all = records(&program.folder);
    let intended: std::collections::HashSet<&str> = of(&all, "intent")
        .iter()
        .map(|record| record["request_id"].as_str().unwrap())
        .collect();
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    for id in &acknowledged {
        assert!(
            intended.contains(id.as_str()),
            "{id} was acknowledged and not intended"
        );
    }
    // And whatever reached the directory.
    for request in directory.requests() {
        let id = request
            .lines()
            .find_map(|line| line.strip_prefix("x-request-id: "))
            .unwrap();
        assert!(intended.contains(id), "{id} was sent and not intended");
    }
    let files = postern::audit::full(&program.folder.join("audit/audit.ndjson")).unwrap();
    assert!(files.len() > 1, "{files:?}");
}

/// One write; nothing where the program is gone meanwhile.
async fn write(client: &Client, id: &str) -> Option<u16> {
    let (client, id) = (client.clone(), id.to_owned());
    let asked = tokio::spawn(async move {
        let headers = [
            ("content-type", "application/scim+json"),
            ("x-request-id", id.as_str()),
        ];
        let body = json!({"userName": id}).to_string();
        client
            .send(Method::POST, "/Users", &headers, body)
            .await
            .status
            .as_u16()
    });
    asked.await.ok()
}
