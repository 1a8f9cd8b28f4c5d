//! A small public key infrastructure by `openssl`, as an administrator keeps one: CAs with their
//! registers, certificates, revocation lists. Everything is a file of the program's folder.

use std::process::Command;

use super::Program;

/// Makes certificates in the folder of a program.
pub(crate) struct Pki<'a> {
    program: &'a Program,
}

impl<'a> Pki<'a> {
    /// None, and a word of it, where `openssl` is not installed.
    pub(crate) fn of(program: &'a Program) -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "openssl is not installed");
            eprintln!("skipped: openssl is not installed (apt-get install openssl)");
            return None;
        }
        Some(Self { program })
    }

    /// A CA that certifies itself: `NAME.crt`, `NAME.key`, and its register.
    pub(crate) fn root(&self, name: &str) {
        self.register(name);
        let subject = format!("/O=Example/CN={name}");
        let (key, crt) = (format!("{name}.key"), format!("{name}.crt"));
        let request = [
            &[
                "req",
                "-x509",
                "-config",
                "req.cnf",
                "-extensions",
                "ca",
                "-days",
                "30",
            ][..],
            &EC,
            &["-keyout", &key, "-out", &crt, "-subj", &subject],
        ];
        self.openssl(&request.concat());
    }

    /// One that `by` certifies.
    pub(crate) fn intermediate(&self, name: &str, by: &str) {
        self.register(name);
        self.issue(name, by, "ca", &[]);
    }

    /// `NAME.crt` and `NAME.key` of a client, with the subject `CN=NAME,O=Example`.
    pub(crate) fn client(&self, name: &str, by: &str) {
        self.issue(name, by, "client", &[]);
    }

    /// The same with a section of extensions, and more words for `openssl ca`.
    pub(crate) fn issue(&self, name: &str, by: &str, section: &str, more: &[&str]) {
        let subject = format!("/O=Example/CN={name}");
        let (key, csr, crt) = (
            format!("{name}.key"),
            format!("{name}.csr"),
            format!("{name}.crt"),
        );
        let request = [
            &["req", "-new", "-config", "req.cnf"][..],
            &EC,
            &["-keyout", &key, "-out", &csr, "-subj", &subject],
        ];
        self.openssl(&request.concat());
        let config = format!("{by}.cnf");
        let certify = [
            &[
                "ca", "-batch", "-notext", "-config", &config, "-in", &csr, "-out", &crt,
            ][..],
            &["-extfile", "req.cnf", "-extensions", section],
            more,
        ];
        self.openssl(&certify.concat());
    }

    /// Takes one back, in the register only: [`Self::list`] tells.
    pub(crate) fn revoke(&self, name: &str, by: &str) {
        let (config, crt) = (format!("{by}.cnf"), format!("{name}.crt"));
        self.openssl(&["ca", "-config", &config, "-revoke", &crt]);
    }

    /// What a CA has taken back, into a file.
    pub(crate) fn list(&self, by: &str, file: &str) {
        let config = format!("{by}.cnf");
        // Put in place whole: the program may be looking.
        let draft = format!("{file}.new");
        self.openssl(&["ca", "-config", &config, "-gencrl", "-out", &draft]);
        let place = |name: &str| self.program.folder.join(name);
        std::fs::rename(place(&draft), place(file)).unwrap();
    }

    fn register(&self, name: &str) {
        self.program.write("req.cnf", REQUEST);
        self.program.write(&format!("{name}.index"), "");
        self.program
            .write(&format!("{name}.cnf"), &CA.replace("NAME", name));
    }

    fn openssl(&self, arguments: &[&str]) {
        let said = Command::new("openssl")
            .args(arguments)
            .current_dir(&self.program.folder)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{arguments:?}: {text}");
    }
}

const EC: [&str; 5] = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
];

const REQUEST: &str = "[req]
distinguished_name = name
prompt = no
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[client]
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
[server]
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
[named]
extendedKeyUsage = clientAuth
subjectAltName = DNS:named.example.com, URI:spiffe://example/named, email:ops@Example.com, IP:192.0.2.7
[two]
extendedKeyUsage = clientAuth
subjectAltName = DNS:first.example.com, DNS:second.example.com
";

const CA: &str = "[ca]
default_ca = this
[this]
database = NAME.index
rand_serial = yes
new_certs_dir = .
certificate = NAME.crt
private_key = NAME.key
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
unique_subject = no
crl_extensions = list
[any]
organizationName = optional
commonName = supplied
[list]
authorityKeyIdentifier = keyid
";
