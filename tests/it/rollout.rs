//! Instances come and go under load, and no request fails: each is a process that is ended by
//! SIGTERM.

use crate::support::load::{Load, Shape};
use crate::support::marked::{self, Marked, SUPPORTS};
use crate::support::mix::Mix;
use crate::support::program::Serving;
use crate::support::service::Service;
use crate::support::{Program, long, world};

/// A rolling restart: of two instances behind a Service one is always there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarted_in_turn_nothing_fails() {
    let directory = Marked::start().await;
    let program = program(&directory, "1s");
    let service = Service::new();
    let mut instances = vec![program.serve("/a"), program.serve("/a")];
    for instance in &instances {
        service.add(instance).await;
    }
    let load = Load::start(&program.trust(), service.ready(), Shape::small(), mix());
    for _ in 0..long(100, 4) {
        load.more(50).await;
        let mut oldest = instances.remove(0);
        oldest.signal("TERM");
        service.without(oldest.public()).await;
        ended(&mut oldest).await;
        service.forget(oldest.public());
        load.more(50).await;
        let new = program.serve("/a");
        service.add(&new).await;
        instances.push(new);
    }
    load.more(50).await;
    let record = load.stop().await;
    println!("{record:?}");
    record.assert_no_failure();
    assert_eq!(directory.wrong(), [""; 0]);
    // The load did move from one to the other, by both protocols.
    assert!(
        record.connected.values().all(|made| *made > 4),
        "{record:?}"
    );
}

/// Alone there is nowhere to go: what was sent is answered, and then the door is closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alone_what_was_sent_is_answered() {
    let directory = Marked::start().await;
    let program = program(&directory, "300ms");
    for round in 0..long(100, 5) {
        let service = Service::new();
        let mut instance = program.serve("/a");
        service.add(&instance).await;
        let load = Load::start(&program.trust(), service.ready(), Shape::small(), mix());
        load.more(50 + round as u64 % 7).await;
        instance.signal("TERM");
        service.without(instance.public()).await;
        ended(&mut instance).await;
        let record = load.stop().await;
        record.assert_no_failure();
    }
    assert_eq!(directory.wrong(), [""; 0]);
}

fn program(directory: &Marked, grace: &str) -> Program {
    let backend = format!("{{scim: {{url: \"{}\", {SUPPORTS}}}}}", directory.url());
    let program = Program::new(&[("a.yaml", &marked::rule("/a", &backend, 3))]);
    program.write(
        "postern.yaml",
        &format!(
            "listen: {{public: \"127.0.0.1:0\", probe: \"127.0.0.1:0\", control: \"127.0.0.1:0\"}}\n\
             tls: {{certificate: tls.crt, key: tls.key}}\n\
             workers: 2\n\
             timeouts: {{grace: {grace}, drain: 30s}}\n"
        ),
    );
    program
}

fn mix() -> Mix {
    Mix::of(&["/a"], &world::token("admin"))
}

/// Waits for its end without holding up the load.
async fn ended(instance: &mut Serving) {
    let code = tokio::task::block_in_place(|| instance.end()).code();
    assert_eq!(code, Some(0));
}
