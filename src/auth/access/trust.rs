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

use std::time::Duration;

use arc_swap::ArcSwap;

use super::{NAME_HELP, Reader, is_name, short, text};
use crate::auth::trust::{
    Asked, Endpoint, Keys, Kind, Manner, Ring, Signed, Signing, Trust, Wanted,
};
use crate::net::Secret;
use crate::yaml::{Diagnostic, Node, Span, Table, Value, suggest};

impl<'a> Reader<'a> {
    pub(super) fn trusts(&mut self, node: Option<&'a Node>) -> Vec<Trust> {
        // `trust:` with nothing behind it is what is left when the last one was taken out.
        let node = node.filter(|node| node.value != Value::Null);
        let mut list = Vec::new();
        let mut asked: Option<Span> = None;
        let mut issuers: Vec<(String, Span)> = Vec::new();
        for node in self.list(node) {
            let Some(trust) = self.trust(node, &mut issuers, &mut asked) else {
                continue;
            };
            list.push(trust);
        }
        list
    }

    fn trust(
        &mut self,
        node: &'a Node,
        issuers: &mut Vec<(String, Span)>,
        asked: &mut Option<Span>,
    ) -> Option<Trust> {
        let mut entry = Table::open(self.source, node, "an entry of `trust`", &mut self.found)?;
        let name = entry.required("name", &mut self.found);
        let name = name.and_then(|name| self.trust_name(name));
        let ways: Vec<(&str, &Node)> = WAYS
            .iter()
            .filter_map(|way| Some((*way, entry.optional(way)?)))
            .collect();
        let place = entry.span();
        let kind = match ways.as_slice() {
            [("jwks", keys)] => self.signed(&mut entry, keys, issuers),
            [("preset", preset)] => self.preset(&mut entry, preset, issuers),
            // A preset may take its keys from elsewhere.
            [("jwks", keys), ("preset", preset)] => {
                self.preset_with(&mut entry, preset, Some(keys), issuers)
            }
            [(way @ ("introspect" | "verify_token"), node)] => {
                let span = entry.place(way);
                if let Some(first) = asked.replace(span) {
                    let message = "at most one entry of `trust` can be asked about tokens";
                    self.twice(span, message, first);
                }
                self.asked(&mut entry, way, node)
            }
            [] => {
                let message = "nothing says how tokens are judged";
                self.error(place, message, WAYS_HELP);
                return None;
            }
            [_, (second, _), ..] => {
                let message = format!("`{second}` cannot stand beside another way");
                self.error(entry.place(second), message, WAYS_HELP);
                return None;
            }
            [(other, _)] => {
                self.error(place, format!("`{other}` is no way"), WAYS_HELP);
                None
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

    fn signed(
        &mut self,
        entry: &mut Table<'a>,
        keys: &'a Node,
        issuers: &mut Vec<(String, Span)>,
    ) -> Option<Kind> {
        let issuer = entry.required("issuer", &mut self.found);
        let audience = entry.required("audience", &mut self.found);
        let issuer = issuer.and_then(|node| self.issuer(node, issuers));
        let audience = audience.and_then(|node| self.texts(node, AUDIENCE_HELP));
        self.judged(entry, issuer, audience, Wanted::default(), |reader| {
            reader.keys(keys)
        })
    }

    fn preset(
        &mut self,
        entry: &mut Table<'a>,
        preset: &'a Node,
        issuers: &mut Vec<(String, Span)>,
    ) -> Option<Kind> {
        self.preset_with(entry, preset, None, issuers)
    }

    /// Entra ID's own provisioning token. The audience is the same for every customer of its, so
    /// nothing is proven by it: only the directory id tells one from the other.
    fn preset_with(
        &mut self,
        entry: &mut Table<'a>,
        preset: &'a Node,
        keys: Option<&'a Node>,
        issuers: &mut Vec<(String, Span)>,
    ) -> Option<Kind> {
        let word = preset.string(self.source, &mut self.found)?;
        if word != "entra" {
            let message = format!("there is no preset `{}`", short(word));
            let help = suggest(word, ["entra"]).map_or(
                "`preset: entra` is all there is",
                |_| "did you mean `entra`?",
            );
            self.error(preset.span, message, help);
            return None;
        }
        let directory = entry.required("tenant_id", &mut self.found);
        let audience = entry.optional("audience");
        let directory = directory.and_then(|node| {
            let id = node.string(self.source, &mut self.found)?;
            if !is_guid(id) {
                let help = "Entra ID's directory (tenant) id, such as \
                            `8eaef023-2b34-4da1-9baa-8bc8c9d6a490`; names and `common` stand for \
                            more than one";
                let message = format!("`{}` is no directory id", short(id));
                self.error(node.span, message, help);
                return None;
            }
            Some((id.to_ascii_lowercase(), node.span))
        });
        let audience = match audience {
            Some(node) => self.texts(node, AUDIENCE_HELP),
            None => Some(vec![ENTRA_AUDIENCE.to_owned()]),
        };
        let warning = "testing only: Entra ID gives tokens for this audience to each of its \
                       customers, and to every application of this directory";
        let finding = Diagnostic::warning(self.source, preset.span, warning);
        let help = "for production use an application of your own with an audience of its own, \
                    or a secret token";
        self.mentions.warnings.push(finding.help(help));
        let issuer = directory.as_ref().and_then(|(id, span)| {
            let issuer = format!("https://sts.windows.net/{id}/");
            self.new_issuer(issuer, *span, issuers)
        });
        let mut wanted = Wanted::default();
        let url = directory.map(|(id, _)| {
            let url = format!("https://login.microsoftonline.com/{id}/discovery/v2.0/keys");
            wanted.add("tid".to_owned(), vec![id]);
            url
        });
        self.judged(entry, issuer, audience, wanted, |reader| match keys {
            Some(keys) => reader.keys(keys),
            None => {
                let endpoint = Endpoint::new(&url?, None).ok()?;
                Some(Ring::of_url(endpoint, STALE))
            }
        })
    }

    /// What is the same for all whose tokens are signed.
    fn judged(
        &mut self,
        entry: &mut Table<'a>,
        issuer: Option<String>,
        audience: Option<Vec<String>>,
        mut require: Wanted,
        ring: impl FnOnce(&mut Self) -> Option<Ring>,
    ) -> Option<Kind> {
        let algorithms = entry.optional("algorithms");
        let kinds = entry.optional("types");
        let leeway = entry.optional("leeway");
        let required = entry.optional("require");
        let signing = match algorithms {
            Some(node) => self.signing(node),
            None => Some(Signing::ALL.to_vec()),
        };
        let kinds = match kinds {
            Some(node) => Some(self.texts(node, "`types: [at+jwt]`")?),
            None => None,
        };
        let leeway = match leeway {
            Some(node) => self.span_of_time(node, Duration::ZERO, MOST_LEEWAY),
            None => Some(LEEWAY),
        };
        if let Some(node) = required {
            let table = Table::open(self.source, node, "the required claims", &mut self.found);
            for (key, node) in table.map(Table::entries).unwrap_or_default() {
                if let Some(values) = self.claim_values(node) {
                    require.add(key.text.clone(), values);
                }
            }
        }
        Some(Kind::Signed(Signed {
            ring: ArcSwap::from_pointee(ring(self)?),
            issuer: issuer?,
            audience: audience?,
            signing: signing?,
            kinds,
            leeway: leeway?,
            require,
        }))
    }

    fn issuer(&mut self, node: &'a Node, issuers: &mut Vec<(String, Span)>) -> Option<String> {
        let issuer = node.string(self.source, &mut self.found)?;
        if Endpoint::new(issuer, None).is_err() || issuer.contains(['?', ' ']) {
            let message = format!("`{}` is no issuer", short(issuer));
            let help = "an `https://` URL as it stands in `iss`, with or without a slash at its \
                        end as it is there; `http` only of this machine itself";
            self.error(node.span, message, help);
        }
        self.new_issuer(issuer.to_owned(), node.span, issuers)
    }

    fn new_issuer(
        &mut self,
        issuer: String,
        span: Span,
        issuers: &mut Vec<(String, Span)>,
    ) -> Option<String> {
        if let Some((_, first)) = issuers.iter().find(|(known, _)| *known == issuer) {
            self.twice(span, "another entry of `trust` has the same issuer", *first);
            return None;
        }
        issuers.push((issuer.clone(), span));
        Some(issuer)
    }

    fn keys(&mut self, node: &'a Node) -> Option<Ring> {
        let mut table = Table::open(self.source, node, "`jwks`", &mut self.found)?;
        let (url, file) = (table.optional("url"), table.optional("file"));
        let ca = table.optional("ca_file");
        let stale = table.optional("stale");
        let span = table.span();
        table.finish(&mut self.found);
        match (url, file) {
            (Some(url), None) => {
                let stale = match stale {
                    Some(node) => self.span_of_time(node, Duration::from_secs(60), MOST_STALE),
                    None => Some(STALE),
                };
                let endpoint = self.endpoint(url, ca)?;
                Some(Ring::of_url(endpoint, stale?))
            }
            (None, Some(file)) => {
                for node in [ca, stale].into_iter().flatten() {
                    self.error(node.span, "this belongs to a `url`", "leave it out");
                }
                let bytes = self.content(file)?;
                match Keys::read(bytes) {
                    Ok(keys) if keys.is_empty() => {
                        let help = "a set (RFC 7517) with at least one public key for signatures";
                        self.error(file.span, "no key of this file can be used", help);
                        None
                    }
                    Ok(keys) => Some(Ring::of_file(keys)),
                    Err(why) => {
                        let message = format!("this file is no set of keys: {why}");
                        self.error(file.span, message, "a JSON Web Key Set (RFC 7517)");
                        None
                    }
                }
            }
            _ => {
                let help = "`jwks: {url: https://…}` or `jwks: {file: keys.json}`";
                self.error(span, "`jwks` is either a `url` or a `file`", help);
                None
            }
        }
    }

    fn asked(&mut self, entry: &mut Table<'a>, way: &str, node: &'a Node) -> Option<Kind> {
        let introspect = way == "introspect";
        let audience = if introspect {
            entry.optional("audience")
        } else {
            None
        };
        let audience = match audience {
            Some(node) => self.texts(node, AUDIENCE_HELP),
            None => Some(Vec::new()),
        };
        let what = if introspect {
            "`introspect`"
        } else {
            "`verify_token`"
        };
        let mut table = Table::open(self.source, node, what, &mut self.found)?;
        let url = table.required("url", &mut self.found);
        let client = table.required("client_id", &mut self.found);
        let secret = if introspect {
            table.required("client_secret_file", &mut self.found)
        } else {
            None
        };
        let ca = table.optional("ca_file");
        table.finish(&mut self.found);
        let endpoint = url.and_then(|url| self.endpoint(url, ca));
        let client = client.and_then(|node| {
            let client = text(node).or_else(|| node.string(self.source, &mut self.found))?;
            if client.is_empty() || client.len() > 512 {
                self.error(node.span, "this is no client id", "1 to 512 characters");
                return None;
            }
            Some(client.to_owned())
        });
        let manner = if introspect {
            let secret = secret.and_then(|node| self.secret_of(node));
            Manner::Introspect {
                client: client?,
                secret: secret?,
            }
        } else {
            Manner::VerifyToken { client: client? }
        };
        Some(Kind::Asked {
            asked: ArcSwap::from_pointee(Asked::new(endpoint?, manner)),
            audience: audience?,
        })
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

    fn signing(&mut self, node: &'a Node) -> Option<Vec<Signing>> {
        let known = Signing::ALL.map(Signing::as_str).join(", ");
        let help = format!("known here: {known}");
        let words = self.texts(node, &help)?;
        let mut all = Vec::new();
        for word in words {
            match word.parse() {
                Ok(signing) => all.push(signing),
                Err(()) => {
                    let message = if word.starts_with("HS") {
                        format!(
                            "`{}` signs with a shared secret: that is never taken",
                            short(&word)
                        )
                    } else if word.eq_ignore_ascii_case("none") {
                        "a token without a signature is never taken".to_owned()
                    } else {
                        format!("there is no algorithm `{}`", short(&word))
                    };
                    self.error(node.span, message, help.clone());
                }
            }
        }
        Some(all)
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

/// Whether a text is an id as Entra ID has it: 8-4-4-4-12 hexadecimal digits.
fn is_guid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let sizes: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    sizes == [8, 4, 4, 4, 12]
        && parts
            .iter()
            .all(|part| part.bytes().all(|b| b.is_ascii_hexdigit()))
}

const WAYS: [&str; 4] = ["jwks", "preset", "introspect", "verify_token"];
const WAYS_HELP: &str = "give one of `jwks` (with `issuer` and `audience`), `preset`, \
                         `introspect` and `verify_token`";
const AUDIENCE_HELP: &str = "`audience: [https://scim.example.com/corp]`";
/// Of every application that is not in Entra ID's gallery.
const ENTRA_AUDIENCE: &str = "8adf8e6e-67b2-4cf2-a259-e3dc5476c621";
const LEEWAY: Duration = Duration::from_secs(30);
const MOST_LEEWAY: Duration = Duration::from_secs(5 * 60);
const STALE: Duration = Duration::from_secs(24 * 60 * 60);
const MOST_STALE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
