//! HTTP/2 beyond the plain request.

use http_body_util::BodyExt as _;
use hyper::client::conn::http2 as client;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::*;

async fn connect(door: &TestDoor) -> client::SendRequest<Body> {
    let io = TokioIo::new(door.tls(&["h2"]).await);
    let (sender, connection) = client::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn status(sender: &mut client::SendRequest<Body>, request: Request<Body>) -> u16 {
    sender
        .send_request(request)
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn heads_that_two_readers_take_differently_are_refused() {
    let door = TestDoor::open(|_| {});
    let mut sender = connect(&door).await;
    let get = |uri: &str| Request::get(uri).body(Body::Empty).unwrap();
    let with = |name: &str, value: &str| {
        let mut request = get("https://h/");
        let name: http::HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
        request
    };
    assert_eq!(status(&mut sender, get("https://h:1/a")).await, 200);
    assert_eq!(status(&mut sender, with("host", "H")).await, 200);
    // A body that is over only with its second frame, as curl sends an empty one.
    let mut empty = Request::post("https://h/")
        .body(Body::Stream(Box::pin(Over)))
        .unwrap();
    empty
        .headers_mut()
        .insert("content-length", "0".parse().unwrap());
    assert_eq!(status(&mut sender, empty).await, 200);
    let refused = [
        get("https://u@h/"),
        with("host", "other"),
        {
            let mut twice = with("host", "h");
            twice.headers_mut().append("host", "h".parse().unwrap());
            twice
        },
        get(&format!("https://h/{}", "a".repeat(9000))),
        Request::builder()
            .method("CONNECT")
            .uri("h:80")
            .body(Body::Empty)
            .unwrap(),
        {
            let mut longer = Request::post("https://h/")
                .body(Body::Full("x".into()))
                .unwrap();
            longer
                .headers_mut()
                .insert("content-length", "0".parse().unwrap());
            longer
        },
    ];
    let before = door.asked();
    for request in refused {
        let what = format!("{request:?}");
        // h2 itself resets the stream of a body that was announced as empty.
        match sender.send_request(request).await {
            Ok(answer) => {
                let status = answer.status();
                assert!(status == 400 || status == 414, "{status} for {what}");
            }
            Err(error) => assert!(what.contains("\"0\""), "{error} for {what}"),
        }
    }
    assert_eq!(door.asked(), before);
}

/// With curl: "stream was not closed cleanly: PROTOCOL_ERROR". hyper's client is as strict.
#[tokio::test]
async fn the_answer_to_head_has_no_body() {
    let door = TestDoor::open(|_| {});
    let mut sender = connect(&door).await;
    let head = Request::head("https://h/bytes/10")
        .body(Body::Empty)
        .unwrap();
    let answer = sender.send_request(head).await.unwrap();
    assert_eq!(answer.headers()["content-length"], "10");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "");
}

#[tokio::test]
async fn a_quiet_connection_is_closed_and_a_busy_one_is_not() {
    let door = TestDoor::open(|limits| limits.idle = Duration::from_millis(100));
    let mut sender = connect(&door).await;
    let wait = Request::get("https://h/wait").body(Body::Empty).unwrap();
    let answer = sender.send_request(wait);
    tokio::pin!(answer);
    let early = tokio::time::timeout(Duration::from_millis(400), &mut answer).await;
    assert!(early.is_err());
    assert_eq!(door.running().open(), 1, "a request is under way");
    door.go.add_permits(1);
    assert_eq!(answer.await.unwrap().status(), 200);
    eventually("closing", || door.running().open() == 0).await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_though_it_answers_pings() {
    use http_body_util::BodyExt as _;
    let door = TestDoor::open(|limits| limits.stall = Duration::from_millis(100));
    let io = TokioIo::new(door.tls(&["h2"]).await);
    let (mut sender, connection) = client::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(10)
        .handshake(io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let get = Request::get("https://h/stream").body(Body::Empty).unwrap();
    let answer = sender.send_request(get).await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut body = answer.into_body();
    let first = body.frame().await.unwrap().unwrap();
    assert!(first.is_data());
    // Nothing more is taken: the window stays shut.
    eventually("cutting", || door.running().open() == 0).await;
}

#[tokio::test]
async fn a_slow_source_is_not_held_against_the_client() {
    use http_body_util::BodyExt as _;
    let door = TestDoor::open(|limits| limits.stall = Duration::from_millis(50));
    let mut sender = connect(&door).await;
    let get = Request::get("https://h/late").body(Body::Empty).unwrap();
    let answer = sender.send_request(get).await.unwrap();
    let late = tokio::time::sleep(Duration::from_millis(400));
    let body = tokio::spawn(answer.into_body().collect());
    late.await;
    assert_eq!(door.running().open(), 1);
    door.go.add_permits(1);
    assert_eq!(body.await.unwrap().unwrap().to_bytes(), "late");
}

/// A stream that is over, of which nobody can know that beforehand.
struct Over;

impl futures_core::Stream for Over {
    type Item = Result<Bytes, crate::scim::operation::Interrupted>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(None)
    }
}
