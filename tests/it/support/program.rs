//! The built program as a process of its own, run in a folder of files.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Client;
use super::client::trust;
use super::world::{ADMIN, access, certificate, folder, token};

/// Files for the program, which it finds as its defaults: `postern.yaml` and what that names.
pub(crate) struct Program {
    pub folder: PathBuf,
    ca: Vec<u8>,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// A program that serves; it is killed when it is dropped.
pub(crate) struct Serving {
    child: Child,
    /// The line of JSON that it began with.
    pub line: Value,
    pub client: Client,
    access: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// With these rule files (name with ending, text) and one administrator of all tenants.
    pub(crate) fn new(rules: &[(&str, &str)]) -> Self {
        let mut program = Self::empty();
        program.ca = certificate(&program.folder);
        std::fs::create_dir_all(program.folder.join("rules")).unwrap();
        for (name, text) in rules {
            program.write(&format!("rules/{name}"), text);
        }
        program.write("access.yaml", &access(&[ADMIN]));
        program.write(
            "postern.yaml",
            "listen: {public: \"127.0.0.1:0\", probe: \"127.0.0.1:0\", control: \"127.0.0.1:0\"}\n\
             tls: {certificate: tls.crt, key: tls.key}\n\
             workers: 2\n\
             timeouts: {request: 20s, grace: 0s, drain: 20s}\n",
        );
        program
    }

    /// With a folder, and nothing in it.
    pub(crate) fn empty() -> Self {
        let folder = folder();
        std::fs::create_dir_all(&folder).unwrap();
        Self {
            folder,
            ca: Vec::new(),
        }
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).unwrap();
    }

    /// The program, not started yet, in the folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env("TMPDIR", &self.folder)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        let output = self.command(arguments).output().unwrap();
        Said {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// `serve` with its output going to files beside the rest: standard output, standard error.
    pub(crate) fn serve_into(&self, base: &str, out: &str, err: &str) -> Serving {
        let file = |name: &str| std::fs::File::create(self.folder.join(name)).unwrap();
        let child = self
            .command(&["serve", "--json"])
            .stdout(file(out))
            .stderr(file(err))
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let line = loop {
            if let Some((line, _)) = self.read(out).split_once('\n') {
                break line.to_owned();
            }
            assert!(
                Instant::now() < deadline,
                "it does not start: {}",
                self.read(err)
            );
            std::thread::sleep(Duration::from_millis(20));
        };
        self.adopt(child, &line, base)
    }

    /// A program that was started otherwise, with the line that says where it listens.
    pub(crate) fn adopt(&self, child: Child, line: &str, base: &str) -> Serving {
        let line: Value = serde_json::from_str(line).unwrap();
        let address = line["public"].as_str().unwrap().parse().unwrap();
        Serving {
            child,
            line,
            client: Client::new(address, &self.ca, base, &token("admin")),
            access: Arc::default(),
        }
    }

    /// The same as [`Self::write`], at the end of a file that is there.
    pub(crate) fn append(&self, name: &str, text: &str) {
        let path = self.folder.join(name);
        let before = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, before + text).unwrap();
    }

    /// What a file holds.
    pub(crate) fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.join(name)).unwrap()).into_owned()
    }

    /// What clients trust who call it.
    pub(crate) fn trust(&self) -> Arc<rustls::ClientConfig> {
        trust(&self.ca)
    }

    /// Clients trust this certificate instead.
    pub(crate) fn trusted_by(mut self, ca_pem: &str) -> Self {
        self.ca = ca_pem.as_bytes().to_vec();
        self
    }

    /// `serve`, ready, with a client of the tenant at `base`. What it logs goes into the file
    /// `log` of the folder.
    pub(crate) fn serve(&self, base: &str) -> Serving {
        self.serve_with(base, "postern.yaml")
    }

    /// The same by another configuration.
    pub(crate) fn serve_with(&self, base: &str, config: &str) -> Serving {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))
            .unwrap();
        let mut child = self
            .command(&["serve", "--json", "--config", config])
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let (line, mut rest) = first_line_of(&mut child);
        let access = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&access);
        std::thread::spawn(move || {
            let mut line = String::new();
            while rest.read_line(&mut line).is_ok_and(|length| length > 0) {
                lines.lock().unwrap().push(std::mem::take(&mut line));
            }
        });
        let address = line["public"].as_str().unwrap().parse().unwrap();
        Serving {
            child,
            line,
            client: Client::new(address, &self.ca, base, &token("admin")),
            access,
        }
    }

    /// What it has logged so far, by all processes of this folder.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Serving {
    pub(crate) fn public(&self) -> SocketAddr {
        self.line["public"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) fn probe(&self) -> SocketAddr {
        self.line["probe"].as_str().unwrap().parse().unwrap()
    }

    /// The access lines so far, without the first line of all.
    pub(crate) fn access(&self) -> Vec<Value> {
        let lines = self.access.lock().unwrap();
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Its process.
    #[allow(dead_code, reason = "the tests of directories look at its memory")]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        end(&mut self.child)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The line of JSON that a program begins with; what it says later is read and thrown away.
pub(crate) fn first_line(child: &mut Child) -> Value {
    let (line, mut rest) = first_line_of(child);
    std::thread::spawn(move || std::io::copy(&mut rest, &mut std::io::sink()));
    line
}

fn first_line_of(child: &mut Child) -> (Value, BufReader<ChildStdout>) {
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let line = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
    (line, out)
}

pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

pub(crate) fn end(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}
