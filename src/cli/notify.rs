//! Tells systemd that requests are answered (`Type=notify`), where it asks to be told.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tracing::warn;

/// The socket that systemd names, if it started us and wants to hear.
pub(super) fn socket() -> Option<OsString> {
    std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty())
}

/// Says `READY=1` on a socket. That nobody hears it is no reason to stop serving.
pub(super) fn ready(socket: &OsStr) {
    if let Err(error) = send(socket, b"READY=1\n") {
        warn!(%error, "systemd cannot be told that we are ready");
    }
}

/// One datagram, to a path or, after `@`, to a name that is in no folder.
fn send(socket: &OsStr, message: &[u8]) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let sender = UnixDatagram::unbound()?;
    // Whoever does not read must not hold us up.
    sender.set_write_timeout(Some(Duration::from_secs(5)))?;
    sender.send_to_addr(message, &address).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_no_folder_is_told() {
        let name = format!("postern-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let systemd = UnixDatagram::bind_addr(&address).unwrap();
        send(OsStr::new(&format!("@{name}")), b"READY=1\n").unwrap();
        let mut heard = [0; 16];
        assert_eq!(systemd.recv(&mut heard).unwrap(), 8);
        assert_eq!(&heard[..8], b"READY=1\n");
    }

    #[test]
    fn nobody_there_is_an_error_and_no_more() {
        assert!(send(OsStr::new("/nonexistent/notify"), b"READY=1\n").is_err());
        assert!(send(OsStr::new("not\0a path"), b"READY=1\n").is_err());
        ready(OsStr::new("/nonexistent/notify"));
    }
}
