//! `trust`: whose access tokens are taken, and how it is found out whether one is good.
//!
//! ```yaml
//! trust:
//!   - name: keycloak
//!     issuer: https://id.example.com/realms/corp    # `iss`, to the letter
//!     audience: [https://scim.example.com/corp]     # one of these must be in `aud`
//!     jwks: {url: https://id.example.com/realms/corp/certs, ca_file: id-ca.pem, stale: 24h}
//!     algorithms: [RS256, ES256]                    # without this line, every asymmetric one
//!     types: [at+jwt]                               # `typ`; without this line, at+jwt, JWT or none
//!     leeway: 30s                                   # by how much clocks may differ
//!     require: {tid: "…", roles: scim}              # what every token must say
//!   - {name: entra, preset: entra, tenant_id: 2f0b…}
//!   - name: opaque
//!     introspect: {url: https://…, client_id: postern, client_secret_file: secret, ca_file: ca.pem}
//!     audience: [https://scim.example.com/corp]
//!   - name: appliance
//!     verify_token: {url: https://…/api/v1/oauth/verify_token/, client_id: postern}
//! ```
//!
//! Every entry has exactly one of `jwks` (with `issuer` and `audience`), `preset`, `introspect` and
//! `verify_token`. At most one entry is asked, since a token that says nothing by itself does not
//! say whom to ask.

mod signed;
#[cfg(test)]
mod tests;

use std::time::Duration;

use arc_swap::ArcSwap;

use super::{NAME_HELP, Reader, is_name, short, text};
use crate::auth::trust::{Asked, Endpoint, Kind, Manner, Trust};
use crate::net::Secret;
use crate::yaml::{Node, Span, Table, Value};

impl<'a> Reader<'a> {
    pub(super) fn trusts(&mut self, node: Option<&'a Node>) -> Vec<Trust> {
        // `trust:` with nothing behind it is what is left when the last one was taken out.
        let node = node.filter(|node| node.value != Value::Null);
        let mut list = Vec::new();
        let mut asked: Option<Span> = None;
        for node in self.list(node) {
            let Some(trust) = self.trust(node, &mut asked) else {
                continue;
            };
            list.push(trust);
        }
        list
    }

    fn trust(&mut self, node: &'a Node, asked: &mut Option<Span>) -> Option<Trust> {
        let mut entry = Table::open(self.source, node, "an entry of `trust`", &mut self.found)?;
        let name = entry.required("name", &mut self.found);
        let name = name.and_then(|name| self.trust_name(name));
        let keys = entry.optional("jwks");
        let preset = entry.optional("preset");
        let introspect = entry.optional("introspect");
        let verify = entry.optional("verify_token");
        let place = entry.span();
        let kind = match (keys, preset, introspect, verify) {
            (Some(keys), None, None, None) => self.signed(&mut entry, keys),
            // A preset may take its keys from elsewhere.
            (keys, Some(preset), None, None) => self.preset(&mut entry, preset, keys),
            (None, None, Some(node), None) => {
                self.one_is_asked(entry.place("introspect"), asked);
                self.introspect(&mut entry, node)
            }
            (None, None, None, Some(node)) => {
                self.one_is_asked(entry.place("verify_token"), asked);
                self.verify_token(node)
            }
            (None, None, None, None) => {
                self.error(place, "nothing says how tokens are judged", WAYS_HELP);
                return None;
            }
            _ => {
                self.error(place, "tokens are judged in more than one way", WAYS_HELP);
                return None;
            }
        };
        entry.finish(&mut self.found);
        Some(Trust::new(name?, kind?))
    }

