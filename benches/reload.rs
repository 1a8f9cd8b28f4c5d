//! What a reload costs: 10,000 tokens, 100 tenants of 50 lines each, a secret for each, of which
//! nothing, one rule, the access file, or everything changed. CPU time of the thread that loads.
//! `cargo bench --bench reload`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::allow_attributes,
    reason = "a bench that cannot go on stops, and it reads the clock"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use postern::config::file::Config;
use postern::config::load::Loader;
use postern::telemetry::Metrics;

fn main() {
    let folder = std::env::temp_dir().join(format!("postern-bench-{}", std::process::id()));
    let files = Files {
        folder: folder.clone(),
    };
    files.make();
    let config = Config::load(&folder.join("postern.yaml"))
        .unwrap_or_else(|found| panic!("{}", found.render(false)));
    let metrics = Arc::new(Metrics::new());
    let (cpu, wall, mut loader) = measured(|| {
        Loader::start(config, metrics, SystemTime::now())
            .unwrap_or_else(|found| panic!("{}", found.render(false)))
    });
    println!("{TENANTS} tenants of {LINES} lines, {TOKENS} tokens");
    println!("{:<28}{:>10}{:>10}", "", "CPU ms", "wall ms");
    print("the start", cpu, wall);
    let mut round = 0;
    let mut bench = |what: &str, change: &dyn Fn(u32), changes: bool| {
        let mut best = (Duration::MAX, Duration::MAX);
        for _ in 0..ROUNDS {
            round += 1;
            change(round);
            // Longer than a file counts as being written.
            std::thread::sleep(Duration::from_millis(120));
            let (cpu, wall, pass) = measured(|| loader.look(SystemTime::now));
            assert_eq!(pass.next.is_some(), changes, "{:?}", pass.outcome.errors);
            assert!(pass.outcome.errors.is_empty());
            best = best.min((cpu, wall));
        }
        print(what, best.0, best.1);
    };
    bench("nothing changed (the poll)", &|_| (), false);
    bench("one rule", &|round| files.rule(7, round), true);
    bench("one secret", &|round| files.secret(7, round), true);
    bench("access", &|round| files.access(round), true);
    bench("all rules", &|round| files.rules(round), true);
    let everything = |round| {
        files.rules(round);
        files.access(round);
        (0..TENANTS).for_each(|tenant| files.secret(tenant, round));
        files.certificate();
    };
    bench("everything", &everything, true);
    fs::remove_dir_all(folder).unwrap();
}

struct Files {
    folder: PathBuf,
}

impl Files {
    fn make(&self) {
        for folder in ["rules", "secrets"] {
            fs::create_dir_all(self.folder.join(folder)).unwrap();
        }
        self.rules(0);
        self.access(0);
        self.certificate();
        (0..TENANTS).for_each(|tenant| self.secret(tenant, 0));
        self.write(
            "postern.yaml",
            "tls: {certificate: tls.crt, key: tls.key}\n",
        );
    }

    fn rules(&self, round: u32) {
        (0..TENANTS).for_each(|tenant| self.rule(tenant, round));
    }

    fn rule(&self, tenant: usize, round: u32) {
        let mut text = format!(
            "# round {round}
tenant_url: https://scim.example.com/tenant-{tenant}/scim/v2
backend:
  scim: {{url: \"http://127.0.0.1:{}\", plaintext: true, bearer_file: ../secrets/token-{tenant}}}
resources:
  User:
    extensions: [\"urn:acme:2.0:User\"]
    attributes:
      - {{scim: userName, target: login, required: true}}
",
            9000 + tenant
        );
        let kinds = ["work", "home", "other", "mobile", "fax", "pager"];
        let mut lines = 1;
        'all: for attribute in [
            "emails",
            "phoneNumbers",
            "addresses",
            "photos",
            "ims",
            "entitlements",
        ] {
            for kind in kinds {
                if lines == LINES / 2 {
                    break 'all;
                }
                lines += 1;
                let part = if attribute == "addresses" {
                    "locality"
                } else {
                    "value"
                };
                let line = format!(
                    "      - {{scim: '{attribute}[type eq \"{kind}\"].{part}', target: {attribute}_{kind}_{round}}}\n"
                );
                text.push_str(&line);
            }
        }
        for number in lines..LINES {
            let line = format!(
                "      - {{scim: 'urn:acme:2.0:User:field{number}', target: acme.field{number}, values: {{a: x, b: y}}, otherwise: omit}}\n"
            );
            text.push_str(&line);
        }
        text.push_str("schemas:\n  \"urn:acme:2.0:User\":\n");
        for number in lines..LINES {
            writeln!(text, "    field{number}: {{type: string}}").unwrap();
        }
        self.write(&format!("rules/tenant-{tenant}.yaml"), &text);
    }

    fn access(&self, round: u32) {
        let mut text = format!(
            "# round {round}
roles:
  provisioner: {{allow: [{{resources: [User, Group], verbs: [create, read, update, delete]}}]}}
accounts:
"
        );
        for account in 0..TOKENS / 2 {
            writeln!(
                text,
                "  - name: account-{account}\n    roles: [provisioner]\n    tenants: [tenant-{}]\n    tokens:",
                account % TENANTS
            )
            .unwrap();
            for key in 0..2 {
                let id = account * 2 + key;
                writeln!(
                    text,
                    "      - {{id: k{id}, sha256: \"{id:064x}\", not_before: 2026-11-01, expires: 2027-02-01T00:00:00Z}}"
                )
                .unwrap();
            }
        }
        self.write("access.yaml", &text);
    }

    fn secret(&self, tenant: usize, round: u32) {
        let text = format!("secret of {tenant} in round {round}\n");
        self.write(&format!("secrets/token-{tenant}"), &text);
    }

    fn certificate(&self) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        self.write("tls.crt", &made.cert.pem());
        self.write("tls.key", &made.signing_key.serialize_pem());
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).unwrap();
    }
}

fn measured<T>(work: impl FnOnce() -> T) -> (Duration, Duration, T) {
    let (cpu, wall) = (cpu_time(), Instant::now());
    let value = work();
    (cpu_time() - cpu, wall.elapsed(), value)
}

/// CPU time of this process, of which only this thread works.
fn cpu_time() -> Duration {
    let text = fs::read_to_string(Path::new("/proc/self/schedstat")).unwrap();
    let nanos = text.split(' ').next().unwrap();
    Duration::from_nanos(nanos.parse().unwrap())
}

fn print(what: &str, cpu: Duration, wall: Duration) {
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    println!("{what:<28}{:>10.1}{:>10.1}", millis(cpu), millis(wall));
}

const TENANTS: usize = 100;
const LINES: usize = 50;
const TOKENS: usize = 10_000;
const ROUNDS: usize = 5;
