//! The PROXY protocol, versions 1 and 2: how a balancer that passes TCP on says whose connection
//! it is. What it says is worth as much as the network that it comes from.
//!
//! Read byte by byte where the end of a header cannot be known before: not one byte of what
//! follows, the TLS handshake, is taken. Both formats are small and settled, so they are read here
//! and not by a library: <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// What came is none, or not a whole one, or not a right one.
    #[error("no PROXY protocol header: {0}")]
    Invalid(&'static str),
    /// The connection ended before a single byte: somebody only looked whether we listen.
    #[error("the connection ended before it began")]
    Nothing,
    /// The connection ended before.
    #[error("no PROXY protocol header: {0}")]
    Lost(#[from] io::Error),
}

/// Reads the header that a stream must begin with. `None`: the connection is the proxy's own, or
/// it does not know whose.
///
/// # Errors
/// See [`ProxyError`]; nothing can be made of the stream then.
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Option<SocketAddr>, ProxyError> {
    let mut header = Vec::with_capacity(V1_LONGEST);
    loop {
        let missing = missing(&header)?;
        if missing == 0 {
            return parse(&header);
        }
        let most = u64::try_from(missing).unwrap_or(u64::MAX);
        if (&mut *stream).take(most).read_buf(&mut header).await? == 0 {
            if header.is_empty() {
                return Err(ProxyError::Nothing);
            }
            return Err(ProxyError::Lost(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

/// Whether these first bytes of a connection are those of a header.
#[must_use]
pub fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(V1) || (bytes.len() > 1 && V2.starts_with(bytes))
}

/// How many bytes more certainly belong to the header; 0 when it is whole.
fn missing(header: &[u8]) -> Result<usize, ProxyError> {
    let begins = |with: &[u8]| header.iter().zip(with).all(|(a, b)| a == b);
    if begins(V2) {
        let Some(head) = header.first_chunk::<V2_HEAD>() else {
            // Both versions have as much as a signature.
            let known = if header.len() < V2.len() {
                V2.len()
            } else {
                V2_HEAD
            };
            return Ok(known - header.len());
        };
        let [.., high, low] = *head;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > V2_LONGEST {
            return Err(ProxyError::Invalid("it is too long"));
        }
        return Ok((V2_HEAD + length).saturating_sub(header.len()));
    }
    if !begins(V1) {
        return Err(ProxyError::Invalid("it begins with something else"));
    }
    match header.iter().position(|byte| *byte == b'\n') {
        Some(end) if end + 1 == header.len() => Ok(0),
        Some(_) => Err(ProxyError::Invalid("the line is too short")),
        None if header.len() >= V1_LONGEST => Err(ProxyError::Invalid("the line is too long")),
        None if header.len() < V2.len() => Ok(V2.len() - header.len()),
        None if header.ends_with(b"\r") => Ok(1),
        None => Ok((V1_LONGEST - header.len()).min(2)),
    }
}

/// Reads a whole header.
fn parse(header: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    let source = if header.starts_with(V2) {
        version_2(header)?
    } else {
        version_1(header)?
    };
    Ok(source.map(|source| SocketAddr::new(source.ip().to_canonical(), source.port())))
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443`
fn version_1(header: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    const WRONG: ProxyError = ProxyError::Invalid("the line is malformed");
    let line = header
        .strip_prefix(V1)
        .and_then(|rest| rest.strip_suffix(b"\r\n"))
        .and_then(|line| str::from_utf8(line).ok())
        .ok_or(WRONG)?;
    let mut fields = line.split(' ');
    let family = fields.next();
    if family == Some("UNKNOWN") {
        // Whatever follows means nothing.
        return Ok(None);
    }
    let address = |text: Option<&str>| -> Option<IpAddr> {
        match family? {
            "TCP4" => text?.parse::<Ipv4Addr>().ok().map(IpAddr::from),
            "TCP6" => text?.parse::<Ipv6Addr>().ok().map(IpAddr::from),
            _ => None,
        }
    };
    let source = address(fields.next()).ok_or(WRONG)?;
    address(fields.next()).ok_or(WRONG)?;
    let from = port(fields.next()).ok_or(WRONG)?;
    port(fields.next()).ok_or(WRONG)?;
    match fields.next() {
        None => Ok(Some(SocketAddr::new(source, from))),
        Some(_) => Err(WRONG),
    }
}

fn port(text: Option<&str>) -> Option<u16> {
    let text = text?;
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let padded = text.len() > 1 && text.starts_with('0');
    (plain && !padded).then(|| text.parse().ok()).flatten()
}

fn version_2(header: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    const SHORT: ProxyError = ProxyError::Invalid("it is too short for its addresses");
    let (head, body) = header.split_first_chunk::<V2_HEAD>().ok_or(SHORT)?;
    let [.., command, family, _, _] = *head;
    match command {
        // The proxy itself, to see whether we live: the rest means nothing.
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(ProxyError::Invalid("its version or command is unknown")),
    }
    let (source, more) = match family {
        // Nothing is said, or a Unix socket, which has no address that would mean anything here.
        0x00 => return Ok(None),
        0x31 => (None, body.get(UNIX_ADDRESSES..).ok_or(SHORT)?),
        0x11 => {
            let ([a, b, c, d, _, _, _, _, high, low, _, _], more) =
                body.split_first_chunk::<12>().ok_or(SHORT)?;
            let source = Ipv4Addr::new(*a, *b, *c, *d);
            let port = u16::from_be_bytes([*high, *low]);
            (Some(SocketAddr::from((source, port))), more)
        }
        0x21 => {
            let (source, rest) = body.split_first_chunk::<16>().ok_or(SHORT)?;
            let (_, rest) = rest.split_first_chunk::<16>().ok_or(SHORT)?;
            let ([high, low, _, _], more) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
            let port = u16::from_be_bytes([*high, *low]);
            (
                Some(SocketAddr::from((Ipv6Addr::from(*source), port))),
                more,
            )
        }
        _ => return Err(ProxyError::Invalid("it is not about a TCP connection")),
    };
    additions(header, more)?;
    Ok(source)
}

/// What may stand behind the addresses: type, length and value each. None is needed here; a
/// checksum, where there is one, must be right.
fn additions(header: &[u8], mut more: &[u8]) -> Result<(), ProxyError> {
    const BROKEN: ProxyError = ProxyError::Invalid("what follows the addresses is malformed");
    while !more.is_empty() {
        let ([kind, high, low], rest) = more.split_first_chunk::<3>().ok_or(BROKEN)?;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, rest) = rest.split_at_checked(length).ok_or(BROKEN)?;
        if *kind == CHECKSUM {
            let said = u32::from_be_bytes(value.try_into().map_err(|_| BROKEN)?);
            let at = header.len() - rest.len() - length;
            if crc32c(header, at) != said {
                return Err(ProxyError::Invalid("its checksum is wrong"));
            }
        }
        more = rest;
    }
    Ok(())
}

/// CRC-32C of the header with its own four bytes, at `hole`, as zeros.
fn crc32c(header: &[u8], hole: usize) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut crc = u32::MAX;
    for (at, byte) in header.iter().enumerate() {
        let inside = (hole..hole + 4).contains(&at);
        crc ^= u32::from(if inside { 0 } else { *byte });
        for _ in 0..8 {
            let carry = crc & 1 == 1;
            crc >>= 1;
            if carry {
                crc ^= POLYNOMIAL;
            }
        }
    }
    !crc
}

const V1: &[u8] = b"PROXY ";
/// With its end of line, as the specification has it.
const V1_LONGEST: usize = 107;
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, command, family, length.
const V2_HEAD: usize = 16;
/// What follows the head: a proxy that adds certificates and names stays well below.
const V2_LONGEST: usize = 2048;
const UNIX_ADDRESSES: usize = 216;
const CHECKSUM: u8 = 0x03;

#[cfg(test)]
mod tests;