    fn trust_name(&mut self, node: &'a Node) -> Option<&'a str> {
        let name = text(node).or_else(|| node.string(self.source, &mut self.found))?;
        if !is_name(name) {
            self.error(
                node.span,
                "this is no name for an entry of `trust`",
                NAME_HELP,
            );
        }
        self.no_token(name, node.span);
        if let Some(first) = self.trusts.insert(name, node.span) {
            let message = format!("there is another entry `{}` of `trust`", short(name));
            self.twice(node.span, message, first);
        }
        Some(name)
    }

    fn one_is_asked(&mut self, span: Span, asked: &mut Option<Span>) {
        if let Some(first) = asked.replace(span) {
            let message = "at most one entry of `trust` can be asked about tokens";
            self.twice(span, message, first);
        }
    }

    fn introspect(&mut self, entry: &mut Table<'a>, node: &'a Node) -> Option<Kind> {
        let audience = match entry.optional("audience") {
            Some(node) => self.texts(node, AUDIENCE_HELP),
            None => Some(Vec::new()),
        };
        let mut table = Table::open(self.source, node, "`introspect`", &mut self.found)?;
        let secret = table.required("client_secret_file", &mut self.found);
        let (endpoint, client) = self.where_and_who(table);
        let secret = secret.and_then(|node| self.secret_of(node));
        let manner = Manner::Introspect {
            client: client?,
            secret: secret?,
        };
        Some(Kind::Asked {
            asked: ArcSwap::from_pointee(Asked::new(endpoint?, manner)),
            audience: audience?,
        })
    }

    fn verify_token(&mut self, node: &'a Node) -> Option<Kind> {
        let table = Table::open(self.source, node, "`verify_token`", &mut self.found)?;
        let (endpoint, client) = self.where_and_who(table);
        let manner = Manner::VerifyToken { client: client? };
        Some(Kind::Asked {
            asked: ArcSwap::from_pointee(Asked::new(endpoint?, manner)),
            audience: Vec::new(),
        })
    }

    /// Where it is asked, and who we are there.
    fn where_and_who(&mut self, mut table: Table<'a>) -> (Option<Endpoint>, Option<String>) {
        let url = table.required("url", &mut self.found);
        let client = table.required("client_id", &mut self.found);
        let ca = table.optional("ca_file");
        table.finish(&mut self.found);
        let client = client.and_then(|node| {
            let client = text(node).or_else(|| node.string(self.source, &mut self.found))?;
            if client.is_empty() || client.len() > 512 {
                self.error(node.span, "this is no client id", "1 to 512 characters");
                return None;
            }
            Some(client.to_owned())
        });
        (url.and_then(|url| self.endpoint(url, ca)), client)
    }

    fn secret_of(&mut self, node: &'a Node) -> Option<Secret> {
        let bytes = self.content(node)?;
        let text = std::str::from_utf8(bytes).map(str::to_owned);
        let secret = text.map(Secret::from_file_text);
        if let Ok(secret) = secret
            && !secret.is_empty()
        {
            return Some(secret);
        }
        self.error(
            node.span,
            "there is no secret in this file",
            "one line of text",
        );
        None
    }

    fn endpoint(&mut self, url: &'a Node, ca: Option<&'a Node>) -> Option<Endpoint> {
        let pem = match ca {
            Some(node) => Some((self.content(node)?, node.span)),
            None => None,
        };
        let text = url.string(self.source, &mut self.found)?;
        // What is wrong with the URL is told at the URL, whatever the CA is.
        if let Err((message, help)) = Endpoint::new(text, None) {
            self.error(url.span, message, help);
            return None;
        }
        match Endpoint::new(text, pem.map(|(pem, _)| pem)) {
            Ok(endpoint) => Some(endpoint),
            Err((message, help)) => {
                let span = pem.map_or(url.span, |(_, span)| span);
                self.error(span, message, help);
                None
            }
        }
    }

    /// A list of texts, of which there is at least one; one text alone is a list of one.
    fn texts(&mut self, node: &'a Node, help: &str) -> Option<Vec<String>> {
        if let Value::String(one) = &node.value
            && !one.is_empty()
        {
            return Some(vec![one.clone()]);
        }
        let items = self.names_of(node, help)?;
        if items.is_empty() || items.iter().any(|(text, _)| text.is_empty()) {
            self.error(node.span, "an empty list or text takes nothing", help);
            return None;
        }
        Some(items.into_iter().map(|(text, _)| text.to_owned()).collect())
    }

    /// The values that a claim may have.
    pub(super) fn claim_values(&mut self, node: &'a Node) -> Option<Vec<String>> {
        let help = "a text, or a list of texts of which one must be there";
        match &node.value {
            Value::Number(number) => Some(vec![number.clone()]),
            _ => self.texts(node, help),
        }
    }

    fn span_of_time(
        &mut self,
        node: &'a Node,
        least: Duration,
        most: Duration,
    ) -> Option<Duration> {
        let written = node.string(self.source, &mut self.found)?;
        let digits = written.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = written.split_at_checked(digits)?;
        let unit = match unit {
            "s" => Some(1),
            "m" => Some(60),
            "h" => Some(3600),
            _ => None,
        };
        let seconds = number.parse::<u64>().ok().zip(unit);
        let seconds = seconds.and_then(|(number, unit)| number.checked_mul(unit));
        let found = seconds.map(Duration::from_secs);
        let found = found.filter(|found| (least..=most).contains(found));
        if found.is_none() {
            let message = format!("`{}` is no time that is possible here", short(written));
            let help = format!(
                "such as `30s`, `5m` or `24h`; from {}s to {}s",
                least.as_secs(),
                most.as_secs()
            );
            self.error(node.span, message, help);
        }
        found
    }
}

const WAYS_HELP: &str = "give one of `jwks` (with `issuer` and `audience`), `preset`, \
                         `introspect` and `verify_token`";
const AUDIENCE_HELP: &str = "`audience: [https://scim.example.com/corp]`";
