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
//!   - name: okta
//!     roles: [provisioner]
//!     tenants: [corp]
//!     certificates: [{subject: "CN=okta,O=Example"}, {san: "dns:okta.example.com"}]
//!     requires: certificate    # or token, or both
//! operators:                   # who may use the control listener, where it asks for a token
//!   - name: on-call
//!     tokens:
//!       - {id: o1, sha256: "…", expires: 2027-02-01}
//! ```
//!
//! A line of `allow` may have `when` (a SCIM filter that the present resource must satisfy) and
//! `values` (what attributes may become) as well.
//!
//! `read` covers queries (`read: by-id` does not), `update` covers PUT and PATCH. A date is its first moment in UTC, so a
//! key with `expires: 2027-02-01` works until the end of January; a time is RFC 3339.

mod accounts;
mod certificates;
mod files;
mod grant;
mod mention;
mod roles;
mod tokens;
mod values;
mod when;

use std::collections::HashMap;
use std::sync::Arc;

use super::authenticator::{Account, Authenticator, Operator};
use super::certificates::CertificateName;
use super::grant::Grant;
use super::mentions::Mentions;
use super::rights::Rights;
use super::token::TokenHash;
use crate::yaml::{self, Diagnostic, Diagnostics, Node, Source, Span, Table, Value};

pub use files::{Content, Files, named};

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
        mentions: Mentions {
            source: Some(source.clone()),
            ..Mentions::default()
        },
    };
    let (accounts, operators) = reader.file(&node);
    if reader.found.has_errors() {
        return Err(reader.found.in_order());
    }
    Ok(Authenticator::new(accounts, operators, reader.mentions))
}

/// What owns tokens, with their hashes.
type Owners<T> = Vec<(T, Vec<TokenHash>)>;

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
    mentions: Mentions,
}

impl<'a> Reader<'a> {
    fn file(&mut self, node: &'a Node) -> (Owners<Account>, Owners<Operator>) {
        let Some(mut file) = Table::open(self.source, node, "the access file", &mut self.found)
        else {
            return Default::default();
        };
        if let Some(roles) = file.required("roles", &mut self.found) {
            self.roles(roles);
        }
        let accounts = file.required("accounts", &mut self.found);
        let operators = file.optional("operators");
        file.finish(&mut self.found);
        let accounts = self.list(accounts).iter();
        let accounts = accounts.filter_map(|node| self.account(node)).collect();
        // `operators:` with nothing behind it is what is left when the last one was taken out.
        let operators = operators.filter(|node| node.value != Value::Null);
        let operators = self.list(operators).iter();
        let operators = operators.filter_map(|node| self.operator(node)).collect();
        (accounts, operators)
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
