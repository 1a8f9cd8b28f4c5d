//! What goes from postern to a server, counted on the way.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use postern::directory::ldap::response::head;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};

/// A relay to a server that takes plain connections.
pub(crate) struct Tap {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<&'static str>>>,
}

impl Tap {
    /// Before the server at `host:port`.
    pub(crate) async fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<&'static str>>> = Arc::default();
        let (server, all) = (server.to_owned(), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((inner, _)) = listener.accept().await {
                let outer = TcpStream::connect(&server).await.unwrap();
                inner.set_nodelay(true).unwrap();
                outer.set_nodelay(true).unwrap();
                tokio::spawn(relay(inner, outer, Arc::clone(&all)));
            }
        });
        Self { address, seen }
    }

    /// The operations since the last time, in their order.
    pub(crate) fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

async fn relay(inner: TcpStream, outer: TcpStream, seen: Arc<Mutex<Vec<&'static str>>>) {
    let (mut from_client, mut to_client) = inner.into_split();
    let (mut from_server, mut to_server) = outer.into_split();
    tokio::spawn(async move {
        let _ = copy(&mut from_server, &mut to_client).await;
    });
    let mut held: Vec<u8> = Vec::new();
    let mut piece = vec![0; 65536];
    while let Ok(count @ 1..) = from_client.read(&mut piece).await {
        held.extend_from_slice(&piece[..count]);
        while let Some(length) = whole(&held) {
            let (_, tag) = head(&held[..length]).unwrap();
            let word = match tag {
                // A new connection asks the server what it is.
                0x63 if asks_the_root(&held[..length]) => "",
                0x63 => "search",
                0x66 => "modify",
                0x68 => "add",
                0x4a => "delete",
                0x6c => "rename",
                0x6e => "compare",
                0x77 => "extended",
                _ => "",
            };
            if !word.is_empty() {
                seen.lock().unwrap().push(word);
            }
            held.drain(..length);
        }
        if to_server.write_all(&piece[..count]).await.is_err() {
            return;
        }
    }
}

/// Whether a search is about the root entry.
fn asks_the_root(message: &[u8]) -> bool {
    let content = |bytes: &[u8]| match bytes[1] {
        0..0x80 => 2,
        long => 2 + usize::from(long & 0x7f),
    };
    let id = content(message);
    let operation = id + 2 + usize::from(message[id + 1]);
    let base = operation + content(&message[operation..]);
    message[base + 1] == 0
}

/// How long the message at the beginning is, if all of it is here.
fn whole(bytes: &[u8]) -> Option<usize> {
    let (first, rest) = bytes.get(1..)?.split_first()?;
    let (head, length) = match usize::from(*first) {
        short @ ..0x80 => (2, short),
        long => {
            let digits = rest.get(..long & 0x7f)?;
            let length = digits.iter().fold(0, |all, d| all << 8 | usize::from(*d));
            (2 + digits.len(), length)
        }
    };
    (bytes.len() >= head + length).then_some(head + length)
}
