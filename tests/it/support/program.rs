//! The built program as a process of its own, run in a folder of files.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Client;
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
}

impl Program {
    /// With these rule files (name with ending, text) and one administrator of all tenants.
    pub(crate) fn new(rules: &[(&str, &str)]) -> Self {
        let folder = folder();
        std::fs::create_dir_all(folder.join("rules")).unwrap();
        let ca = certificate(&folder);
        let program = Self { folder, ca };
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

    /// `serve`, ready, with a client of the tenant at `base`.
    pub(crate) fn serve(&self, base: &str) -> Serving {
        let mut child = self
            .command(&["serve", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let line = first_line(&mut child);
        let address = line["public"].as_str().unwrap().parse().unwrap();
        Serving {
            child,
            line,
            client: Client::new(address, &self.ca, base, &token("admin")),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Serving {
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
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
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
