//! A directory on raw TCP that answers each request with the bytes that the test chose, and keeps
//! what it was sent.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// How one request is answered.
#[derive(Clone)]
pub(crate) enum Act {
    /// These bytes, then the connection stays open.
    Say(String),
    /// These bytes, then the connection is closed.
    SayAndClose(String),
    /// These bytes, once there is a permit to take.
    When(Arc<Semaphore>, String),
    /// Nothing, for ever.
    Hang,
    /// The connection is reset.
    Reset,
}

/// Answers request after request with `acts` in order, the last one repeated.
pub(crate) struct Scripted {
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    accepted: Arc<AtomicUsize>,
}

impl Scripted {
    pub(crate) async fn start(acts: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let acts: Arc<Vec<Act>> = Arc::new(acts.into_iter().collect());
        let seen = Arc::clone(&heads);
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(answer(stream, Arc::clone(&acts), Arc::clone(&seen)));
            }
        });
        Self {
            address,
            heads,
            accepted,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections there have been so far.
    pub(crate) fn connections(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// The requests so far (head and body), without those for the service provider's
    /// configuration, which the driver asks for by itself.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn answer(mut stream: TcpStream, acts: Arc<Vec<Act>>, seen: Arc<Mutex<Vec<String>>>) {
    let mut buffer = Vec::new();
    loop {
        let Some(request) = read_request(&mut stream, &mut buffer).await else {
            return;
        };
        if request.contains("ServiceProviderConfig") {
            let _ = stream
                .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
                .await;
            continue;
        }
        let act = {
            let mut seen = seen.lock().unwrap();
            seen.push(request);
            acts.get(seen.len() - 1).or(acts.last()).cloned().unwrap()
        };
        match act {
            Act::Say(text) => {
                if stream.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
            }
            Act::When(go, text) => {
                go.acquire().await.unwrap().forget();
                if stream.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
            }
            Act::SayAndClose(text) => {
                let _ = stream.write_all(text.as_bytes()).await;
                let _ = stream.shutdown().await;
                return;
            }
            Act::Hang => std::future::pending().await,
            Act::Reset => {
                let socket = socket2::SockRef::from(&stream);
                socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
                return;
            }
        }
    }
}

pub(super) async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, value)| value.trim().parse::<usize>().unwrap());
            if buffer.len() >= end + 4 + length {
                let body = buffer[end + 4..end + 4 + length].to_vec();
                buffer.drain(..end + 4 + length);
                return Some(format!("{head}\r\n\r\n{}", String::from_utf8_lossy(&body)));
            }
        }
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(n) if n > 0 => buffer.extend_from_slice(&part[..n]),
            _ => return None,
        }
    }
}

/// A whole answer with a JSON body.
pub(crate) fn json_answer(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
