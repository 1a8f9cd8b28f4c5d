//! What a service manager that starts the program gets to hear.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::Duration;

use super::support::program::{end, first_line, signal};
use super::support::{Program, world};

/// `READY=1` comes when every door is open.
#[test]
fn systemd_is_told_when_requests_are_answered() {
    let rule = world::rule(
        "/corp",
        "http://127.0.0.1:9",
        "",
        "  User: {unmapped: pass}\n",
    );
    let program = Program::new(&[("corp.yaml", &rule)]);
    let path = program.folder.join("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut child = program
        .command(&["serve", "--json"])
        .env("NOTIFY_SOCKET", &path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut heard = [0; 64];
    let length = systemd.recv(&mut heard).unwrap();
    assert_eq!(&heard[..length], b"READY=1\n");
    let line = first_line(&mut child);
    for door in ["public", "probe", "control"] {
        TcpStream::connect(line[door].as_str().unwrap()).unwrap();
    }
    signal(&child, "TERM");
    assert_eq!(end(&mut child).code(), Some(0));
}

/// A program that cannot serve never says that it does.
#[test]
fn systemd_is_not_told_of_a_start_that_fails() {
    let program = Program::new(&[("corp.yaml", "tenant_url: nonsense\n")]);
    let path = program.folder.join("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd.set_nonblocking(true).unwrap();
    let mut child = program
        .command(&["serve"])
        .env("NOTIFY_SOCKET", &path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(end(&mut child).code(), Some(64));
    let heard = systemd.recv(&mut [0; 64]);
    assert_eq!(heard.unwrap_err().kind(), ErrorKind::WouldBlock);
}
