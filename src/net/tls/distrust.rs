//! Why a server is not trusted, for who can do something about it.

use std::io;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, Error};
use x509_cert::Certificate;
use x509_cert::der::{DateTime, Decode as _};

/// What a failed handshake says, and what to do about it. `host` is the name that we know the
/// server by.
#[must_use]
pub fn why(error: &io::Error, host: &str) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    let Some(Error::InvalidCertificate(error)) = inner else {
        return error.to_string();
    };
    match error {
        CertificateError::ExpiredContext { not_after, .. } => format!(
            "the server's certificate, or one on the way to its authority, expired on {}: give \
             the server a new one",
            date(*not_after)
        ),
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "the server's certificate, or one on the way to its authority, is not valid before \
             {}: compare the clocks of both machines",
            date(*not_before)
        ),
        CertificateError::NotValidForNameContext { presented, .. } => format!(
            "the server's certificate is not for `{host}`, but for {}: write the name that it is \
             for in the URL, or give the server another one",
            names(presented)
        ),
        CertificateError::UnknownIssuer => {
            "the server's certificate is signed by none of the authorities that are trusted: name \
             the file with its authority as `ca_file`"
                .to_owned()
        }
        other => format!("the server's certificate is not accepted: {other}"),
    }
}

/// Why authorities vouch for nobody: all of them have ended. TLS itself does not look at that,
/// since it trusts them as they are.
#[must_use]
pub fn ended(ca_pem: &[u8], now: UnixTime) -> Option<String> {
    let mut ends = None;
    for der in CertificateDer::pem_slice_iter(ca_pem) {
        // What cannot be read has been told when it was loaded.
        let certificate = Certificate::from_der(&der.ok()?).ok()?;
        let end = certificate.tbs_certificate().validity().not_after;
        ends = ends.max(Some(end.to_unix_duration()));
    }
    let end = ends.filter(|end| end.as_secs() < now.as_secs())?;
    Some(format!(
        "the authority in `ca_file` expired on {}: name the file with the one that has signed the \
         server's certificate since",
        date(UnixTime::since_unix_epoch(end))
    ))
}

/// The names of a certificate. The library shows them in the words of its own code.
fn names(presented: &[String]) -> String {
    let plain = |name: &String| {
        let quoted = name.split('"').nth(1);
        let inner = name
            .split_once('(')
            .and_then(|(_, rest)| rest.split_once(')'));
        let inner = inner.map_or(name.as_str(), |(inner, _)| inner);
        format!("`{}`", quoted.unwrap_or(inner))
    };
    let names: Vec<String> = presented.iter().take(MOST_NAMES).map(plain).collect();
    match (names.is_empty(), presented.len() > MOST_NAMES) {
        (true, _) => "none".to_owned(),
        (false, true) => format!("{} and others", names.join(", ")),
        (false, false) => names.join(", "),
    }
}

fn date(time: UnixTime) -> String {
    let date = DateTime::from_unix_duration(Duration::from_secs(time.as_secs()));
    date.map_or_else(|_| "an unknown day".to_owned(), |date| date.to_string())
}

/// So many names of a certificate are told.
const MOST_NAMES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(error: CertificateError) -> String {
        let error = Error::InvalidCertificate(error);
        why(&io::Error::new(io::ErrorKind::InvalidData, error), "ds1")
    }

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn each_says_what_to_do() {
        let expired = told(CertificateError::ExpiredContext {
            time: at(1_700_000_000),
            not_after: at(1_600_000_000),
        });
        assert!(
            expired.contains("expired on 2020-09-13T12:26:40Z: give"),
            "{expired}"
        );
        let named = told(CertificateError::NotValidForNameContext {
            expected: "ds1".try_into().unwrap(),
            presented: vec!["DnsName(\"ds2.example.com\")".into(), "ds3".into()],
        });
        assert!(
            named.contains("not for `ds1`, but for `ds2.example.com`, `ds3`:"),
            "{named}"
        );
        assert!(told(CertificateError::UnknownIssuer).contains("`ca_file`"));
        let other = why(&io::ErrorKind::UnexpectedEof.into(), "ds1");
        assert_eq!(other, "unexpected end of file");
    }

    #[test]
    fn authorities_have_ended_when_the_last_of_them_has() {
        let until = |year| {
            let mut wanted = rcgen::CertificateParams::new(vec!["ca".to_owned()]).unwrap();
            wanted.not_after = rcgen::date_time_ymd(year, 3, 1);
            let key = rcgen::KeyPair::generate().unwrap();
            wanted.self_signed(&key).unwrap().pem()
        };
        let now = at(1_700_000_000);
        let told = ended(until(2020).as_bytes(), now).unwrap();
        assert!(told.contains("expired on 2020-03-01"), "{told}");
        let both = until(2020) + &until(2040);
        assert_eq!(ended(both.as_bytes(), now), None);
        assert_eq!(ended(b"", now), None);
    }
}
