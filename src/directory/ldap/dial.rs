//! Brings a connection to the point where it can be worked with: TCP or a Unix socket, TLS, bind,
//! and a first look at what the server offers. One question after the other, before anything else
//! uses the connection.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rustls::pki_types::{ServerName, UnixTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;

use super::code::Code;
use super::config::{Bind, LdapConfig};
use super::connection::Connection;
use super::failure::Why;
use super::offers::Offers;
use super::request::Request;
use super::response::{LdapResult, Message, Response};
use super::tally::Tally;
use super::url::LdapUrl;
use super::wire::Stream;
use crate::ldap::ber;
use crate::net::tls::distrust;

/// A connection that can be worked with, and what the server offers.
///
/// # Errors
/// There is none before the deadline; nothing of any operation has left.
pub(super) async fn dial(
    config: &LdapConfig,
    tls: &Arc<rustls::ClientConfig>,
    url: &LdapUrl,
    tally: &Arc<Tally>,
    deadline: Instant,
) -> Result<(Connection, Offers), Why> {
    let dialing = async {
        let mut fresh = open(config, tls, url).await?;
        fresh.bind(&config.bind).await?;
        let offers = fresh.look().await?;
        Ok((fresh, offers))
    };
    let (fresh, offers) = timeout_at(deadline.into(), dialing)
        .await
        .map_err(|_| unreachable("connecting took too long"))??;
    let Fresh {
        stream, input, id, ..
    } = fresh;
    let (in_flight, bounds) = (config.in_flight, config.bounds);
    let connection = Connection::start(stream, input, id + 1, in_flight, bounds, tally);
    Ok((connection, offers))
}

/// A connection on which one question is asked at a time.
struct Fresh {
    stream: Stream,
    input: BytesMut,
    id: i32,
    limit: usize,
    /// Whether a password may go over it.
    trusted: bool,
}

async fn open(
    config: &LdapConfig,
    tls: &Arc<rustls::ClientConfig>,
    url: &LdapUrl,
) -> Result<Fresh, Why> {
    let fresh = |stream, trusted| Fresh {
        stream,
        input: BytesMut::new(),
        id: 0,
        limit: config.bounds.message,
        trusted: trusted || config.insecure,
    };
    if let Some(rehearsal) = &config.rehearsal {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        tokio::spawn(Arc::clone(rehearsal).serve(theirs));
        return Ok(fresh(Box::new(ours), true));
    }
    let (host, port, ldaps) = match url {
        LdapUrl::Socket(path) => {
            let stream = UnixStream::connect(path).await.map_err(|e| io(&e))?;
            return Ok(fresh(Box::new(stream), true));
        }
        LdapUrl::Tcp { host, port, tls } => (host, *port, *tls),
    };
    let tcp = connect(host, port).await.map_err(|e| io(&e))?;
    let local = tcp.peer_addr().is_ok_and(|peer| peer.ip().is_loopback());
    if !ldaps && !config.start_tls {
        return Ok(fresh(Box::new(tcp), local));
    }
    let tcp = if ldaps {
        tcp
    } else {
        start_tls(tcp, config.bounds.message).await?
    };
    let name = ServerName::try_from(host.clone())
        .map_err(|_| unreachable("the host cannot be one of a certificate"))?;
    let connector = TlsConnector::from(Arc::clone(tls));
    let stream = connector
        .connect(name, tcp)
        .await
        .map_err(|error| match error.kind() {
            // The library's word for what it does not accept.
            io::ErrorKind::InvalidData => Why::Untrusted(distrust::why(&error, host).into()),
            _ => unreachable(&format!("TLS: {error}")),
        })?;
    let ca = config.ca.as_deref();
    if let Some(why) = ca.and_then(|ca| distrust::ended(ca, UnixTime::now())) {
        return Err(Why::Untrusted(why.into()));
    }
    Ok(fresh(Box::new(stream), true))
}

