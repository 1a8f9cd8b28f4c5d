//! A real balancer before the public door: HAProxy, which passes TCP on and says whose it is.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use super::limits::accounts;
use super::stopping::until;
use super::support::scripted::{Act, Scripted, json_answer};
use super::support::{Program, world};

/// HAProxy with one frontend, until it is dropped.
struct Balancer {
    child: Child,
    address: SocketAddr,
}

impl Balancer {
    /// Before `behind`, with these options of its `server` line. None where it is not installed.
    fn start(program: &Program, behind: &str, options: &str) -> Option<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        program.write(
            "haproxy.cfg",
            &format!(
                "global\n  maxconn 100\n\
                 defaults\n  mode tcp\n  timeout connect 20s\n  timeout client 60s\n  timeout server 60s\n\
                 listen postern\n  bind fd@0\n  server one {behind} {options}\n"
            ),
        );
        let path = std::env::var("PATH").unwrap_or_default();
        let child = Command::new("haproxy")
            .args(["-db", "-f", "haproxy.cfg"])
            .current_dir(&program.folder)
            // Where Debian puts it is not in everybody's path.
            .env("PATH", format!("{path}:/usr/sbin"))
            // The socket that it is to listen on: so no port is chosen twice.
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(listener)))
            .stderr(Stdio::null())
            .spawn();
        match child {
            Ok(child) => Some(Self { child, address }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => panic!("haproxy does not start: {error}"),
        }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_s_address_comes_through_a_balancer() {
    let user =
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"1","userName":"a"}"#;
    let directory = Scripted::start([Act::Say(json_answer(200, user))]).await;
    let rule = world::rule("/corp", &directory.url(), "", "  User: {unmapped: pass}\n");
    let program = Program::new(&[("corp.yaml", &rule)]);
    program.write(
        "postern.yaml",
        "listen: {public: \"127.0.0.1:0\", probe: \"127.0.0.1:0\", control: \"127.0.0.1:0\"}\n\
         tls: {certificate: tls.crt, key: tls.key}\n\
         trusted_proxies: [127.0.0.1]\n\
         timeouts: {grace: 0s}\n",
    );
    // What the header says is where the account calls from, not the balancer.
    program.write("access.yaml", &accounts("networks: [127.0.0.2]"));
    for options in [
        "send-proxy",
        "send-proxy-v2",
        "send-proxy-v2 proxy-v2-options crc32c,unique-id",
    ] {
        let mut serving = program.serve("/corp");
        let public = serving.public().to_string();
        let Some(balancer) = Balancer::start(&program, &public, options) else {
            assert!(std::env::var_os("CI").is_none(), "haproxy is not installed");
            eprintln!("skipped: haproxy is not installed (apt-get install haproxy)");
            return;
        };
        let client = serving.client.by(balancer.address, "127.0.0.2");
        client.get("/Users/1").await.expect(200);
        let elsewhere = client.by(balancer.address, "127.0.0.3");
        elsewhere.get("/Users/1").await.expect(401);
        drop(balancer);
        serving.signal("TERM");
        assert_eq!(serving.end().code(), Some(0));
        until("an access line", async || !serving.access().is_empty()).await;
        let line = serving.access().remove(0);
        let peer = line["peer"].as_str().unwrap();
        assert!(peer.starts_with("127.0.0.2:"), "{options}: {line}");
    }
}
