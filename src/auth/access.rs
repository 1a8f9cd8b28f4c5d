//! `access.yaml`: roles, accounts and the hashes of their tokens. Read strictly: whatever is not
//! understood is refused, since a misread grant is a hole.
//!
//! ```yaml
//! roles:
//!   provisioner: {allow: [{resources: [User, Group], verbs: [create, read, update, delete]}]}
//!   auditor:     {allow: [{resources: "*", verbs: [read], attributes: ["*", -phoneNumbers]}]}
//! accounts:
//!   - name: entra-prod
//!     roles: [provisioner]
//!     tenants: [corp]          # or "*"
//!     networks: [10.0.0.0/8]   # where it calls from; without this line, from anywhere
//!     rate: {requests: 50/s, burst: 100}
//!     tokens:
//!       - {id: k1, sha256: "…", not_before: 2026-11-01, expires: 2027-02-01}
//!     clients:                 # who gets access tokens here: see `clients`
//!       - {id: entra-job, secret_sha256: "…", expires: 2027-02-01}
//!     claims:                  # which access tokens of others are its own: see `claims`
//!       - {trust: keycloak, azp: scim-client}
//!   - name: okta
//!     roles: [provisioner]
//!     tenants: [corp]
//!     certificates: [{subject: "CN=okta,O=Example"}, {san: "dns:okta.example.com"}]
//!     requires: certificate    # or token, or both
//! operators:                   # who may use the control listener, where it asks for a token
//!   - name: on-call
//!     tokens:
//!       - {id: o1, sha256: "…", expires: 2027-02-01}
//! issue:                       # access tokens of our own: see `issue`
//!   {issuer: "https://scim.example.com", keys: [{file: oauth/2026-11.pem}], lifetime: 10m}
//! trust:                       # whose access tokens are taken: see `trust`
//!   - {name: keycloak, issuer: "https://id.example.com", audience: [scim], jwks: {url: "https://…"}}
//! ```
//!
//! A line of `allow` may have `when` (a SCIM filter that the present resource must satisfy) and
//! `values` (what attributes may become) as well.
//!
//! `read` covers queries (`read: by-id` does not), `update` covers PUT and PATCH. A date is its first moment in UTC, so a
//! key with `expires: 2027-02-01` works until the end of January; a time is RFC 3339.

mod accounts;
mod certificates;
mod claims;
mod clients;
mod files;
mod grant;
mod issue;
mod mention;
mod roles;
mod tokens;
mod trust;
mod values;
mod when;

use std::collections::HashMap;
use std::sync::Arc;

use super::authenticator::{Account, Authenticator, Operator};
use super::certificates::CertificateName;
use super::grant::Grant;
use super::issue::{Credential, Issuer};
use super::mentions::Mentions;
use super::rights::Rights;
use super::token::TokenHash;
use super::trust::Trust;
use crate::yaml::{self, Diagnostic, Diagnostics, Node, Source, Span, Table, Value};

pub use files::{Content, Files, named};

use claims::Claimed;

/// Reads `access.yaml`, with the files that it names.
///
/// # Errors
/// All that is wrong with them, in one go.
pub fn load(source: &Source, files: &Files) -> Result<Authenticator, Diagnostics> {
    let node = yaml::parse(source)?;
    let mut reader = Reader {
        source,
        files,
        found: Diagnostics::default(),
        roles: HashMap::new(),
        rights: HashMap::new(),
        names: HashMap::new(),
        operators: HashMap::new(),
        keys: HashMap::new(),
        hashes: HashMap::new(),
        certificates: HashMap::new(),
        trusts: HashMap::new(),
        claimed: Vec::new(),
        issuers: Vec::new(),
        clients: Vec::new(),
        client_ids: HashMap::new(),
        first_client: None,
        mentions: Mentions {
            source: Some(source.clone()),
            ..Mentions::default()
        },
    };
    let sections = reader.file(&node);
    let claimed = std::mem::take(&mut reader.claimed);
    let owned = reader.owned(claimed);
    if reader.found.has_errors() {
        return Err(reader.found.in_order());
    }
    let roles = reader.roles.into_iter();
    let roles = roles.map(|(name, lines)| (name.into(), lines)).collect();
    let found = Authenticator::new(sections.accounts, sections.operators, reader.mentions)
        .trusting(sections.trusts, owned);
    Ok(match sections.issuer {
        Some(issuer) => found.issuing(issuer, reader.clients, roles),
        None => found,
    })
}

