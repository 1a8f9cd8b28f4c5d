//! Asks the probe door, whose HTTP is plain.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The status and the body of a page.
pub(crate) async fn page(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.get(9..12)?.parse().ok()?, body.to_owned()))
}

/// What `/readyz` says, with its status.
pub(crate) async fn readyz(address: SocketAddr) -> (u16, Value) {
    let (status, body) = page(address, "/readyz").await.expect("the probe answers");
    (status, serde_json::from_str(&body).unwrap())
}
