//! A slapd of a test's own, to be killed and started again.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use postern::directory::ldap::{Bind, LdapConfig};
use postern::net::Secret;

use crate::place::{Kind, Place};

/// It is killed when it is dropped, and its folder is removed.
pub(crate) struct Slapd {
    folder: PathBuf,
    port: u16,
    child: Child,
}

impl Slapd {
    /// A fresh one; `None`, with a word on it, where there is no slapd.
    pub(crate) fn new(name: &str) -> Option<Self> {
        Self::made(name, ("", ""), "")
    }

    /// The same with another line in its configuration.
    pub(crate) fn with(name: &str, line: &str, other: &str) -> Option<Self> {
        Self::made(name, (line, other), "")
    }

    /// One that writes down below `cn=accesslog` what it changes.
    pub(crate) fn logged(name: &str) -> Option<Self> {
        let suffix = "database mdb\nsuffix \"dc=example,dc=com\"";
        let log = "moduleload accesslog\ndatabase mdb\nsuffix cn=accesslog\n\
             rootdn \"cn=admin,dc=example,dc=com\"\ndirectory FOLDER/log\n\
             maxsize 1073741824\ndbnosync\nindex objectClass,reqStart eq\n";
        let overlay = "overlay accesslog\nlogdb cn=accesslog\nlogops writes\nlogsuccess TRUE\n";
        Self::with(name, suffix, &format!("{log}\n{suffix}\n{overlay}"))
    }

    /// With more entries (LDIF) from the beginning.
    pub(crate) fn filled(name: &str, more: &str) -> Option<Self> {
        Self::made(name, ("", ""), more)
    }

    /// With both.
    pub(crate) fn with_filled(name: &str, line: (&str, &str), more: &str) -> Option<Self> {
        Self::made(name, line, more)
    }

    fn made(name: &str, (line, other): (&str, &str), more: &str) -> Option<Self> {
        let there = ["slapd", "slapadd"].map(|program| program_path(program).is_file());
        if there != [true; 2] {
            println!("skipped: slapd is not installed");
            return None;
        }
        let unique = format!("postern-slapd-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(unique);
        std::fs::create_dir_all(folder.join("db")).unwrap();
        std::fs::create_dir_all(folder.join("log")).unwrap();
        let text = include_str!("slapd.conf").to_owned();
        let text = if line.is_empty() {
            text
        } else {
            text.replace(line, other)
        };
        let text = text.replace("FOLDER", folder.to_str().unwrap());
        std::fs::write(folder.join("slapd.conf"), text).unwrap();
        let ldif = [include_str!("base.ldif"), "\n", more].concat();
        std::fs::write(folder.join("base.ldif"), ldif).unwrap();
        let added = Command::new(program_path("slapadd"))
            .args(["-q", "-f", "slapd.conf", "-b", "dc=example,dc=com"])
            .args(["-l", "base.ldif"])
            .current_dir(&folder)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&added.stderr);
        assert!(added.status.success(), "slapadd: {said}");
        // slapd wants to know its port beforehand.
        let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = probe.local_addr().unwrap().port();
        drop(probe);
        let child = start(&folder, port);
        let slapd = Self {
            folder,
            port,
            child,
        };
        slapd.wait();
        Some(slapd)
    }

    /// As the servers that are there for all tests.
    pub(crate) fn place(&self) -> Place {
        Place::told(
            Kind::Slapd,
            serde_json::json!({"base": "dc=example,dc=com", "units": "ou=company,dc=example,dc=com"}),
        )
    }

    /// As with `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, at the same port, and waits until it listens.
    pub(crate) fn start_again(&mut self) {
        self.child = start(&self.folder, self.port);
        self.wait();
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    pub(crate) fn config(&self) -> LdapConfig {
        LdapConfig {
            bind: Bind::Simple {
                dn: "cn=admin,dc=example,dc=com".parse().unwrap(),
                password: Secret::new("secret-of-the-tests".to_owned()),
            },
            ..LdapConfig::new(vec![self.url().parse().unwrap()])
        }
    }

    /// Its administrator's password, in a file.
    pub(crate) fn password_file(&self) -> PathBuf {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = self.folder.join("password");
        let mut options = std::fs::OpenOptions::new();
        options.create(true).truncate(true).write(true).mode(0o600);
        let mut file = options.open(&path).unwrap();
        file.write_all(b"secret-of-the-tests").unwrap();
        path
    }

    fn wait(&self) {
        let end = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < end, "slapd does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        // It may be dead already, as a test wants.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn start(folder: &std::path::Path, port: u16) -> Child {
    Command::new(program_path("slapd"))
        .args(["-d", "0", "-f", "slapd.conf", "-h"])
        .arg(format!("ldap://127.0.0.1:{port}"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Debian has it where only root looks.
fn program_path(program: &str) -> PathBuf {
    PathBuf::from("/usr/sbin").join(program)
}
