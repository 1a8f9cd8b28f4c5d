//! `postern ctl`: what it finds, prints and returns.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::*;

/// What was said, with what differs from run to run taken out.
fn plainly(said: &Said, desk: Option<&Desk>) -> String {
    let mut text = format!("{:?}\n{}{}", said.code.unwrap(), said.out, said.err);
    if let Some(desk) = desk {
        let folder = desk.program.folder.display().to_string();
        text = text.replace(&folder, "FOLDER");
        text = text.replace(desk.control(), "127.0.0.1:PORT");
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_tells_what_came_of_it() {
    let directory = directory().await;
    let desk = Desk::start(&directory.url(), LISTEN);
    let said = desk.ctl(&["reload"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.out.starts_with("nothing has changed: revision "),
        "{said:?}"
    );
    let rule = world::rule("/corp2", &directory.url(), SCIM, USERS);
    desk.program.write("rules/lab.yaml", &rule);
    let said = desk.ctl(&["reload"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.ends_with(" serves now\n"), "{said:?}");
    let page = desk.ctl(&["status"]);
    assert_eq!(page.code, Some(0), "{page:?}");
    assert!(page.out.contains("https://localhost/corp2"), "{page:?}");

    let broken = rule
        .replace("tenant_url", "tenant_ur")
        .replace("scim:", "scm:");
    desk.program.write("rules/lab.yaml", &broken);
    let said = desk.ctl(&["reload"]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    let lines: Vec<&str> = said.err.lines().collect();
    assert!(lines.len() >= 3, "{said:?}");
    assert!(lines[0].contains("lab.yaml:1:1: "), "{said:?}");
    assert!(
        lines
            .last()
            .unwrap()
            .starts_with("what is broken does not serve; revision ")
    );
    let page = desk.ctl(&["status"]);
    assert_eq!(page.code, Some(1));
    assert!(
        page.out.contains("BROKEN") && page.out.contains("lab.yaml:1:1: "),
        "{page:?}"
    );
    assert_eq!(desk.ctl(&["status", "--json"]).code, Some(1));

    desk.program.write("rules/lab.yaml", &rule);
    assert_eq!(desk.ctl(&["reload"]).code, Some(0));
    let raw = desk.ctl(&["status", "--json"]);
    assert_eq!(raw.code, Some(0));
    let value: Value = serde_json::from_str(&raw.out).unwrap();
    assert_eq!(value["tenants"].as_array().unwrap().len(), 2);
}

/// The socket is found through the configuration in the working folder.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unix_socket_is_found_in_the_configuration() {
    let directory = directory().await;
    let listen = LISTEN.replace("control: \"127.0.0.1:0\"", "control: \"unix:c.sock\"");
    let desk = Desk::start(&directory.url(), &listen);
    let page = desk.program.run(&["ctl", "status"]);
    assert_eq!(page.code, Some(0), "{page:?}");
    assert!(page.out.starts_with("postern "), "{page:?}");
    desk.logged(&["\"who\":\"unix\""]);
    let proof = desk.program.run(&["ctl", "--ca", "tls.crt", "status"]);
    assert_eq!(proof.code, Some(64), "{proof:?}");

    let folder = desk.program.folder.clone();
    let mut elsewhere = desk.program.command(&["ctl", "status", "--config"]);
    elsewhere.arg(folder.join("postern.yaml")).current_dir("/");
    assert_eq!(elsewhere.output().unwrap().status.code(), Some(0));
}

#[test]
fn every_failure_says_what_to_do() {
    let desk = Desk::start("http://127.0.0.1:9", LISTEN);
    // The system chose the port: the configuration does not say it.
    insta::assert_snapshot!(
        "port_0",
        plainly(&desk.program.run(&["ctl", "status"]), None)
    );
    let none = desk
        .program
        .run(&["ctl", "--config", "none.yaml", "status"]);
    insta::assert_snapshot!("no_configuration", plainly(&none, None));
    let socket = desk
        .program
        .run(&["ctl", "--control", "unix:none.sock", "status"]);
    insta::assert_snapshot!("no_socket", plainly(&socket, None));
    let odd = desk
        .program
        .run(&["ctl", "--control", "http://localhost:1", "status"]);
    insta::assert_snapshot!("no_address", plainly(&odd, None));
    // TLS where there is none.
    let tls = desk.ctl(&["--ca", "tls.crt", "status"]);
    insta::assert_snapshot!("no_tls", plainly(&tls, Some(&desk)));
    let gone = desk.ctl(&["--ca", "none.crt", "status"]);
    insta::assert_snapshot!("no_file", plainly(&gone, Some(&desk)));
    let alone = desk.ctl(&["--cert", "tls.crt", "status"]);
    assert_eq!(alone.code, Some(64));
    // The probe is another listener.
    let probe = desk.line["probe"].as_str().unwrap().to_owned();
    let probe_said = desk.program.run(&["ctl", "--control", &probe, "status"]);
    let text = plainly(&probe_said, None).replace(&probe, "127.0.0.1:PORT");
    insta::assert_snapshot!("another_listener", text);

    // Nobody listens any more.
    let control = desk.control().to_owned();
    signal(&desk.child, "KILL");
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(&control).is_ok() {
        assert!(Instant::now() < deadline);
    }
    let nobody = desk.ctl(&["status"]);
    insta::assert_snapshot!("nobody", plainly(&nobody, Some(&desk)));
}

/// The page says which directory, and the exit code that something is wrong.
#[test]
fn a_directory_that_is_down_does_not_serve() {
    let desk = Desk::start("http://127.0.0.1:9", LISTEN);
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let page = desk.ctl(&["status"]);
        if page.out.contains("DOWN: the directory cannot be reached") {
            assert_eq!(page.code, Some(1), "{page:?}");
            return;
        }
        assert!(Instant::now() < deadline, "{page:?}");
    }
}

/// Another program listens there, or one that has just been told to end.
#[test]
fn what_does_not_answer_as_postern_does_is_named() {
    let program = Program::new(&[]);
    let says = |answer: &'static [u8]| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let served = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 1024];
            let _ = stream.read(&mut head);
            let _ = stream.write_all(answer);
        });
        let said = program.run(&["ctl", "--control", &address, "status"]);
        served.join().unwrap();
        plainly(&said, None).replace(&address, "127.0.0.1:PORT")
    };
    insta::assert_snapshot!("lost", says(b""));
    insta::assert_snapshot!("ssh", says(b"SSH-2.0-OpenSSH_9.2\r\n"));
    let page = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>";
    insta::assert_snapshot!("html", says(page));
}
