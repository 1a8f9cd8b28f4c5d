//! A directory that does what a script says, byte by byte, and remembers what it was sent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What to do about a request.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Say this and wait for the next request.
    Say(Vec<u8>),
    /// Say this and close the connection properly.
    Part(Vec<u8>),
    /// Say this and break the connection.
    Reset(Vec<u8>),
    /// Say this and nothing more, for ever.
    Hang(Vec<u8>),
    /// Say this, then one more byte every few milliseconds, for ever.
    Drip(Vec<u8>),
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Got {
    pub(super) method: String,
    pub(super) target: String,
    /// Names in lower case, in their order.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
    /// The number of the connection, from 0.
    pub(super) connection: usize,
}

impl Got {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }
}

pub(super) struct Untidy {
    pub(super) address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    task: tokio::task::AbortHandle,
}

impl Untidy {
    /// `script` is asked at every request, with its number from 0.
    pub(super) async fn start<F>(script: F) -> Self
    where
        F: Fn(usize, &Got) -> Act + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(script);
        let task = tokio::spawn({
            let got = Arc::clone(&got);
            async move {
                for connection in 0.. {
                    let (stream, _) = listener.accept().await.unwrap();
                    tokio::spawn(serve(
                        stream,
                        connection,
                        Arc::clone(&script),
                        Arc::clone(&got),
                    ));
                }
            }
        });
        Self {
            address,
            got,
            task: task.abort_handle(),
        }
    }

    /// Always the same.
    pub(super) async fn always(act: Act) -> Self {
        Self::start(move |_, _| act.clone()).await
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/scim/v2/", self.address)
    }

    /// Frees the port: whoever comes now finds nobody.
    pub(super) async fn stop(self) -> Vec<Got> {
        self.task.abort();
        while TcpStream::connect(self.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        self.got()
    }

    pub(super) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

impl Drop for Untidy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A proper HTTP/1.1 answer with whatever headers.
pub(super) fn answer(status: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status}\r\n");
    for header in headers {
        text += &format!("{header}\r\n");
    }
    text += &format!("content-length: {}\r\n\r\n{body}", body.len());
    text.into_bytes()
}

async fn serve<F>(
    mut stream: TcpStream,
    connection: usize,
    script: Arc<F>,
    got: Arc<Mutex<Vec<Got>>>,
) where
    F: Fn(usize, &Got) -> Act,
{
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut stream, &mut buffer, connection).await {
        let act = {
            let mut got = got.lock().unwrap();
            got.push(request.clone());
            script(got.len() - 1, &request)
        };
        match act {
            Act::Say(bytes) => {
                let _ = stream.write_all(&bytes).await;
            }
            Act::Part(bytes) => {
                let _ = stream.write_all(&bytes).await;
                return;
            }
            Act::Reset(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                return;
            }
            Act::Hang(bytes) => {
                let _ = stream.write_all(&bytes).await;
                std::future::pending::<()>().await;
            }
            Act::Drip(bytes) => {
                let _ = stream.write_all(&bytes).await;
                while stream.write_all(b" ").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                return;
            }
        }
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>, connection: usize) -> Option<Got> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer.drain(..end).collect()).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    while buffer.len() < length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(buffer.drain(..length).collect()).unwrap();
    Some(Got {
        method,
        target,
        headers,
        body,
        connection,
    })
}
