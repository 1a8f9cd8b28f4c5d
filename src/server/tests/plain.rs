//! The small doors.

use tokio::net::UnixStream;

use super::*;
use crate::server::plain;

fn echoing() -> impl Handler {
    echo(Arc::default(), Arc::new(Semaphore::new(0)))
}

#[tokio::test]
async fn tcp_and_unix_sockets_are_served_with_the_same_guard() {
    let limits = Limits::default();
    let at = plain::Listen::Tcp("127.0.0.1:0".parse().unwrap());
    let door = plain::start(&at, echoing(), limits).unwrap();
    let plain::Listen::Tcp(address) = *door.at() else {
        panic!("not TCP");
    };
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(answer(&mut tcp).await, (200, "GET /livez h ".into()));
    tcp.write_all(b"GET /livez HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(answer(&mut tcp).await.0, 400);
    assert!(
        plain::start(door.at(), echoing(), limits).is_err(),
        "the address is taken"
    );
    assert_eq!(door.drain(Instant::now() + FAR).await, 0);

    let folder = std::env::temp_dir().join(format!("postern-plain-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let at = plain::Listen::Unix(folder.join("control.sock"));
    let plain::Listen::Unix(path) = &at else {
        panic!("not a path");
    };
    // One left behind by a process that is gone.
    drop(std::os::unix::net::UnixListener::bind(path).unwrap());
    let door = plain::start(&at, echoing(), limits).unwrap();
    let mut unix = UnixStream::connect(path).await.unwrap();
    unix.write_all(b"GET /status HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(answer(&mut unix).await, (200, "GET /status h ".into()));
    assert!(
        plain::start(&at, echoing(), limits).is_err(),
        "the path is in use"
    );
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    drop(door);
    assert!(!path.exists());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn whoever_asks_nothing_makes_room_for_who_does() {
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let (asked, busy) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let at = plain::Listen::Tcp("127.0.0.1:0".parse().unwrap());
    let handler = echo(Arc::clone(&asked), Arc::clone(&busy));
    let door = plain::start(&at, handler, limits).unwrap();
    let plain::Listen::Tcp(address) = *door.at() else {
        panic!("not TCP");
    };
    let connect = async || TcpStream::connect(address).await.unwrap();
    let mut under_way = connect().await;
    under_way
        .write_all(b"GET /wait HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    while asked.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let (silent, mut halfway) = (connect().await, connect().await);
    halfway.write_all(b"GET /li").await.unwrap();
    for _ in 0..3 {
        let mut probe = connect().await;
        probe
            .write_all(b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(answer(&mut probe).await.0, 200);
    }
    for mut stranger in [silent, halfway] {
        let end = stranger.read(&mut [0; 9]).await;
        assert!(!matches!(end, Ok(1..)), "{end:?}");
    }
    busy.add_permits(1);
    assert_eq!(answer(&mut under_way).await.0, 200);
}
