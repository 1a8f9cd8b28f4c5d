//! Files of a listener that are exchanged, broken and healed.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    IsCa, KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
};

use super::*;

/// A folder of a test's own, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("postern-listener-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn pair(&self, folder: &str) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        self.write(&format!("{folder}c.crt"), &made.cert.pem());
        self.write(&format!("{folder}c.key"), &made.signing_key.serialize_pem());
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::CrlSign, KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn list(of: &CertifiedIssuer<'static, KeyPair>, number: u64) -> String {
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 1, 1),
        next_update: date_time_ymd(2030, 3, 1),
        crl_number: SerialNumber::from(number),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    params.signed_by(of).unwrap().pem().unwrap()
}

fn listener(folder: &Folder, own: &str, clients: Option<(&str, &[&str])>) -> Listener {
    Listener::new(
        Door::Public,
        folder.path(&format!("{own}c.crt")),
        folder.path(&format!("{own}c.key")),
        clients.map(|(ca, lists)| Clients {
            ca: folder.path(ca),
            lists: lists.iter().map(|list| folder.path(list)).collect(),
            required: true,
        }),
    )
}

/// Looks, and names the files that are at fault, with what is told of it.
fn look(listener: &mut Listener) -> Vec<String> {
    let _ = listener.look(None, SystemTime::UNIX_EPOCH);
    let lines = listener.errors().map(Diagnostic::one_line);
    lines
        .map(|line| line.rsplit_once('/').unwrap().1.to_owned())
        .collect()
}

fn names(found: &[String]) -> Vec<&str> {
    found
        .iter()
        .map(|line| line.split(':').next().unwrap())
        .collect()
}

#[test]
fn every_file_is_named_by_its_own_mistake() {
    let folder = Folder::new("mistakes");
    folder.pair("");
    let ca = authority("ca");
    folder.write("ca", &ca.pem());
    folder.write("crl", &list(&ca, 1));
    folder.write("twice", &format!("{}{}", list(&ca, 1), list(&ca, 2)));
    folder.write("empty", "");
    let outcome = |certificate: &str, key: &str, clients: Option<(&str, &[&str])>| {
        let mut listener = listener(&folder, "", clients);
        listener.certificate = folder.path(certificate);
        listener.key = folder.path(key);
        let found = look(&mut listener);
        let names: Vec<String> = names(&found).into_iter().map(str::to_owned).collect();
        assert_eq!(names.is_empty(), listener.server().is_some(), "{found:?}");
        names
    };
    let (crt, key) = ("c.crt", "c.key");
    let good: &[&str] = &["crl"];
    assert_eq!(outcome(crt, key, None), [""; 0]);
    assert_eq!(outcome(crt, key, Some(("ca", &[]))), [""; 0]);
    assert_eq!(outcome(crt, key, Some(("ca", good))), [""; 0]);
    let all = outcome("no.crt", "no.key", Some(("no.ca", &["no.crl"])));
    assert_eq!(all, ["no.crt", "no.key", "no.crl", "no.ca"]);
    assert_eq!(outcome("empty", key, None), ["empty"]);
    assert_eq!(outcome(crt, "empty", None), ["empty"]);
    assert_eq!(outcome(crt, crt, Some(("empty", good))), ["empty", "c.crt"]);
    assert_eq!(outcome(crt, key, Some(("ca", &["empty"]))), ["empty"]);
    assert_eq!(outcome(crt, key, Some(("ca", &["ca"]))), ["ca"]);
    assert_eq!(
        outcome(crt, key, Some(("ca", &["crl", "twice"]))),
        ["twice"]
    );
    assert_eq!(outcome(crt, key, Some(("crl", good))), ["crl"]);
}

#[test]
fn a_revocation_does_not_wait_for_a_certificate_that_is_broken_elsewhere() {
    let folder = Folder::new("apart");
    let ca = authority("ca");
    folder.pair("own/");
    folder.write("clients/ca", &ca.pem());
    folder.write("lists/crl", &list(&ca, 1));
    let mut listener = listener(&folder, "own/", Some(("clients/ca", &["lists/crl"])));
    assert_eq!(look(&mut listener), [""; 0]);
    let first = listener.server().unwrap();
    assert_eq!(look(&mut listener), [""; 0]);
    assert!(Arc::ptr_eq(&first, &listener.server().unwrap()));

    folder.write("own/c.crt", "nonsense");
    let newer = list(&ca, 2);
    folder.write("lists/crl", &newer);
    assert_eq!(names(&look(&mut listener)), ["c.crt"]);
    let second = listener.server().unwrap();
    assert_ne!(first.trust(), second.trust());

    // A list that is broken leaves the last good one in force, and the certificate goes on.
    folder.write("lists/crl", "nonsense");
    folder.pair("own/");
    assert_eq!(names(&look(&mut listener)), ["crl"]);
    let third = listener.server().unwrap();
    assert!(!Arc::ptr_eq(&third, &second));
    assert_eq!(third.trust(), second.trust());
    folder.write("lists/crl", &newer);
    assert_eq!(look(&mut listener), [""; 0]);
    assert!(Arc::ptr_eq(&third, &listener.server().unwrap()));
}

#[test]
fn a_certificate_and_its_key_may_come_from_two_folders() {
    let folder = Folder::new("halves");
    folder.pair("a/");
    let mut listener = listener(&folder, "a/", None);
    listener.key = folder.path("b/c.key");
    listener = Listener::new(Door::Public, listener.certificate, listener.key, None);
    std::fs::create_dir_all(folder.path("b")).unwrap();
    std::fs::copy(folder.path("a/c.key"), folder.path("b/c.key")).unwrap();
    assert_eq!(look(&mut listener), [""; 0]);
    let first = listener.server().unwrap();
    folder.pair("a/");
    assert_eq!(look(&mut listener).len(), 1);
    assert!(Arc::ptr_eq(&first, &listener.server().unwrap()));
    std::fs::copy(folder.path("a/c.key"), folder.path("b/c.key")).unwrap();
    assert_eq!(look(&mut listener), [""; 0]);
    assert!(!Arc::ptr_eq(&first, &listener.server().unwrap()));
}

#[test]
fn what_is_hardly_meant_is_warned_of() {
    let folder = Folder::new("warned");
    folder.pair("");
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    folder.write("ca", &format!("{}{}", ours.pem(), theirs.pem()));
    folder.write("crl", &list(&ours, 1));
    let warned = |lists: &[&str], at: u64| {
        let mut listener = listener(&folder, "", Some(("ca", lists)));
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(at);
        let _ = listener.look(None, at);
        let warnings = listener.warnings();
        let lines = warnings.iter().map(Diagnostic::one_line);
        lines
            .map(|line| line.rsplit_once('/').unwrap().1.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(warned(&[], 0), [""; 0]);
    let found = warned(&["crl"], 1_898_553_600);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].starts_with("crl:1:1: a revocation list should have been replaced"),
        "{found:?}"
    );
    assert!(
        found[1].starts_with("ca:1:1: no revocation list is of `CN=theirs`"),
        "{found:?}"
    );
    assert_eq!(warned(&["crl"], 0).len(), 1);
}