/// The first address that answers; each gets its share of the time.
async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in tokio::net::lookup_host((host, port)).await? {
        match tokio::time::timeout(PER_ADDRESS, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                tcp.set_nodelay(true)?;
                let alive = socket2::TcpKeepalive::new().with_time(KEEP_ALIVE);
                socket2::SockRef::from(&tcp).set_tcp_keepalive(&alive)?;
                return Ok(tcp);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

/// Asks for TLS (RFC 4511 §4.14). Whatever else came in the clear could be anybody's.
async fn start_tls(tcp: TcpStream, limit: usize) -> Result<TcpStream, Why> {
    let mut tcp = tcp;
    let mut input = BytesMut::new();
    let request = Request::start_tls();
    let sent = request.encode(1, &[]);
    tcp.write_all(&sent).await.map_err(|e| io(&e))?;
    let frame = read_message(&mut tcp, &mut input, limit).await?;
    let message = Message::decode(&frame).map_err(|e| Why::malformed(&e))?;
    match message.body {
        Response::Done {
            tag: 0x78, result, ..
        } if message.id == 1 => {
            if !result.is_success() {
                return Err(unreachable(&format!("StartTLS: {}", result.code)));
            }
        }
        _ => return Err(Why::malformed("it does not answer StartTLS")),
    }
    if !input.is_empty() {
        return Err(Why::malformed("something came between StartTLS and TLS"));
    }
    Ok(tcp)
}

impl Fresh {
    async fn bind(&mut self, bind: &Bind) -> Result<(), Why> {
        let request = match bind {
            Bind::Anonymous => return Ok(()),
            Bind::External => Request::BindExternal,
            Bind::Simple { .. } if !self.trusted => {
                return Err(unreachable(
                    "a password must not go over the network without TLS: use ldaps:// or StartTLS",
                ));
            }
            Bind::Simple { dn, password } => Request::BindSimple {
                dn: dn.clone(),
                password: password.clone(),
            },
        };
        let (result, _) = self.ask(&request).await?;
        match result.code {
            Code::SUCCESS => Ok(()),
            code @ (Code::AUTH_METHOD_NOT_SUPPORTED
            | Code::STRONGER_AUTH_REQUIRED
            | Code::CONFIDENTIALITY_REQUIRED
            | Code::SASL_BIND_IN_PROGRESS
            | Code::NO_SUCH_OBJECT
            | Code::INVALID_DN_SYNTAX
            | Code::INAPPROPRIATE_AUTHENTICATION
            | Code::INVALID_CREDENTIALS
            | Code::INSUFFICIENT_ACCESS_RIGHTS) => Err(Why::Credentials(code)),
            code => Err(unreachable(&format!("bind: {code}"))),
        }
    }

    /// What the server offers; nothing where it does not let us see.
    async fn look(&mut self) -> Result<Offers, Why> {
        let (result, entry) = self.ask(&Request::Search(Offers::question())).await?;
        match (result.code, entry) {
            (Code::BUSY | Code::UNAVAILABLE, _) => {
                Err(unreachable(&format!("root entry: {}", result.code)))
            }
            (_, Some(entry)) => Ok(Offers::of(&entry)),
            (_, None) => Ok(Offers::default()),
        }
    }

    /// Asks, and waits for the last answer, and the first entry before it.
    async fn ask(
        &mut self,
        request: &Request,
    ) -> Result<(LdapResult, Option<super::response::Entry>), Why> {
        self.id += 1;
        let sent = request.encode(self.id, &[]);
        self.stream.write_all(&sent).await.map_err(|e| io(&e))?;
        self.stream.flush().await.map_err(|e| io(&e))?;
        let mut found = None;
        for _ in 0..MOST_MESSAGES {
            let frame = read_message(&mut self.stream, &mut self.input, self.limit).await?;
            let message = Message::decode(&frame).map_err(|e| Why::malformed(&e))?;
            match message.body {
                Response::Done { result, .. } if message.id == 0 => {
                    return Err(unreachable(&format!("it ended with {}", result.code)));
                }
                _ if message.id != self.id => {}
                Response::Entry(entry) => found = found.or(Some(entry)),
                Response::Done { tag, result, .. } if Some(tag) == request.answered_by() => {
                    return Ok((result, found));
                }
                Response::Reference(_) | Response::Intermediate | Response::Unknown(_) => {}
                Response::Done { .. } => {
                    return Err(Why::malformed("it answers another question"));
                }
            }
        }
        Err(Why::malformed("it never comes to an end"))
    }
}

async fn read_message(
    stream: &mut (impl tokio::io::AsyncRead + Unpin),
    input: &mut BytesMut,
    limit: usize,
) -> Result<Bytes, Why> {
    loop {
        let length = ber::message_length(input, limit).map_err(|e| Why::malformed(&e))?;
        if let Some(length) = length.filter(|length| input.len() >= *length) {
            return Ok(input.split_to(length).freeze());
        }
        input.reserve(1024);
        if stream.read_buf(input).await.map_err(|e| io(&e))? == 0 {
            return Err(unreachable("it ended the connection"));
        }
    }
}

fn unreachable(why: &str) -> Why {
    Why::Unreachable(why.into())
}

fn io(error: &io::Error) -> Why {
    // The system's words: they name neither us nor anybody.
    Why::Unreachable(error.to_string().into())
}

/// What a rehearsal's pipe holds.
const PIPE: usize = 64 * 1024;
/// A root entry and its end need two.
const MOST_MESSAGES: usize = 100;
/// A host may have addresses that nobody answers at.
const PER_ADDRESS: Duration = Duration::from_secs(2);
/// So that what lies between does not forget the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
