//! How a door closes.

use super::*;

const WAIT: &str = "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n";

#[tokio::test]
async fn a_request_under_way_finishes_and_the_idle_are_closed() {
    for workers in [1, 2] {
        let door = TestDoor::with_workers(workers, |_| {});
        let mut fresh = door.tls(&[]).await;
        let mut idle = door.tls(&[]).await;
        idle.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(answer(&mut idle).await.0, 200);
        let mut busy = door.tls(&[]).await;
        busy.write_all(WAIT.as_bytes()).await.unwrap();
        let client = door.client();
        let request = Request::get(door.url("/wait")).body(Body::Empty).unwrap();
        let over_http2 = client.send(request, Instant::now() + FAR);
        let all = async {
            eventually("both requests", || door.asked() == 3).await;
            let draining = door.running().drain(Instant::now() + FAR);
            let then = async {
                assert_eq!(rest(&mut fresh).await, "");
                assert_eq!(rest(&mut idle).await, "");
                let refused = TcpStream::connect(door.running().address()).await;
                if let Ok(mut tcp) = refused {
                    assert_eq!(rest(&mut tcp).await, "", "nothing is accepted any more");
                }
                door.go.add_permits(2);
                // Whether the answer still says `Connection: close` depends on which of the two its
                // worker heard of first; that nothing follows it does not.
                assert_eq!(whole_answer(&mut busy).await.0, 200);
                assert_eq!(rest(&mut busy).await, "");
            };
            tokio::join!(draining, then).0
        };
        let (cut, answer) = tokio::join!(all, over_http2);
        assert_eq!(cut, 0);
        assert_eq!(answer.unwrap().status(), 200);
        assert_eq!(door.running().open(), 0);
    }
}

#[tokio::test]
async fn what_does_not_end_is_cut_at_the_deadline_and_counted() {
    let mut door = TestDoor::with_workers(2, |_| {});
    let mut one = door.tls(&[]).await;
    one.write_all(WAIT.as_bytes()).await.unwrap();
    let mut two = door.tls(&[]).await;
    two.write_all(WAIT.as_bytes()).await.unwrap();
    let silent = door.tcp().await;
    eventually("the requests", || door.asked() == 2).await;
    eventually("the silent one", || door.running().open() == 3).await;
    assert_eq!(door.running().drain(Instant::now()).await, 3);
    assert_eq!(rest(&mut one).await, "");
    assert_eq!(rest(&mut two).await, "");
    drop(silent);
    door.running.take().unwrap().stop();
}

#[tokio::test]
async fn stopping_ends_everything() {
    let mut door = TestDoor::with_workers(2, |_| {});
    let address = door.running().address();
    let mut one = door.tls(&[]).await;
    door.running.take().unwrap().stop();
    assert_eq!(rest(&mut one).await, "");
    assert!(TcpStream::connect(address).await.is_err());
}

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

#[tokio::test]
async fn in_the_time_of_grace_everybody_is_served_and_sent_elsewhere() {
    let door = TestDoor::with_workers(2, |_| {});
    let mut before = door.tls(&[]).await;
    before.write_all(GET.as_bytes()).await.unwrap();
    let (_, head, _) = whole_answer(&mut before).await;
    assert!(!head.contains("connection: close"), "{head}");
    door.running().leave();
    for mut tls in [before, door.tls(&[]).await] {
        tls.write_all(GET.as_bytes()).await.unwrap();
        let (status, head, _) = whole_answer(&mut tls).await;
        assert_eq!(status, 200);
        assert!(head.contains("connection: close\r\n"), "{head}");
        assert_eq!(rest(&mut tls).await, "");
    }
    // HTTP/2 has a farewell of its own, which comes later.
    let client = door.client();
    for _ in 0..2 {
        let request = Request::get(door.url("/")).body(Body::Empty).unwrap();
        let answer = client.send(request, Instant::now() + FAR).await.unwrap();
        assert_eq!(answer.headers().get("connection"), None);
    }
    assert_eq!(door.running().open(), 1);
    assert_eq!(door.running().drain(Instant::now() + FAR).await, 0);
}

/// What has arrived when the drain begins is a request, though the runtime has not heard of it.
#[tokio::test]
async fn a_request_that_has_arrived_is_answered() {
    let door = TestDoor::open(|_| {});
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut tls = door.tls(&[]).await;
        tls.write_all(GET.as_bytes()).await.unwrap();
        assert_eq!(answer(&mut tls).await.0, 200);
        idle.push(tls);
    }
    let asked = door.asked();
    let mut blocking = door.tls(&[]).await;
    blocking
        .write_all(b"GET /block HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    eventually("the one that blocks the worker", || door.asked() > asked).await;
    for tls in &mut idle {
        tls.write_all(GET.as_bytes()).await.unwrap();
    }
    let draining = door.running().drain(Instant::now() + FAR);
    let then = async {
        door.go.add_permits(1);
        for tls in &mut idle {
            let (status, head, _) = whole_answer(tls).await;
            assert_eq!(status, 200);
            assert!(head.contains("connection: close\r\n"), "{head}");
        }
        idle.clear();
        assert_eq!(answer(&mut blocking).await.0, 200);
        drop(blocking);
    };
    // The drain is begun before the worker is let go: futures are polled in this order.
    assert_eq!(tokio::join!(draining, then).0, 0);
}

