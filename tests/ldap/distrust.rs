//! Servers whose certificates do not do: what log, `/status` and `check --online` say.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::front::{Group, Way, rule};
use crate::support::Program;
use crate::support::client::plain_get;

/// What a certificate is for, and until which year it and its authority are valid.
struct Made {
    name: &'static str,
    until: i32,
    ca_until: i32,
}

const GOOD: Made = Made {
    name: "localhost",
    until: 2090,
    ca_until: 2090,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_certificate_is_told() {
    let made = Made {
        until: 2020,
        ..GOOD
    };
    told(
        &made,
        "or one on the way to its authority, expired on 2020-03-01",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_authority_is_told() {
    let made = Made {
        ca_until: 2020,
        ..GOOD
    };
    told(&made, "the authority in `ca_file` expired on 2020-03-01").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_another_name_is_told() {
    let made = Made {
        name: "ds2.example.com",
        ..GOOD
    };
    told(&made, "is not for `localhost`, but for `ds2.example.com`").await;
}

/// A server that shows what was made, and what the program says of it.
async fn told(made: &Made, words: &str) {
    let (port, ca) = server(made).await;
    let folder =
        std::env::temp_dir().join(format!("postern-distrust-{port}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("ca.pem"), ca).unwrap();
    let password = secret(&folder);
    let way = Way {
        flavor: "openldap",
        url: &format!("ldaps://localhost:{port}"),
        bind_dn: "cn=admin,dc=example,dc=com",
        password_file: &password,
        more: &format!("    ca_file: {}\n", folder.join("ca.pem").display()),
    };
    let unit = |name| format!("ou={name},dc=example,dc=com").parse().unwrap();
    let text = rule(&way, &unit("people"), &unit("groups"), &Group::of_names());
    let program = Program::new(&[("t.yaml", &text)]);
    let said = program.run(&["check", "--online", "--quiet"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains(words), "{words}: {}", said.err);
    let serving = program.serve("/t");
    serving.client.get("/Users?count=1").await.expect(503);
    let control = serving.line["control"].as_str().unwrap().parse().unwrap();
    let (_, status) = plain_get(control, "/status").await.unwrap();
    assert!(status.contains(words), "{words}: {status}");
    let end = Instant::now() + Duration::from_secs(60);
    while !program.log().contains(words) {
        assert!(Instant::now() < end, "{words}: {}", program.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let _ = std::fs::remove_dir_all(&folder);
}

/// One that says nothing but who it is; its port, and its authority's certificate.
async fn server(made: &Made) -> (u16, String) {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.not_after = date_time_ymd(made.ca_until, 3, 1);
    let ca_key = KeyPair::generate().unwrap();
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let mut own = CertificateParams::new(vec![made.name.to_owned()]).unwrap();
    own.not_after = date_time_ymd(made.until, 3, 1);
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(ca, ca_key);
    let certificate = own.signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(postern::net::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let mut nothing = [0; 1];
                    let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut nothing).await;
                }
            });
        }
    });
    (port, ca_pem)
}

fn secret(folder: &std::path::Path) -> String {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = folder.join("password");
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(true).write(true).mode(0o600);
    let mut file = options.open(&path).unwrap();
    file.write_all(b"secret-of-the-tests").unwrap();
    path.to_str().unwrap().to_owned()
}
