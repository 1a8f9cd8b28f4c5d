//! Listening sockets.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use super::StartError;

/// So many listeners on one address, between which the system spreads the connections.
pub(super) fn shared(
    address: SocketAddr,
    count: usize,
) -> Result<(SocketAddr, Vec<TcpListener>), StartError> {
    let failed = |reason| StartError::Bind {
        at: address.to_string(),
        reason,
    };
    // Sockets that share an address would share it with another process of the same user as
    // well, and split its connections. A socket that does not share finds that out.
    let probe = open(address, false).map_err(failed)?;
    if count == 1 {
        let address = probe.local_addr().map_err(failed)?;
        return Ok((address, vec![probe]));
    }
    drop(probe);
    let first = open(address, true).map_err(failed)?;
    let address = first.local_addr().map_err(failed)?;
    let mut listeners = vec![first];
    for _ in 1..count {
        listeners.push(open(address, true).map_err(failed)?);
    }
    Ok((address, listeners))
}

fn open(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for connections that are still in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Keeps new connections from a listener, while those that are being made get through and wait to
/// be accepted. Closing a listener resets both.
#[cfg(target_os = "linux")]
pub(super) fn admit_no_more(listener: &impl std::os::fd::AsFd) -> io::Result<()> {
    use socket2::{SockFilter, SockRef};

    // A classic BPF program over the TCP header: drop what has SYN and not ACK. Whoever sent it
    // tries again in a second, and is refused by then.
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const FLAGS_AT: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    let program = [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS_AT),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    SockRef::from(listener).attach_filter(&program)
}

/// Elsewhere there is no such means.
#[cfg(not(target_os = "linux"))]
pub(super) fn admit_no_more(_: &impl std::os::fd::AsFd) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

const BACKLOG: i32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_an_address_and_processes_do_not() {
        let any = "127.0.0.1:0".parse().unwrap();
        for count in [1, 3] {
            let (address, listeners) = shared(any, count).unwrap();
            assert_eq!(listeners.len(), count);
            for listener in &listeners {
                assert_eq!(listener.local_addr().unwrap(), address);
            }
            let error = shared(address, 2).unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("cannot listen on {address}"))
            );
        }
    }
}
