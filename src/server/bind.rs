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
