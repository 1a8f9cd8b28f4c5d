//! The program in a pod: its rules, access, certificate and secrets mounted as kubelet mounts
//! them, each to be changed by a swap.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::Program;
use super::kubelet::{CONFIG_MAP, Mount, SECRET};

/// A folder of mounts with a configuration that names them.
pub(crate) struct Pod {
    pub program: Program,
    pub rules: Mount,
    pub access: Mount,
    pub tls: Mount,
    pub secrets: Mount,
    authority: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, as PEM, and as a client sees it.
pub(crate) struct Issued {
    pub chain: String,
    pub key: String,
    pub der: Vec<u8>,
}

impl Pod {
    /// With these rules, access file, and secrets; `more` are further lines of `postern.yaml`.
    pub(crate) fn new(
        rules: &[(&str, &str)],
        access: &str,
        secrets: &[(&str, &str)],
        more: &str,
    ) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(params, key).unwrap();
        let program = Program::empty().trusted_by(&authority.pem());
        let first = issue(&authority);
        let at = |name: &str| program.folder.join("etc").join(name);
        let pod = Self {
            rules: Mount::new(&at("rules"), CONFIG_MAP, rules),
            access: Mount::new(&at("access"), SECRET, &[("access.yaml", access)]),
            tls: Mount::new(&at("tls"), SECRET, &first.files()),
            secrets: Mount::new(&at("secrets"), SECRET, secrets),
            authority,
            program,
        };
        pod.program.write(
            "postern.yaml",
            &format!(
                "listen: {{public: \"127.0.0.1:0\", probe: \"127.0.0.1:0\", control: \"127.0.0.1:0\"}}\n\
                 tls: {{certificate: etc/tls/tls.crt, key: etc/tls/tls.key}}\n\
                 rules: etc/rules\n\
                 access: etc/access/access.yaml\n\
                 workers: 2\n{more}"
            ),
        );
        pod
    }

    /// A certificate for `localhost` that the clients trust.
    pub(crate) fn issue(&self) -> Issued {
        issue(&self.authority)
    }
}

impl Issued {
    /// As cert-manager names them in a Secret.
    pub(crate) fn files(&self) -> [(&str, &str); 2] {
        [("tls.crt", &self.chain), ("tls.key", &self.key)]
    }
}

fn issue(authority: &CertifiedIssuer<'static, KeyPair>) -> Issued {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    Issued {
        chain: certificate.pem(),
        key: key.serialize_pem(),
        der: certificate.der().to_vec(),
    }
}
