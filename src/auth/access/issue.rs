//! `issue`: access tokens of our own, for the `clients` of accounts.
//!
//! ```yaml
//! issue:
//!   issuer: https://scim.example.com   # what `iss` says; its host is one that clients call
//!   keys:                              # the first signs, all of them verify
//!     - {file: oauth/2026-11.pem}      # a private key: P-256 or Ed25519, in PKCS#8
//!     - {file: oauth/2026-05.pem}      # also a public one
//!   lifetime: 10m
//!   audience: scim                     # what `aud` says; without this line, the issuer
//! ```

use std::time::Duration;

use http::Uri;

use super::{Reader, short};
use crate::auth::issue::{Issuer, Making, verifies};
use crate::auth::jwt::{Key, SigningKey};
use crate::yaml::{Node, Table};

impl<'a> Reader<'a> {
    pub(super) fn issue(&mut self, node: &'a Node) -> Option<Issuer> {
        let mut issue = Table::open(self.source, node, "`issue`", &mut self.found)?;
        let issuer = issue.required("issuer", &mut self.found);
        let keys = issue.required("keys", &mut self.found);
        let lifetime = issue.optional("lifetime");
        let audience = issue.optional("audience");
        issue.finish(&mut self.found);
        let url = issuer.and_then(|node| self.issuer_url(node));
        if let (Some((name, ..)), Some(node)) = (&url, issuer) {
            self.new_issuer((*name).to_owned(), node.span);
        }
        let keys = keys.and_then(|node| self.issue_keys(node));
        let lifetime = match lifetime {
            Some(node) => self.lifetime(node),
            None => Some(LIFETIME),
        };
        let audience = match audience {
            Some(node) => Some(Some(self.audience(node)?)),
            None => Some(None),
        };
        let (name, host, path) = url?;
        let (signer, others) = keys?;
        Some(Issuer::new(Making {
            name,
            host: &host,
            path: &path,
            audience: audience?,
            lifetime: lifetime?,
            signer,
            others,
        }))
    }

    /// The URL with its host and its path, which is empty where it is a slash.
    fn issuer_url(&mut self, node: &'a Node) -> Option<(&'a str, String, String)> {
        let text = node.string(self.source, &mut self.found)?;
        let parts = text.parse::<Uri>().ok().filter(|uri| {
            let authority = uri.authority().map(http::uri::Authority::as_str);
            uri.scheme_str() == Some("https")
                && text.starts_with("https://")
                && authority.is_some_and(|authority| !authority.contains('@'))
                && !text.contains(['?', '#', '%'])
                && !text.ends_with('/')
        });
        let host = parts
            .as_ref()
            .and_then(|uri| uri.host().map(str::to_lowercase));
        let (Some(uri), Some(host)) = (parts, host) else {
            let help = "`https://scim.example.com`, without a slash at its end, query or fragment \
                        (RFC 8414 section 2)";
            self.error(node.span, "this is no URL of an issuer", help);
            return None;
        };
        let path = uri.path();
        let path = if path == "/" { "" } else { path };
        if path
            .split('/')
            .skip(1)
            .any(|part| ["", ".", ".."].contains(&part))
        {
            self.error(
                node.span,
                "the path of the issuer is not a plain one",
                "take it out",
            );
            return None;
        }
        Some((text, host, path.to_owned()))
    }

    fn issue_keys(&mut self, node: &'a Node) -> Option<(SigningKey, Vec<Key>)> {
        let items = self.list(Some(node));
        if items.is_empty() || items.len() > MOST_KEYS {
            let help = "the first signs; keep an older one until its last token has ended";
            self.error(node.span, format!("1 to {MOST_KEYS} keys are needed"), help);
            return None;
        }
        let mut signer = None;
        let mut others: Vec<Key> = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let Some((bytes, id, file)) = self.key_file(item) else {
                continue;
            };
            let private = SigningKey::of_pem(bytes, id);
            let key = match (private, at) {
                (Ok(key), 0) => {
                    let public = key.public().clone();
                    signer = Some(key);
                    public
                }
                (Ok(key), _) => key.public().clone(),
                (Err(why), 0) => {
                    self.no_key(file, &why.to_string(), why.help());
                    continue;
                }
                (Err(why), _) => match Key::of_pem(bytes) {
                    Ok(key) if verifies(&key) => key.named(id),
                    Ok(_) => {
                        let help = "a key of ours is P-256 or Ed25519";
                        self.no_key(file, "a key of this kind does not verify here", help);
                        continue;
                    }
                    Err(_) => {
                        self.no_key(file, &why.to_string(), why.help());
                        continue;
                    }
                },
            };
            let same = |other: &Key| other.name() == key.name();
            let clash = signer
                .as_ref()
                .is_some_and(|first| at > 0 && same(first.public()));
            if clash || others.iter().any(same) {
                let help = "take it out, or give one of them another `id`";
                self.error(item.span, "there is another key of this id", help);
            } else if at > 0 {
                others.push(key);
            }
        }
        Some((signer?, others))
    }

    /// What a key's file holds, with its id if it is given one.
    fn key_file(&mut self, node: &'a Node) -> Option<(&'a [u8], Option<&'a str>, &'a Node)> {
        let mut key = Table::open(self.source, node, "a key", &mut self.found)?;
        let file = key.required("file", &mut self.found);
        let id = key.optional("id");
        key.finish(&mut self.found);
        let id = match id {
            Some(node) => Some(self.plain(node, "no id for a key")?),
            None => None,
        };
        let file = file?;
        Some((self.content(file)?, id, file))
    }

    fn no_key(&mut self, file: &Node, why: &str, help: &str) {
        let name = file
            .string(self.source, &mut self.found)
            .unwrap_or_default();
        let message = format!("the file `{}` cannot be used: {why}", short(name));
        self.error(file.span, message, help);
    }

    fn audience(&mut self, node: &'a Node) -> Option<&'a str> {
        self.plain(node, "no audience")
    }

    /// A text of printable characters that is not too long.
    fn plain(&mut self, node: &'a Node, what: &str) -> Option<&'a str> {
        let text = node.string(self.source, &mut self.found)?;
        if (1..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
            return Some(text);
        }
        let help = "1 to 256 printable characters of ASCII, without spaces";
        self.error(node.span, format!("this is {what}"), help);
        None
    }

    fn lifetime(&mut self, node: &'a Node) -> Option<Duration> {
        let text = node.string(self.source, &mut self.found)?;
        let unit = |end: &str, seconds: u64| {
            let number = text.strip_suffix(end)?.trim_end();
            let digits = number.bytes().all(|b| b.is_ascii_digit());
            let number = digits.then(|| number.parse::<u64>().ok()).flatten()?;
            number.checked_mul(seconds).map(Duration::from_secs)
        };
        let units = [("s", 1), ("m", 60), ("h", 3_600)];
        let time = units.iter().find_map(|(end, seconds)| unit(end, *seconds));
        let time = time.filter(|time| (SHORTEST..=LONGEST).contains(time));
        if time.is_none() {
            let help =
                "`60s` to `24h`; a token that is stolen is good for so long, so keep it short";
            let message = format!("`{}` is no lifetime of a token", short(text));
            self.error(node.span, message, help);
        }
        time
    }
}

/// How long a token is good where nobody says so.
const LIFETIME: Duration = Duration::from_secs(600);
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// So many keys at once.
const MOST_KEYS: usize = 16;