/// What owns tokens, with their hashes.
type Owners<T> = Vec<(T, Vec<TokenHash>)>;

/// What the file holds.
#[derive(Default)]
struct Sections {
    accounts: Owners<Account>,
    operators: Owners<Operator>,
    issuer: Option<Issuer>,
    trusts: Vec<Trust>,
}

/// What has been seen so far.
struct Reader<'a> {
    source: &'a Source,
    files: &'a Files,
    found: Diagnostics,
    roles: HashMap<&'a str, Vec<Arc<Grant>>>,
    /// What accounts of the same roles may do.
    rights: HashMap<Vec<Arc<str>>, Arc<Rights>>,
    names: HashMap<&'a str, Span>,
    operators: HashMap<&'a str, Span>,
    keys: HashMap<String, Span>,
    hashes: HashMap<[u8; 32], Span>,
    certificates: HashMap<CertificateName, Span>,
    trusts: HashMap<&'a str, Span>,
    claimed: Vec<(Arc<str>, Vec<Claimed>)>,
    /// Whose tokens are judged, and where that stands.
    issuers: Vec<(String, Span)>,
    /// OAuth clients with the names of their accounts.
    clients: Vec<(Arc<str>, Credential)>,
    /// Whose each is, where it stands first, and how often.
    client_ids: HashMap<&'a str, (&'a str, Span, usize)>,
    first_client: Option<Span>,
    mentions: Mentions,
}

impl<'a> Reader<'a> {
    fn file(&mut self, node: &'a Node) -> Sections {
        let Some(mut file) = Table::open(self.source, node, "the access file", &mut self.found)
        else {
            return Default::default();
        };
        if let Some(roles) = file.required("roles", &mut self.found) {
            self.roles(roles);
        }
        let accounts = file.required("accounts", &mut self.found);
        let operators = file.optional("operators");
        let issue = file.optional("issue");
        let trusts = file.optional("trust");
        file.finish(&mut self.found);
        let trusts = self.trusts(trusts);
        let accounts = self.list(accounts).iter();
        let accounts = accounts.filter_map(|node| self.account(node)).collect();
        // `operators:` with nothing behind it is what is left when the last one was taken out.
        let operators = operators.filter(|node| node.value != Value::Null);
        let operators = self.list(operators).iter();
        let operators = operators.filter_map(|node| self.operator(node)).collect();
        if let (None, Some(span)) = (issue, self.first_client) {
            let help = "say who issues: `issue: {issuer: https://…, keys: [{file: …}]}`";
            self.error(
                span,
                "clients get tokens here, and `issue` is missing",
                help,
            );
        }
        let issuer = issue.and_then(|node| self.issue(node));
        Sections {
            accounts,
            operators,
            issuer,
            trusts,
        }
    }

    /// The texts of a list with their places.
    fn names_of(&mut self, node: &'a Node, help: &str) -> Option<Vec<(&'a str, Span)>> {
        let Value::List(items) = &node.value else {
            let finding = node.expected(self.source, "a list");
            self.found.push(finding.help(help));
            return None;
        };
        let mut names = Vec::with_capacity(items.len());
        for item in items {
            if let Some(name) = text(item).or_else(|| item.string(self.source, &mut self.found)) {
                names.push((name, item.span));
            }
        }
        Some(names)
    }

    fn list(&mut self, node: Option<&'a Node>) -> &'a [Node] {
        node.and_then(|node| node.list(self.source, &mut self.found))
            .unwrap_or_default()
    }

    fn twice(&mut self, span: Span, message: impl Into<String>, first: Span) {
        let finding = Diagnostic::error(self.source, span, message);
        self.found
            .push(finding.related(first, "the first one is here"));
    }

    fn error(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.found
            .push(Diagnostic::error(self.source, span, message).help(help));
    }
}

/// A text, or what YAML takes for a number where only a text can be meant: `id: 1`, and hashes
/// of nothing but digits.
fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Value::String(text) | Value::Number(text) => Some(text),
        _ => None,
    }
}

fn is_star(node: &Node) -> bool {
    matches!(&node.value, Value::String(text) if text == "*")
}

/// Whether it can name a role or an account: it stands in logs, metrics and messages.
fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-@".contains(&b))
}

pub(super) fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

const NAME_HELP: &str = "1 to 64 letters, digits and `.`, `_`, `-`, `@`";

#[cfg(test)]
pub(crate) mod tests;
