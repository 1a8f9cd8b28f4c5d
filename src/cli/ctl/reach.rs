//! Where the control listener is and how it is reached; what every way to fail means, and what to
//! do about it.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, CONNECTION, HOST};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use rustls::pki_types::ServerName;
use zeroize::Zeroizing;

use super::super::CliError;
use super::page::plain;
use crate::config::file::{Config, Control};
use crate::config::read::read_bytes;
use crate::net::oneshot::{Answer, OneshotError, Place, ask};
use crate::net::{Body, Secret, tls};

/// How to find the listener, and what to show it.
#[derive(Debug, clap::Args)]
pub(super) struct Reach {
    /// The configuration file, in which the listener is found [default: postern.yaml, or where
    /// there is none /etc/postern/postern.yaml]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// The listener: `127.0.0.1:9465`, `postern.example.com:9465` or `unix:/run/postern.sock`
    #[arg(long, value_name = "ADDRESS", global = true)]
    control: Option<String>,
    /// The CA of the listener's certificate, where that is secured [default: the system's]
    #[arg(long, value_name = "FILE", global = true)]
    ca: Option<PathBuf>,
    /// The operator's certificate
    #[arg(long, value_name = "FILE", global = true, requires = "key")]
    cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", global = true, requires = "cert")]
    key: Option<PathBuf>,
    /// A file that holds the operator's token
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// The name that the listener's certificate is for [default: the host of the address]
    #[arg(long, value_name = "NAME", global = true)]
    server_name: Option<String>,
}

/// A listener that can be asked.
pub(super) struct Listener {
    place: Place,
    /// As a person calls it.
    name: String,
    host: HeaderValue,
    authorization: Option<HeaderValue>,
    certified: bool,
}

/// Where a listener is.
#[derive(Debug, PartialEq, Eq)]
enum At {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

impl Reach {
    /// The listener that is meant.
    pub(super) fn listener(&self) -> Result<Listener, CliError> {
        let (at, secured) = match &self.control {
            Some(place) => (At::parse(place)?, false),
            None => self.configured()?,
        };
        let proofs = [&self.ca, &self.cert, &self.token_file];
        let proofs = proofs.into_iter().any(Option::is_some) || self.server_name.is_some();
        let (host, port) = match at {
            At::Unix(_) if proofs => {
                let message = "a Unix socket is guarded by its file's permissions: --ca, --cert, \
                               --key, --token-file and --server-name are for an address";
                return Err(CliError::usage(message));
            }
            At::Unix(path) => {
                return Ok(Listener {
                    name: format!("unix:{}", path.display()),
                    place: Place::Unix(path),
                    host: HeaderValue::from_static("localhost"),
                    authorization: None,
                    certified: false,
                });
            }
            At::Tcp { host, port } => (host, port),
        };
        let address = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        // Elsewhere than on loopback nothing of ours speaks without TLS.
        let place = if secured || proofs || !is_loopback(&host) {
            self.tls(&address, &host)?
        } else {
            Place::Tcp(address.clone())
        };
        let odd = |_| CliError::usage(format!("--control: `{}` is no address", plain(&address)));
        Ok(Listener {
            place,
            host: HeaderValue::from_str(&address).map_err(odd)?,
            name: address,
            authorization: self.token()?,
            certified: self.cert.is_some(),
        })
    }

    /// What the configuration says, and whether the listener is secured.
    fn configured(&self) -> Result<(At, bool), CliError> {
        let file = match &self.config {
            Some(file) => file,
            None => usual(),
        };
        let config = Config::load(file).map_err(|found| {
            let text = super::super::rendered(&found);
            CliError::usage(format!(
                "{text}name the configuration with --config, or the listener itself with \
                 --control ADDRESS"
            ))
        })?;
        let address = match config.listen.control {
            Control::Unix(path) => return Ok((At::Unix(path), false)),
            Control::Tcp(address) => address,
        };
        if address.port() == 0 {
            return Err(CliError::usage(format!(
                "{} leaves the port of the control listener to the system: name the listener with \
                 --control ADDRESS, as the log says it",
                file.display()
            )));
        }
        let ip = match address.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        let at = At::Tcp {
            host: ip.to_string(),
            port: address.port(),
        };
        Ok((at, config.operators.is_some()))
    }

