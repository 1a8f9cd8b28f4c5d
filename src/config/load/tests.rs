//! Loading and loading again, without a program around it.

mod access;

use std::fs;
use std::time::Duration;

use super::*;
use crate::config::Tenant;
use crate::config::report::Kind;

struct Files(PathBuf);

impl Files {
    /// Two tenants, each with a secret in a folder of its own.
    fn new(name: &str, pair: &(String, String)) -> Self {
        let name = format!("postern-load-{name}-{}", std::process::id());
        let files = Self(std::env::temp_dir().join(name));
        for inner in ["rules", "one", "two"] {
            fs::create_dir_all(files.0.join(inner)).unwrap();
        }
        files.write("postern.yaml", "tls: {certificate: crt, key: key}\n");
        files.write("crt", &pair.0);
        files.write("key", &pair.1);
        files.write("access.yaml", "roles: {}\naccounts: []\n");
        for tenant in ["one", "two"] {
            files.rule(tenant, &format!("/{tenant}"), "token");
            files.write(&format!("{tenant}/token"), "first");
        }
        files
    }

    fn rule(&self, tenant: &str, path: &str, secret: &str) {
        self.write(
            &format!("rules/{tenant}.yaml"),
            &Self::text(tenant, path, secret),
        );
    }

    fn text(tenant: &str, path: &str, secret: &str) -> String {
        format!(
            "tenant_url: https://localhost{path}
backend: {{scim: {{url: \"http://127.0.0.1:9\", plaintext: true, bearer_file: ../{tenant}/{secret}}}}}
resources: {{User: {{unmapped: pass}}}}
"
        )
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn load(&self) -> Loader {
        let config = Config::load(&self.0.join("postern.yaml")).unwrap();
        Loader::start(config, Arc::default(), later())
            .unwrap_or_else(|found| panic!("{}", found.render(false)))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// So late that every file was written long ago.
fn later() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000)
}

fn tenant(loader: &Loader, path: &str) -> Option<Arc<Tenant>> {
    let snapshot = &loader.loaded().snapshot;
    snapshot.route(path).map(|(tenant, _)| Arc::clone(tenant))
}

fn kinds(pass: &Pass) -> Vec<(Kind, bool)> {
    let events = pass.events.iter();
    events
        .map(|event| (event.kind, event.errors.is_empty()))
        .collect()
}

#[test]
fn the_same_files_are_the_same_revision_wherever_they_are() {
    let pair = pair();
    let (here, there) = (Files::new("here", &pair), Files::new("there", &pair));
    let (mut here_now, there_now) = (here.load(), there.load());
    let revision = |loader: &Loader| loader.report().revision;
    assert_eq!(revision(&here_now).len(), 12);
    assert_eq!(revision(&here_now), revision(&there_now));
    let sources = |loader: &Loader| {
        let sources = loader.report().sources;
        let named = sources.iter().map(|s| (s.kind, Arc::clone(&s.revision)));
        named.collect::<Vec<_>>()
    };
    assert_eq!(sources(&here_now), sources(&there_now));
    assert_eq!(sources(&here_now).len(), 5);
    // What cannot be told from a hash is not told by one.
    let secret = sources(&here_now)[3].1.clone();
    here.write("one/token", "second");
    assert!(here_now.look(later).next.is_some());
    assert_ne!(sources(&here_now)[3].1, secret);
    assert_ne!(revision(&here_now), revision(&there_now));
    here.write("one/token", "first");
    here_now.look(later);
    assert_eq!(revision(&here_now), revision(&there_now));
}

#[test]
fn what_did_not_change_is_kept() {
    let files = Files::new("kept", &pair());
    let mut loader = files.load();
    let pass = loader.look(later);
    assert!(pass.next.is_none() && pass.events.is_empty() && !pass.restless);
    let (one, two) = (tenant(&loader, "/one"), tenant(&loader, "/two"));
    let auth = Arc::clone(&loader.loaded().snapshot.auth);
    let shown = Arc::clone(&loader.loaded().certificate);

    files.rule("two", "/second", "token");
    let pass = loader.look(later);
    assert_eq!(kinds(&pass), [(Kind::Rules, true)]);
    assert!(Arc::ptr_eq(
        &tenant(&loader, "/one").unwrap(),
        &one.unwrap()
    ));
    assert!(tenant(&loader, "/two").is_none() && two.is_some());
    assert!(Arc::ptr_eq(&loader.loaded().snapshot.auth, &auth));
    assert!(Arc::ptr_eq(&loader.loaded().certificate, &shown));

    let one = tenant(&loader, "/one").unwrap();
    let (crt, key) = pair();
    files.write("crt", &crt);
    let pass = loader.look(later);
    assert_eq!(kinds(&pass), [(Kind::Tls, false)]);
    assert!(pass.next.is_none());
    assert_eq!(loader.look(later).events, []);
    files.write("key", &key);
    assert_eq!(kinds(&loader.look(later)), [(Kind::Tls, true)]);
    assert!(Arc::ptr_eq(&tenant(&loader, "/one").unwrap(), &one));
    assert!(!Arc::ptr_eq(&loader.loaded().certificate, &shown));
}

#[test]
fn a_broken_folder_of_secrets_holds_up_no_other() {
    let files = Files::new("secrets", &pair());
    let mut loader = files.load();
    let (one, two) = (tenant(&loader, "/one"), tenant(&loader, "/two"));
    files.write("one/token", "");
    files.write("two/token", "second");
    files.write("rules/three.yaml", "tenant_url: x\n");
    let pass = loader.look(later);
    let wanted = [
        (Kind::Rules, false),
        (Kind::Secrets, false),
        (Kind::Secrets, true),
    ];
    assert_eq!(kinds(&pass), wanted);
    assert!(
        pass.outcome
            .errors
            .iter()
            .any(|line| line.contains("is empty"))
    );
    // The one with the broken secret is as it was, the other is made anew.
    assert!(Arc::ptr_eq(
        &tenant(&loader, "/one").unwrap(),
        &one.unwrap()
    ));
    assert!(!Arc::ptr_eq(
        &tenant(&loader, "/two").unwrap(),
        &two.unwrap()
    ));
    // The same again is no news.
    assert_eq!(loader.look(later).events, []);
    // A rule that is repaired serves with the last good secret.
    fs::remove_file(files.0.join("rules/three.yaml")).unwrap();
    files.rule("one", "/moved", "token");
    let pass = loader.look(later);
    assert_eq!(kinds(&pass), [(Kind::Rules, true)]);
    assert!(tenant(&loader, "/moved").is_some());
    assert!(!pass.report.is_good_for(Kind::Secrets));
    files.write("one/token", "first");
    assert_eq!(kinds(&loader.look(later)), [(Kind::Secrets, true)]);
    assert!(loader.report().is_good());
}

#[test]
fn a_rule_and_a_secret_that_do_not_fit_yet_wait_for_each_other() {
    let files = Files::new("fit", &pair());
    let mut loader = files.load();
    fs::create_dir(files.0.join("later")).unwrap();
    files.rule("later", "/later", "token");
    let pass = loader.look(later);
    assert_eq!(kinds(&pass), [(Kind::Rules, false)]);
    assert!(loader.folders().contains(&files.0.join("rules/../later")));
    // Meanwhile another secret rotates, with the rules as they were.
    files.write("two/token", "second");
    let pass = loader.look(later);
    assert_eq!(kinds(&pass), [(Kind::Secrets, true)]);
    assert!(pass.next.is_some());
    files.write("later/token", "here");
    let pass = loader.look(later);
    assert_eq!(kinds(&pass), [(Kind::Rules, true), (Kind::Secrets, true)]);
    assert!(tenant(&loader, "/later").is_some());
    // A folder that is named no more is let go of.
    fs::remove_file(files.0.join("rules/later.yaml")).unwrap();
    loader.look(later);
    assert!(!loader.folders().contains(&files.0.join("rules/../later")));
}

#[test]
fn who_writes_rules_all_the_time_holds_up_no_secret() {
    let files = Files::new("restless", &pair());
    let mut loader = files.load();
    let touch = |age: u64| {
        let file = fs::File::options()
            .write(true)
            .open(files.0.join("rules/two.yaml"));
        let time = later() - Duration::from_millis(age);
        file.unwrap().set_modified(time).unwrap();
    };
    touch(50);
    files.write("one/token", "second");
    let pass = loader.look(later);
    assert!(pass.restless && pass.next.is_some());
    assert_eq!(kinds(&pass), [(Kind::Secrets, true)]);
    touch(5000);
    let pass = loader.look(later);
    assert!(!pass.restless && pass.next.is_none() && pass.events.is_empty());

    // Rules that wait for a file get it, though they were touched when it came.
    let rule = Files::text("two", "/new", "token");
    let rule = rule
        .replace("http:", "https:")
        .replace("plaintext: true, bearer", "ca");
    files.write("rules/two.yaml", &rule);
    assert_eq!(kinds(&loader.look(later)), [(Kind::Rules, false)]);
    files.write("two/token", &pair().0);
    touch(50);
    loader.look(later);
    assert!(tenant(&loader, "/new").is_none());
    touch(5000);
    loader.look(later);
    assert!(tenant(&loader, "/new").is_some());
}

#[test]
fn a_certificate_that_has_ended_is_warned_of() {
    let files = Files::new("ended", &pair());
    let mut loader = files.load();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2024, 2, 29);
    let ended = params.self_signed(&key).unwrap();
    files.write("crt", &ended.pem());
    files.write("key", &key.serialize_pem());
    let pass = loader.look(later);
    assert!(pass.next.is_some() && pass.outcome.errors.is_empty());
    let warnings = pass.outcome.warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].ends_with("crt:1:1: the certificate has ended: clients refuse it (renew it)")
    );
    let new = pair();
    files.write("crt", &new.0);
    files.write("key", &new.1);
    assert!(loader.look(later).outcome.warnings.is_empty());
}

#[test]
fn mistakes_of_the_configuration_hide_no_others() {
    let files = Files::new("mistakes", &pair());
    files.write(
        "postern.yaml",
        "tls: {certificate: crt, key: key}\nworker: 3\n",
    );
    files.write("access.yaml", "roles: {}\n");
    files.write("rules/one.yaml", "tenant_url: x\n");
    let path = files.0.join("postern.yaml");
    let found = mistakes(&path, Config::load(&path).unwrap_err());
    let lines: Vec<_> = found.iter().map(Diagnostic::one_line).collect();
    for wanted in ["`worker`", "`accounts` is missing", "one.yaml"] {
        assert!(lines.iter().any(|line| line.contains(wanted)), "{lines:?}");
    }
}
