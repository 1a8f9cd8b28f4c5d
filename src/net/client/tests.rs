//! The client against peers made by hand.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::net::body::{Terms, collect};
use crate::net::tls;

const FAR: Duration = Duration::from_secs(60);

fn client(change: impl FnOnce(&mut ClientConfig)) -> Client {
    let ca = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let tls = tls::client_config(Some(ca.cert.pem().as_bytes()), None).unwrap();
    let mut config = ClientConfig::new(tls);
    config.connect_timeout = FAR;
    change(&mut config);
    Client::new(config)
}

fn request(method: Method, to: SocketAddr) -> Request<Body> {
    let uri = format!("http://{to}/Users");
    let body = Body::Full(Bytes::from_static(b"{}"));
    Request::builder()
        .method(method)
        .uri(uri)
        .body(body)
        .unwrap()
}

async fn post(client: &Client, to: SocketAddr) -> Result<Response<Body>, SendError> {
    client
        .send(request(Method::POST, to), Instant::now() + FAR)
        .await
}

/// A peer that reads one request and then does this with every connection.
async fn peer<F: Future<Output = ()> + Send>(
    act: impl Fn(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            act(stream).await;
        }
    });
    address
}

async fn read_request(stream: &mut TcpStream) {
    let mut read = Vec::new();
    while !read.ends_with(b"{}") {
        if stream.read_buf(&mut read).await.unwrap() == 0 {
            break;
        }
    }
}

async fn answering(text: &'static str) -> SocketAddr {
    peer(move |mut stream| async move {
        stream.write_all(text.as_bytes()).await.unwrap();
    })
    .await
}

async fn text(answer: Response<Body>) -> Result<Bytes, crate::net::CollectError> {
    let terms = Terms {
        limit: 1000,
        idle: FAR,
        deadline: Instant::now() + FAR,
    };
    collect(answer.into_body(), terms).await
}

#[tokio::test]
async fn an_answer_comes_with_its_body() {
    let address = answering("HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello").await;
    let answer = post(&client(|_| {}), address).await.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(text(answer).await.unwrap(), "hello");
}

#[tokio::test]
async fn nothing_left_when_nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = post(&client(|_| {}), address).await.unwrap_err();
    assert!(
        matches!(&error, SendError::Unreachable(why) if why.contains("refused")),
        "{error}"
    );
}

#[tokio::test]
async fn a_connection_that_ends_early_is_lost_and_the_request_not_repeated() {
    let (count, mut counted) = tokio::sync::mpsc::unbounded_channel();
    let address = peer(move |stream| {
        count.send(()).unwrap();
        async move { drop(stream) }
    })
    .await;
    let client = client(|_| {});
    assert_eq!(post(&client, address).await.unwrap_err(), SendError::Lost);
    counted.recv().await.unwrap();
    assert!(counted.try_recv().is_err(), "a second request came");
}

#[tokio::test]
async fn an_answer_that_never_comes_is_late_not_unreachable() {
    let address = peer(|stream| async move {
        tokio::time::sleep(FAR).await;
        drop(stream);
    })
    .await;
    let soon = Instant::now() + Duration::from_secs(1);
    let late = client(|_| {})
        .send(request(Method::POST, address), soon)
        .await;
    assert_eq!(late.unwrap_err(), SendError::TimedOut);
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_unreachable() {
    // Accepts TCP and says nothing: TLS never stands.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!(
        "https://localhost:{}/",
        listener.local_addr().unwrap().port()
    );
    let request = Request::get(uri).body(Body::Empty).unwrap();
    let client = client(|config| config.connect_timeout = Duration::from_millis(50));
    let error = client
        .send(request, Instant::now() + FAR)
        .await
        .unwrap_err();
    assert!(matches!(error, SendError::Unreachable(_)), "{error}");
}

#[tokio::test]
async fn answers_that_make_no_sense_are_malformed() {
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nX y: 1\r\n\r\n",
    ] {
        let error = post(&client(|_| {}), answering(answer).await)
            .await
            .unwrap_err();
        assert!(
            matches!(error, SendError::Malformed(_)),
            "{answer:?}: {error}"
        );
    }
}