    fn tls(&self, address: &str, host: &str) -> Result<Place, CliError> {
        let ca = self.ca.as_deref().map(|path| file("--ca", path));
        let ca = ca.transpose()?;
        let pair = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Some((file("--cert", cert)?, file("--key", key)?)),
            _ => None,
        };
        let shown = pair
            .as_ref()
            .map(|(cert, key)| (cert.as_slice(), key.as_slice()));
        let mut config = tls::client_config(ca.as_ref().map(|ca| ca.as_slice()), shown)
            .map_err(|error| CliError::usage(format!("error: {error}")))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = self.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned()).map_err(|_| {
            let name = plain(name);
            CliError::usage(format!(
                "no certificate is for `{name}`: name one with --server-name"
            ))
        })?;
        Ok(Place::Tls(address.to_owned(), name, Arc::new(config)))
    }

    fn token(&self) -> Result<Option<HeaderValue>, CliError> {
        let Some(path) = &self.token_file else {
            return Ok(None);
        };
        let bytes = file("--token-file", path)?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
        let secret = Secret::from_file_text(text.to_owned());
        let line = Zeroizing::new(format!("Bearer {}", secret.expose()));
        let value = HeaderValue::from_str(&line);
        match value {
            Ok(mut value) if !secret.is_empty() => {
                value.set_sensitive(true);
                Ok(Some(value))
            }
            _ => {
                let path = path.display();
                let message = format!("--token-file: {path} holds no token: one line of text");
                Err(CliError::usage(message))
            }
        }
    }
}

impl At {
    fn parse(text: &str) -> Result<Self, CliError> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.into()));
        }
        let parts = text.rsplit_once(':').and_then(|(host, port)| {
            let port = port.parse().ok().filter(|port| *port != 0)?;
            let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
            match bare {
                Some(v6) => v6.parse::<Ipv6Addr>().ok().map(|ip| (ip.to_string(), port)),
                None => is_host(host).then(|| (host.to_owned(), port)),
            }
        });
        let (host, port) = parts.ok_or_else(|| {
            CliError::usage(format!(
                "--control: `{}` is no listener: write `127.0.0.1:9465`, `[::1]:9465`, \
                 `postern.example.com:9465` or `unix:/run/postern.sock`",
                plain(text)
            ))
        })?;
        Ok(Self::Tcp { host, port })
    }
}

