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