#[tokio::test]
async fn a_body_that_is_cut_short_is_broken() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let answer = post(&client(|_| {}), answering(answer).await)
            .await
            .unwrap();
        assert_eq!(text(answer).await, Err(crate::net::CollectError::Broken));
    }
}

#[tokio::test]
async fn an_open_answer_takes_a_place_until_it_has_arrived() {
    let address = answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
    let client = client(|config| {
        config.max_open = 1;
        config.connect_timeout = Duration::from_millis(100);
    });
    let first = post(&client, address).await.unwrap();
    assert_eq!(
        post(&client, address).await.unwrap_err(),
        SendError::Overloaded
    );
    assert_eq!(text(first).await.unwrap(), "hello");
    assert_eq!(client.places(), 1);
    let unread = post(&client, address).await.unwrap();
    assert_eq!(client.places(), 0);
    drop(unread);
    assert_eq!(client.places(), 1);
}

/// Waits until the numbers are these: open, idle, waiting.
async fn comes_to(tally: &Tally, wanted: (u64, u64, u64)) {
    let numbers = || (tally.open(), tally.idle(), tally.waiting());
    let coming = async {
        while numbers() != wanted {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let came = tokio::time::timeout(FAR, coming).await;
    assert!(came.is_ok(), "{:?} and not {wanted:?}", numbers());
}

#[tokio::test]
async fn connections_are_counted_while_they_stand() {
    let (go, gone) = tokio::sync::watch::channel(false);
    let address = peer(move |mut stream| {
        let mut gone = gone.clone();
        async move {
            tokio::spawn(async move {
                let text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell";
                stream.write_all(text.as_bytes()).await.unwrap();
                gone.wait_for(|gone| *gone).await.unwrap();
                let _ = stream.write_all(b"o").await;
            });
        }
    })
    .await;
    let client = client(|config| config.max_open = 2);
    let tally = client.tally();
    assert_eq!((tally.open(), tally.idle()), (0, 0));
    let first = post(&client, address).await.unwrap();
    let second = post(&client, address).await.unwrap();
    comes_to(tally, (2, 0, 0)).await;
    let third = {
        let client = client.clone();
        tokio::spawn(async move { post(&client, address).await.map(drop) })
    };
    comes_to(tally, (2, 0, 1)).await;
    third.abort();
    comes_to(tally, (2, 0, 0)).await;
    // One that is left unread cannot be used again.
    drop(first);
    comes_to(tally, (1, 0, 0)).await;
    go.send(true).unwrap();
    assert_eq!(text(second).await.unwrap(), "hello");
    comes_to(tally, (0, 0, 0)).await;
    assert_eq!(tally.connect_failures(), 0);
}

#[tokio::test]
async fn a_connection_without_a_request_is_idle() {
    let address = answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
    let client = client(|_| {});
    let answer = post(&client, address).await.unwrap();
    assert_eq!(client.tally().idle(), 0);
    text(answer).await.unwrap();
    assert_eq!(client.tally().open(), client.tally().idle());
}

#[tokio::test]
async fn connections_that_do_not_come_to_stand_are_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = listener.local_addr().unwrap();
    let (client, refused) = (client(|c| c.connect_timeout = Duration::from_millis(50)), {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    });
    post(&client, refused).await.unwrap_err();
    assert_eq!(client.tally().connect_failures(), 1);
    let uri = format!("https://localhost:{}/", silent.port());
    let request = Request::get(uri).body(Body::Empty).unwrap();
    client
        .send(request, Instant::now() + FAR)
        .await
        .unwrap_err();
    assert_eq!(client.tally().connect_failures(), 2);
    assert_eq!(client.tally().open(), 0);
}

#[tokio::test]
async fn interim_answers_without_end_end_the_connection() {
    let flood = peer(|mut stream| async move {
        let many = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000);
        while stream.write_all(&many).await.is_ok() {}
    })
    .await;
    let client = client(|_| ());
    assert_eq!(post(&client, flood).await.unwrap_err(), SendError::Lost);
    let few = peer(|mut stream| async move {
        let some = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(3);
        let last = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        let _ = stream.write_all(&[&some[..], last].concat()).await;
    })
    .await;
    assert_eq!(post(&client, few).await.unwrap().status(), 200);
}