/// Whoever has connected when the door closes gets the answer to one request, by either protocol.
#[tokio::test]
async fn nobody_who_got_through_is_reset() {
    for workers in [1, 2] {
        let door = Arc::new(TestDoor::with_workers(workers, |_| {}));
        let connected = Arc::new(AtomicUsize::new(0));
        let mut clients = Vec::new();
        for number in 0..8 {
            let (door, connected) = (Arc::clone(&door), Arc::clone(&connected));
            clients.push(tokio::spawn(async move {
                let mut served = 0;
                let address = door.running().address();
                // A refusal, or no answer at all, is for a balancer to deal with.
                let patience = Duration::from_millis(900);
                while let Ok(Ok(tcp)) =
                    tokio::time::timeout(patience, TcpStream::connect(address)).await
                {
                    connected.fetch_add(1, Ordering::SeqCst);
                    if number % 2 == 0 {
                        http1(&door, tcp).await;
                    } else {
                        http2(&door, tcp).await;
                    }
                    served += 1;
                }
                served
            }));
        }
        eventually("some", || connected.load(Ordering::SeqCst) > 20).await;
        assert_eq!(door.running().drain(Instant::now() + FAR).await, 0);
        for client in clients {
            assert!(client.await.unwrap() > 0);
        }
    }
}

async fn greet(door: &TestDoor, tcp: TcpStream, alpn: &[&str]) -> Tls {
    let config = door.client_config(alpn, rustls::ALL_VERSIONS);
    TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from("localhost").unwrap(), tcp)
        .await
        .expect("who got through is greeted")
}

async fn http1(door: &TestDoor, tcp: TcpStream) {
    let mut tls = greet(door, tcp, &[]).await;
    tls.write_all(GET.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut tls).await.0, 200);
}

async fn http2(door: &TestDoor, tcp: TcpStream) {
    let tls = greet(door, tcp, &["h2"]).await;
    let (executor, io) = (
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(tls),
    );
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://h/").body(Body::Empty).unwrap();
    let answer = sender.send_request(request).await.expect("one request");
    assert_eq!(answer.status(), 200);
}

/// A GOAWAY is sent twice: until the client has heard of the first, what it asks is answered.
#[tokio::test]
async fn streams_opened_before_the_farewell_is_heard_are_served() {
    let door = TestDoor::with_workers(1, |_| {});
    let tls = greet(&door, door.tcp().await, &["h2"]).await;
    let (executor, io) = (
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(tls),
    );
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io)
        .await
        .unwrap();
    let mut ask = |path: &str| {
        let request = Request::get(format!("https://h{path}"))
            .body(Body::Empty)
            .unwrap();
        sender.send_request(request)
    };
    let first = ask("/wait");
    // Queued in the client, and sent when it next runs: after the drain has begun.
    let late: Vec<_> = (0..5).map(|_| ask("/")).collect();
    let draining = door.running().drain(Instant::now() + FAR);
    let then = async {
        tokio::spawn(connection);
        for answer in late {
            assert_eq!(answer.await.unwrap().status(), 200);
        }
        door.go.add_permits(1);
        assert_eq!(first.await.unwrap().status(), 200);
    };
    assert_eq!(tokio::join!(draining, then).0, 0);
}

#[tokio::test]
async fn a_worker_that_is_stuck_is_found_out() {
    let door = TestDoor::with_workers(2, |_| {});
    let pulse = door.running().pulse();
    let none = || pulse.arrests(Instant::now(), Duration::ZERO).is_empty();
    // The first question; the answers come after it.
    let _ = none();
    eventually("an answer of both", none).await;
    let mut blocking = door.tls(&[]).await;
    blocking
        .write_all(b"GET /block HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    eventually("the one that blocks", || door.asked() == 1).await;
    // A minute goes by between two questions.
    let minutes = AtomicUsize::new(0);
    let stuck = || {
        let minute = u64::try_from(minutes.fetch_add(1, Ordering::Relaxed)).unwrap();
        let now = Instant::now() + Duration::from_secs(60 * minute);
        let arrests = pulse.arrests(now, Duration::from_secs(30));
        matches!(arrests[..], [(_, Arrest::Stuck(_))])
    };
    eventually("that one of them is stuck", stuck).await;
    door.go.add_permits(1);
    assert_eq!(answer(&mut blocking).await.0, 200);
    eventually("an answer of both again", none).await;
}
