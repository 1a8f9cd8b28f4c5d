//! Answers that are given before anybody asks the handler.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::net::Body;
use crate::net::framing::Refusal;
use crate::net::proxy;
use crate::scim::message::{ERROR, MEDIA_TYPE};

/// The SCIM error for a request head that is refused.
pub(super) fn refused(refusal: Refusal) -> Response<Body> {
    error(refusal.status(), &refusal.to_string())
}

/// A SCIM error. The detail is a text of ours that needs no escaping in JSON.
pub(super) fn error(status: StatusCode, detail: &str) -> Response<Body> {
    let code = status.as_u16();
    let text = format!(r#"{{"schemas":["{ERROR}"],"status":"{code}","detail":"{detail}"}}"#);
    let mut answer = Response::new(Body::Full(Bytes::from(text)));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    answer
}

/// What a connection begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// Nothing at all.
    End,
    /// A TLS record.
    Tls,
    /// Something like the line of an HTTP request.
    PlainHttp,
    /// A header of the PROXY protocol.
    ProxyHeader,
    /// Anything else.
    Other,
}

/// Looks at the first bytes without taking them.
pub(super) async fn first_bytes(stream: &TcpStream) -> io::Result<First> {
    let mut first = [0; 8];
    let length = stream.peek(&mut first).await?;
    let first = first.get(..length).unwrap_or_default();
    Ok(match first.first() {
        None => First::End,
        Some(&HANDSHAKE) => First::Tls,
        _ if proxy::begins(first) => First::ProxyHeader,
        Some(byte) if byte.is_ascii_alphabetic() => First::PlainHttp,
        Some(_) => First::Other,
    })
}

/// Tells a client that speaks plain HTTP what is wrong.
pub(super) async fn plain_http(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(SPEAKS_HTTPS.as_bytes()).await?;
    stream.shutdown().await?;
    // Reading what was sent keeps the closing from resetting the answer away.
    let mut waste = [0; 4096];
    let rest = async {
        for _ in 0..16 {
            if stream.read(&mut waste).await? == 0 {
                break;
            }
        }
        Ok(())
    };
    timeout(Duration::from_secs(1), rest)
        .await
        .unwrap_or(Ok(()))
}

/// Lets a client that TLS has refused read why: with TLS 1.3 it has sent its request by then, and
/// closing on what is unread would reset the alert away.
pub(super) async fn read_out<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let reading = async {
        let mut waste = [0; 4096];
        stream.shutdown().await?;
        for _ in 0..16 {
            if stream.read(&mut waste).await? == 0 {
                break;
            }
        }
        io::Result::Ok(())
    };
    let _ = timeout(Duration::from_secs(1), reading).await;
}

/// The content type of a TLS handshake record.
const HANDSHAKE: u8 = 0x16;

const SPEAKS_HTTPS: &str = "HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain; charset=utf-8\r\n\
    content-length: 51\r\n\
    connection: close\r\n\
    \r\n\
    this port speaks HTTPS: use https:// in the address";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_the_plain_answer_is_right() {
        let (head, body) = SPEAKS_HTTPS.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
    }

    #[test]
    fn a_refusal_is_a_scim_error() {
        for refusal in [Refusal::TwoLengths, Refusal::TooLarge, Refusal::TooSlow] {
            let answer = refused(refusal);
            assert_eq!(answer.status(), refusal.status());
            let Body::Full(bytes) = answer.into_body() else {
                panic!("not in hand");
            };
            let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(json["status"], refusal.status().as_str());
            assert_eq!(json["detail"], refusal.to_string());
        }
    }
}
