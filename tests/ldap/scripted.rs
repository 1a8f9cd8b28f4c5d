//! A server that says what a test wants, for what real ones do only in bad moments.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use bytes::{Bytes, BytesMut};
use postern::directory::ldap::LdapConfig;
use postern::ldap::ber::{self, ENUMERATED, INTEGER, OCTETS, Reader, SEQUENCE, Writer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const SEARCH: u8 = 0x63;
pub(crate) const MODIFY: u8 = 0x66;
pub(crate) const DELETE: u8 = 0x4a;
pub(crate) const RENAME: u8 = 0x6c;
pub(crate) const ABANDON: u8 = 0x50;
pub(crate) const EXTENDED: u8 = 0x77;
pub(crate) const UNBIND: u8 = 0x42;

/// What came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub id: i64,
    pub tag: u8,
    pub content: Bytes,
}

/// One connection, seen from the server. The first question, for the root entry, is answered.
pub(crate) struct Conversation {
    pub tcp: TcpStream,
    input: BytesMut,
}

/// A server; its connections are counted.
pub(crate) struct Scripted {
    pub port: u16,
    connections: Arc<AtomicUsize>,
}

impl Scripted {
    /// One that does `talk` on every connection.
    pub(crate) async fn new<F>(talk: impl Fn(Conversation, usize) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let number = counted.fetch_add(1, SeqCst);
                let input = BytesMut::new();
                tokio::spawn(talk(Conversation { tcp, input }, number));
            }
        });
        Self { port, connections }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }

    pub(crate) fn config(&self) -> LdapConfig {
        let url = format!("ldap://127.0.0.1:{}", self.port);
        LdapConfig {
            connections: 1,
            ..LdapConfig::new(vec![url.parse().unwrap()])
        }
    }
}

impl Conversation {
    /// What comes next; `None` at the end. The root entry's first reading is answered.
    pub(crate) async fn next(&mut self) -> Option<Asked> {
        loop {
            if let Some(length) = ber::message_length(&self.input, 1 << 24).unwrap()
                && self.input.len() >= length
            {
                let frame = self.input.split_to(length).freeze();
                let mut reader = Reader::new(&frame).nested(SEQUENCE).unwrap();
                let id = reader.integer(INTEGER).unwrap();
                let element = reader.element().unwrap().unwrap();
                return Some(Asked {
                    id,
                    tag: element.tag,
                    content: frame.slice_ref(element.content),
                });
            }
            if self.tcp.read_buf(&mut self.input).await.ok()? == 0 {
                return None;
            }
        }
    }

    /// Answers the first look at the root entry.
    pub(crate) async fn opened(&mut self) {
        let asked = self.next().await.unwrap();
        assert_eq!(asked.tag, SEARCH);
        self.say(entry(asked.id, "")).await;
        self.say(result(asked.id, 0x65, 0)).await;
    }

    pub(crate) async fn say(&mut self, frame: Vec<u8>) {
        // The other side may have gone, as a test wants.
        let _ = self.tcp.write_all(&frame).await;
    }
}

/// An entry without attributes.
pub(crate) fn entry(id: i64, dn: &str) -> Vec<u8> {
    message(id, 0x64, |out| {
        out.octets(OCTETS, dn.as_bytes());
        out.nested(SEQUENCE, |out| {
            out.nested(SEQUENCE, |out| {
                out.octets(OCTETS, b"cn");
                out.nested(ber::SET, |out| out.octets(OCTETS, &[b'x'; 1000]));
            });
        });
    })
}

/// The end of an operation.
pub(crate) fn result(id: i64, tag: u8, code: i64) -> Vec<u8> {
    message(id, tag, |out| {
        out.integer(ENUMERATED, code);
        out.octets(OCTETS, b"");
        out.octets(OCTETS, b"");
        if code == 10 {
            out.nested(0xa3, |out| out.octets(OCTETS, b"ldap://elsewhere"));
        }
    })
}

/// The word of a server that ends the connection.
pub(crate) fn notice() -> Vec<u8> {
    message(0, 0x78, |out| {
        out.integer(ENUMERATED, 52);
        out.octets(OCTETS, b"");
        out.octets(OCTETS, b"");
        out.octets(0x8a, b"1.3.6.1.4.1.1466.20036");
    })
}

pub(crate) fn message(id: i64, tag: u8, body: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer::new();
    out.nested(SEQUENCE, |out| {
        out.integer(INTEGER, id);
        out.nested(tag, body);
    });
    out.finish()
}
