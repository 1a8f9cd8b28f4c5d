//! Entries of `trust` whose tokens are signed: issuer, audience, keys, and what else is wanted; and
//! the preset for Entra ID's own token.

use std::time::Duration;

use arc_swap::ArcSwap;

use super::AUDIENCE_HELP;
use crate::auth::access::{Reader, short};
use crate::auth::trust::{Endpoint, Keys, Kind, Ring, Signed, Signing, Wanted};
use crate::yaml::{Diagnostic, Node, Span, Table, suggest};

impl<'a> Reader<'a> {
    pub(super) fn signed(&mut self, entry: &mut Table<'a>, keys: &'a Node) -> Option<Kind> {
        let issuer = entry.required("issuer", &mut self.found);
        let audience = entry.required("audience", &mut self.found);
        let issuer = issuer.and_then(|node| self.trusted_issuer(node));
        let audience = audience.and_then(|node| self.texts(node, AUDIENCE_HELP));
        self.judged(entry, issuer, audience, Wanted::default(), |reader| {
            reader.keys(keys)
        })
    }

    /// Entra ID's own provisioning token. The audience is the same for every customer of its, so
    /// nothing is proven by it: only the directory id tells one from the other.
    pub(super) fn preset(
        &mut self,
        entry: &mut Table<'a>,
        preset: &'a Node,
        keys: Option<&'a Node>,
    ) -> Option<Kind> {
        let directory = entry.required("tenant_id", &mut self.found);
        let audience = entry.optional("audience");
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
            self.new_issuer(issuer, *span)
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

    fn trusted_issuer(&mut self, node: &'a Node) -> Option<String> {
        let issuer = node.string(self.source, &mut self.found)?;
        if Endpoint::new(issuer, None).is_err() || issuer.contains(['?', ' ']) {
            let message = format!("`{}` is no issuer", short(issuer));
            let help = "an `https://` URL as it stands in `iss`, with or without a slash at its \
                        end as it is there; `http` only of this machine itself";
            self.error(node.span, message, help);
        }
        self.new_issuer(issuer.to_owned(), node.span)
    }

    /// Takes note of an issuer, which is that of one only: of `issue` or of one entry of `trust`.
    pub(in crate::auth::access) fn new_issuer(
        &mut self,
        issuer: String,
        span: Span,
    ) -> Option<String> {
        if let Some((_, first)) = self.issuers.iter().find(|(known, _)| *known == issuer) {
            self.twice(span, "the tokens of this issuer are judged twice", *first);
            return None;
        }
        self.issuers.push((issuer.clone(), span));
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

/// Of every application that is not in Entra ID's gallery.
const ENTRA_AUDIENCE: &str = "8adf8e6e-67b2-4cf2-a259-e3dc5476c621";
const LEEWAY: Duration = Duration::from_secs(30);
const MOST_LEEWAY: Duration = Duration::from_secs(5 * 60);
const STALE: Duration = Duration::from_secs(24 * 60 * 60);
const MOST_STALE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
