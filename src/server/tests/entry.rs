//! Clients with certificates, whose CA goes while they are connected.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::*;
use crate::net::tls::{Checks, Clients, Server, Switch};
use crate::server::plain;

/// A CA with one client.
struct Authority {
    ca: CertifiedIssuer<'static, KeyPair>,
    client: (String, String),
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "okta");
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &ca).unwrap();
        let client = (certificate.pem(), key.serialize_pem());
        Self { ca, client }
    }

    fn checks(&self, required: bool) -> Checks {
        let ca = self.ca.pem();
        let clients = Clients {
            ca: ca.as_bytes(),
            lists: Vec::new(),
            required,
        };
        clients.checks().unwrap()
    }
}

/// A state of a listener after another, with the certificate that it shows.
type Make = fn((&[u8], &[u8]), Option<&Checks>, Option<&Server>) -> Result<Server, tls::TlsError>;

fn next(make: Make, checks: &Checks, previous: Option<&Server>) -> (String, Server) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let pair = (cert.as_bytes(), key.as_bytes());
    let server = make(pair, Some(checks), previous).unwrap();
    (cert, server)
}

async fn connect(
    address: SocketAddr,
    ca: &str,
    client: Option<&(String, String)>,
    alpn: &str,
) -> io::Result<Tls> {
    let identity = client.map(|(cert, key)| (cert.as_bytes(), key.as_bytes()));
    let mut config = tls::client_config(Some(ca.as_bytes()), identity).unwrap();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await
}

async fn ask(stream: &mut Tls) -> u16 {
    stream.write_all(GET.as_bytes()).await.unwrap();
    answer(stream).await.0
}

/// Whose certificate a request came with.
fn naming() -> impl Handler {
    |_: Request<Body>, peer: Peer| async move {
        let word = peer.certificate.map(|shown| shown.word().to_string());
        Response::new(Body::Full(Bytes::from(word.unwrap_or_default())))
    }
}

fn public(switch: &Arc<Switch>) -> Running {
    let listen = Listen {
        address: "127.0.0.1:0".parse().unwrap(),
        workers: 1,
        proxies: Arc::default(),
    };
    let metrics = Arc::new(Metrics::new());
    start(&listen, switch, &naming(), Limits::default(), &metrics).unwrap()
}

/// Of two connections that stand, the one on which nothing is asked ends by itself.
#[tokio::test]
async fn who_is_not_trusted_any_more_is_not_served_any_more() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    for (make, secured) in [(Server::public as Make, false), (Server::control, true)] {
        let checks = ours.checks(!secured);
        let (ca, first) = next(make, &checks, None);
        let switch = Arc::new(Switch::new(first));
        let (mut small, mut large) = (None, None);
        let address = if secured {
            let any = "127.0.0.1:0".parse().unwrap();
            let door = plain::start_tls(any, Arc::clone(&switch), naming(), Limits::default());
            let plain::Listen::Tcp(address) = *small.insert(door.unwrap()).at() else {
                panic!("not TCP");
            };
            address
        } else {
            large.insert(public(&switch)).address()
        };
        let client = Some(&ours.client);
        let mut busy = connect(address, &ca, client, "http/1.1").await.unwrap();
        let mut idle = connect(address, &ca, client, "http/1.1").await.unwrap();
        assert_eq!((ask(&mut busy).await, ask(&mut idle).await), (200, 200));
        // Another certificate of ours, and more that is trusted, disturb nobody.
        let (_, second) = next(make, &checks, Some(&switch.current()));
        switch.replace(Arc::new(second));
        assert_eq!(ask(&mut busy).await, 200);
        let both = format!("{}{}", ours.ca.pem(), theirs.ca.pem());
        let clients = Clients {
            ca: both.as_bytes(),
            lists: Vec::new(),
            required: true,
        };
        let (_, third) = next(make, &clients.checks().unwrap(), Some(&switch.current()));
        switch.replace(Arc::new(third));
        assert_eq!((ask(&mut busy).await, ask(&mut idle).await), (200, 200));

        let (ca, last) = next(make, &theirs.checks(true), Some(&switch.current()));
        switch.replace(Arc::new(last));
        // Nobody can say which of the two is first: the end of the connection, or the request.
        let _ = busy.write_all(GET.as_bytes()).await;
        let mut text = Vec::new();
        let _ = busy.read_to_end(&mut text).await;
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.is_empty() || text.starts_with("HTTP/1.1 421"),
            "{text}"
        );
        let _ = idle.read_to_end(&mut Vec::new()).await;
        let client = Some(&theirs.client);
        let mut other = connect(address, &ca, client, "http/1.1").await.unwrap();
        assert_eq!(ask(&mut other).await, 200);
    }
}

#[tokio::test]
async fn a_request_knows_the_certificate_of_its_connection() {
    let ours = Authority::new("ours");
    let (ca, first) = next(Server::public, &ours.checks(false), None);
    let switch = Arc::new(Switch::new(first));
    let door = public(&switch);
    for (client, word) in [(Some(&ours.client), "CN=okta"), (None, "")] {
        let mut stream = connect(door.address(), &ca, client, "http/1.1")
            .await
            .unwrap();
        let spoofed = "GET / HTTP/1.1\r\nHost: h\r\nX-Client-Cert: CN=admin\r\n\r\n";
        stream.write_all(spoofed.as_bytes()).await.unwrap();
        assert_eq!(answer(&mut stream).await, (200, word.to_owned()));
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