impl Listener {
    /// Asks, and waits for the answer.
    pub(super) fn ask(
        &self,
        method: Method,
        path: &'static str,
        body: Body,
        time: Duration,
    ) -> Result<Answer, CliError> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from_static(path);
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| CliError::failed(format!("error: {error}")))?;
        let answer = runtime.block_on(ask(
            &self.place,
            request,
            Instant::now() + time,
            LARGEST_ANSWER,
        ));
        // Not waiting for a name lookup that hangs.
        runtime.shutdown_background();
        answer.map_err(|error| self.unheard(&error, time))
    }

    /// No answer: what that means, and what to do.
    fn unheard(&self, error: &OneshotError, time: Duration) -> CliError {
        let name = &self.name;
        let why = match error {
            OneshotError::Connect(error) => match error.kind() {
                ErrorKind::NotFound if matches!(self.place, Place::Unix(_)) => format!(
                    "nobody listens at {name}: there is no such socket; is postern running, and \
                     with this configuration?"
                ),
                ErrorKind::ConnectionRefused => format!(
                    "nobody listens at {name}: postern is not running, is just being started \
                     again, or listens elsewhere (`listen.control` of its configuration; its log \
                     says where)"
                ),
                ErrorKind::PermissionDenied => format!(
                    "{name} may not be opened: run this as the user that runs postern, or as root"
                ),
                _ => format!("{name} cannot be reached: {error}"),
            },
            OneshotError::Handshake(error) => {
                let help = "--ca names the CA of its certificate, --server-name the name that it \
                            is for; a listener on loopback without `control:` speaks no TLS: give \
                            none of --ca, --cert, --key, --token-file for it";
                format!("no TLS connection to {name}: {error}\n{help}")
            }
            OneshotError::Alert(alert) => {
                let help = if self.certified {
                    "is the certificate of --cert of the CA that `control.client_ca` names, and \
                     not past its end?"
                } else {
                    "it wants to see an operator's certificate: give --cert and --key"
                };
                format!("{name} ended the connection: {alert}\n{help}")
            }
            OneshotError::Lost => {
                let help = if matches!(self.place, Place::Tls(..)) && !self.certified {
                    "; if it wants an operator's certificate, give --cert and --key"
                } else {
                    ""
                };
                format!(
                    "{name} ended the connection before it answered: postern ends, or is being \
                     started again; try again in a moment{help}"
                )
            }
            OneshotError::NotHttp => format!(
                "what listens at {name} does not speak HTTP: it is another program, or speaks TLS \
                 (--ca names the CA of its certificate)"
            ),
            OneshotError::TooLarge(limit) => {
                format!("the answer of {name} is larger than {limit} bytes")
            }
            OneshotError::TimedOut => format!(
                "{name} did not answer within {} seconds: the machine is overloaded, a firewall \
                 swallows the connection, or another program listens there",
                time.as_secs()
            ),
        };
        CliError::failed(format!("error: {why}"))
    }

    /// An answer that is not what was asked for.
    pub(super) fn refused(&self, answer: &Answer) -> CliError {
        let name = &self.name;
        let text = String::from_utf8_lossy(&answer.body);
        let text = plain(text.lines().next().unwrap_or_default());
        let why = match answer.status {
            StatusCode::UNAUTHORIZED if self.authorization.is_some() => format!(
                "{name} does not accept the token of --token-file: it must be one of `operators` \
                 of the access file, and live (`postern token list`)"
            ),
            StatusCode::UNAUTHORIZED => format!(
                "{name} wants an operator's token: give --token-file; `postern token new \
                 --operator NAME` makes one"
            ),
            StatusCode::NOT_FOUND => format!(
                "{name} does not know this: another version of postern runs there, or it is \
                 another listener ({text})"
            ),
            StatusCode::BAD_REQUEST if text.contains("HTTPS") => format!(
                "{name} speaks TLS: --ca names the CA of its certificate, --cert, --key and \
                 --token-file prove who you are"
            ),
            status => format!("{name} answered {}: {text}", status.as_u16()),
        };
        CliError::failed(format!("error: {why}"))
    }

    /// An answer that makes no sense.
    pub(super) fn foreign(&self) -> CliError {
        CliError::failed(format!(
            "error: what listens at {} does not answer as postern does: is it another program, or \
             another version?",
            self.name
        ))
    }
}

/// Here; or where a container has it, which gives a command no folder of its own to work in.
fn usual() -> &'static Path {
    let (here, mounted) = (Path::new("postern.yaml"), Path::new(MOUNTED));
    if !here.exists() && mounted.exists() {
        mounted
    } else {
        here
    }
}

fn file(option: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, CliError> {
    read_bytes(path).map_err(|error| {
        let path = path.display();
        CliError::usage(format!("{option}: {path} cannot be read: {error}"))
    })
}

fn is_host(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    (1..=253).contains(&text.len()) && text.bytes().all(plain)
}

fn is_loopback(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|ip| ip.is_loopback())
}

/// The configuration in a container.
const MOUNTED: &str = "/etc/postern/postern.yaml";

/// More than a status of all that can be: a thousand clients, tenants and accounts by the hundred.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_addresses_and_sockets() {
        let tcp = |host: &str, port| At::Tcp {
            host: host.to_owned(),
            port,
        };
        for (text, at) in [
            ("127.0.0.1:9465", tcp("127.0.0.1", 9465)),
            ("[::1]:9465", tcp("::1", 9465)),
            ("postern.example:1", tcp("postern.example", 1)),
            ("unix:/run/p.sock", At::Unix("/run/p.sock".into())),
            ("unix:p.sock", At::Unix("p.sock".into())),
        ] {
            assert_eq!(At::parse(text).unwrap(), at);
        }
        for text in [
            "",
            "localhost",
            "localhost:",
            "localhost:0",
            "localhost:70000",
            ":9465",
            "::1:9465",
            "[::1]",
            "[localhost]:1",
            "http://localhost:1",
            "a b:1",
            "unix:",
            "a\u{1b}[2J:1",
        ] {
            let error = At::parse(text).unwrap_err();
            assert_eq!(error.exit, 64, "{text}");
            assert!(!error.message.contains('\u{1b}'));
        }
    }

    #[test]
    fn loopback() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["0.0.0.0", "10.0.0.1", "localhost.example", "::2"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
