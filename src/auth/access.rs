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
//! operators:                   # who may use the control listener, where it asks for a token
//!   - name: on-call
//!     tokens:
//!       - {id: o1, sha256: "…", expires: 2027-02-01}
//! ```
//!
//! `read` covers queries (`read: by-id` does not), `update` covers PUT and PATCH. A date is its first moment in UTC, so a
//! key with `expires: 2027-02-01` works until the end of January; a time is RFC 3339.

mod files;
mod grant;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use ipnet::IpNet;

use super::authenticator::{Account, Authenticator, Key, Operator, Tenants};
use super::mentions::Mentions;
use super::permit::{Grant, Rights};
use super::rate::Rate;
use super::token::{KeyId, TokenHash};
use super::{instant, network};
use crate::yaml::{
    self, Diagnostic, Diagnostics, Node, Source, Span, TOKEN_PREFIX, Table, Value, mask, suggest,
};

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
        names: HashMap::new(),
        operators: HashMap::new(),
        keys: HashMap::new(),
        hashes: HashMap::new(),
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
    roles: HashMap<&'a str, Vec<Grant>>,
    names: HashMap<&'a str, Span>,
    operators: HashMap<&'a str, Span>,
    keys: HashMap<String, Span>,
    hashes: HashMap<[u8; 32], Span>,
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

    fn roles(&mut self, node: &'a Node) {
        let Some(roles) = Table::open(self.source, node, "the roles", &mut self.found) else {
            return;
        };
        for (key, node) in roles.entries() {
            if !is_name(&key.text) {
                self.error(key.span, "this is no name for a role", NAME_HELP);
            }
            self.no_token(&key.text, key.span);
            let mut grants = Vec::new();
            if let Some(mut role) = Table::open(self.source, node, "a role", &mut self.found) {
                let allow = role.required("allow", &mut self.found);
                role.finish(&mut self.found);
                grants.extend(self.list(allow).iter().filter_map(|line| self.grant(line)));
            }
            // A role with mistakes is known all the same: one mistake, one finding.
            self.roles.insert(&key.text, grants);
        }
    }

    fn account(&mut self, node: &'a Node) -> Option<(Account, Vec<TokenHash>)> {
        let mut account = Table::open(self.source, node, "an account", &mut self.found)?;
        let name = account.required("name", &mut self.found);
        let roles = account.required("roles", &mut self.found);
        let tenants = account.required("tenants", &mut self.found);
        let tokens = account.optional("tokens");
        let networks = account.optional("networks");
        let rate = account.optional("rate");
        account.finish(&mut self.found);
        let name = name.and_then(|name| self.name(name, "an account"));
        if let Some((name, span)) = name
            && let Some(first) = self.names.insert(name, span)
        {
            let message = format!("there is another account `{}`", short(name));
            self.twice(span, message, first);
        }
        let roles = roles.and_then(|roles| self.roles_of(roles));
        let tenants = tenants.and_then(|tenants| self.tenants(tenants));
        let networks = networks.map(|node| self.networks(node));
        let rate = rate.and_then(|node| Rate::read(node, self.source, &mut self.found));
        let (keys, hashes) = self.tokens(tokens);
        let (roles, grants) = roles?;
        let account = Account {
            name: name?.0.into(),
            roles,
            tenants: tenants?,
            networks,
            rate,
            keys,
            rights: Rights::new(&grants),
        };
        Some((account, hashes))
    }

    fn operator(&mut self, node: &'a Node) -> Option<(Operator, Vec<TokenHash>)> {
        let mut operator = Table::open(self.source, node, "an operator", &mut self.found)?;
        let name = operator.required("name", &mut self.found);
        let tokens = operator.optional("tokens");
        for key in ["roles", "tenants"] {
            if operator.optional(key).is_some() {
                let help = "an operator uses the control listener and nothing else; who calls as \
                            a SCIM client is an account";
                let span = operator.place(key);
                self.error(span, format!("an operator has no `{key}`"), help);
            }
        }
        operator.finish(&mut self.found);
        let name = name.and_then(|name| self.name(name, "an operator"));
        if let Some((name, span)) = name
            && let Some(first) = self.operators.insert(name, span)
        {
            let message = format!("there is another operator `{}`", short(name));
            self.twice(span, message, first);
        }
        let (keys, hashes) = self.tokens(tokens);
        let name = name?.0.into();
        Some((Operator { name, keys }, hashes))
    }

    fn name(&mut self, node: &'a Node, of: &str) -> Option<(&'a str, Span)> {
        let name = text(node).or_else(|| node.string(self.source, &mut self.found))?;
        if !is_name(name) {
            self.error(node.span, format!("this is no name for {of}"), NAME_HELP);
        }
        self.no_token(name, node.span);
        Some((name, node.span))
    }

    /// Names are shown in logs and in `/status`: a token that was pasted in the wrong place is not
    /// one.
    fn no_token(&mut self, name: &str, span: Span) {
        if mask(name) != name {
            let help = "it has been in a file now: make another one with `postern token new`";
            self.error(span, "this is a token, not a name", help);
        }
    }

    fn tokens(&mut self, node: Option<&'a Node>) -> (Vec<Key>, Vec<TokenHash>) {
        // `tokens:` with nothing behind it is what is left when the last one was taken out.
        let tokens = self.list(node.filter(|node| node.value != Value::Null));
        let keys = tokens.iter().filter_map(|token| self.token(token));
        keys.unzip()
    }

    fn roles_of(&mut self, node: &'a Node) -> Option<(Vec<Arc<str>>, Vec<Grant>)> {
        let items = self.names_of(node, "roles are a list: `[provisioner]`")?;
        let (mut names, mut grants) = (Vec::new(), Vec::new());
        for (name, span) in items {
            if let Some(role) = self.roles.get(name) {
                names.push(name.into());
                grants.extend(role.iter().cloned());
                continue;
            }
            let message = format!("there is no role `{}`", short(name));
            let mut known: Vec<&str> = self.roles.keys().copied().collect();
            known.sort_unstable();
            let help = match suggest(name, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "define it under `roles`".to_owned(),
            };
            self.error(span, message, help);
        }
        Some((names, grants))
    }

    fn tenants(&mut self, node: &'a Node) -> Option<Tenants> {
        if is_star(node) {
            return Some(Tenants::All);
        }
        let help = "`tenants: [corp]` is one, `tenants: \"*\"` is each";
        let items = self.names_of(node, help)?;
        let mut names = Vec::with_capacity(items.len());
        for (name, span) in items {
            if name == "*" {
                self.error(span, "`*` cannot stand in a list", help);
            }
            self.no_token(name, span);
            self.mentions.tenants.push((name.into(), span));
            names.push(name.into());
        }
        Some(Tenants::Only(names))
    }

    fn networks(&mut self, node: &'a Node) -> Vec<IpNet> {
        self.not_empty(node, true);
        network::read(node, self.source, &mut self.found)
    }

    fn token(&mut self, node: &'a Node) -> Option<(Key, TokenHash)> {
        let mut token = Table::open(self.source, node, "a token", &mut self.found)?;
        let id = token.required("id", &mut self.found);
        let hash = token.required("sha256", &mut self.found);
        let not_before = token.optional("not_before");
        let expires = token.optional("expires");
        token.finish(&mut self.found);
        let id = id.and_then(|id| self.key_id(id));
        let hash = hash.and_then(|hash| self.hash(hash));
        // A date that cannot be read is a finding, so the file does not load without it.
        let starts = not_before.and_then(|node| self.instant(node));
        let ends = expires.and_then(|node| self.instant(node));
        if let (Some(starts), Some(ends), Some(node)) = (starts, ends, expires)
            && starts >= ends
        {
            let help = "`expires` must be later than `not_before`";
            self.error(node.span, "the token expires before its life begins", help);
        }
        let key = Key {
            id: id?.share(),
            not_before: starts,
            expires: ends,
        };
        Some((key, hash?))
    }

    fn key_id(&mut self, node: &'a Node) -> Option<KeyId> {
        let name = text(node).or_else(|| node.string(self.source, &mut self.found))?;
        let Ok(id) = name.parse::<KeyId>() else {
            let help = "1 to 32 lower-case letters and digits";
            self.error(node.span, "this is no key id", help);
            return None;
        };
        if let Some(first) = self.keys.insert(name.to_owned(), node.span) {
            self.twice(node.span, format!("there is another token `{id}`"), first);
        }
        Some(id)
    }

    fn hash(&mut self, node: &'a Node) -> Option<TokenHash> {
        let digits = text(node).or_else(|| node.string(self.source, &mut self.found))?;
        let Ok(hash) = digits.parse::<TokenHash>() else {
            if digits.contains(TOKEN_PREFIX) {
                let help =
                    "put its SHA-256 here; if anyone can have seen this file, make a new token";
                self.error(node.span, "this is the token itself, not its hash", help);
            } else {
                let help = "64 hexadecimal digits, as `postern token new` prints them";
                self.error(node.span, "this is no SHA-256", help);
            }
            return None;
        };
        if let Some(first) = self.hashes.insert(hash.0, node.span) {
            let message = "another token has the same hash: one of them cannot work";
            self.twice(node.span, message, first);
        }
        Some(hash)
    }

    fn instant(&mut self, node: &'a Node) -> Option<SystemTime> {
        let written = node.string(self.source, &mut self.found)?;
        let time = instant::parse(written);
        if time.is_none() {
            let help = "`2027-02-01` (its first moment, in UTC) or `2027-02-01T08:00:00+01:00`";
            self.error(node.span, format!("`{}` is no date", short(written)), help);
        }
        time
    }

    /// The bytes of the file that is named here.
    #[expect(
        dead_code,
        reason = "the sections that name files come with what uses them"
    )]
    fn content(&mut self, node: &'a Node) -> Option<&'a [u8]> {
        let name = node.string(self.source, &mut self.found)?;
        match self.files.read(name) {
            Ok(bytes) => Some(bytes),
            Err(why) => {
                let message = format!("the file `{}` cannot be read: {why}", short(name));
                let help = "relative paths are meant from the folder of the access file";
                self.error(node.span, message, help);
                None
            }
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
pub(crate) mod tests {
    use super::*;

    /// The access file that a text is.
    pub(crate) fn authenticator(text: &str) -> Authenticator {
        load(&Source::new("access.yaml", text), &Files::default())
            .unwrap_or_else(|found| panic!("{}", found.render(false)))
    }

    fn findings(text: &str) -> String {
        let found = load(&Source::new("access.yaml", text), &Files::default())
            .err()
            .unwrap_or_default();
        found.render(false)
    }

    const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn the_example_is_read() {
        let found = authenticator(&format!(
            "roles:
  provisioner: {{allow: [{{resources: [User, Group], verbs: [create, read, update, delete]}}]}}
  auditor: {{allow: [{{resources: \"*\", verbs: [read]}}]}}
accounts:
  - name: entra-prod
    roles: [provisioner, auditor]
    tenants: [corp, 7]
    tokens:
      - {{id: 1, sha256: \"{HASH}\", not_before: 2026-11-01, expires: 2027-02-01}}
      - {{id: k2, sha256: {}}}
  - {{name: idle, roles: [], tenants: \"*\", tokens: }}
  - {{name: parked, roles: [auditor], tenants: [], tokens: []}}
",
            "1".repeat(64)
        ));
        let shown: Vec<String> = found
            .accounts()
            .map(|a| format!("{} {:?} {:?} {}", a.name, a.roles, a.tenants, a.keys.len()))
            .collect();
        assert_eq!(
            shown,
            [
                r#"entra-prod ["provisioner", "auditor"] Only(["corp", "7"]) 2"#,
                "idle [] All 0",
                r#"parked ["auditor"] Only([]) 0"#,
            ]
        );
    }

    #[test]
    fn every_mistake_is_reported_in_one_go() {
        insta::assert_snapshot!(findings(&format!(
            "roles:
  provisioner: {{allow: [{{resources: [User, 'a b'], verbs: [create, reed, purge]}}]}}
  feed: {{allow: [{{resources: [User], verbs: [read], attributes: [\"title x\"]}}]}}
  empty: {{allow: [{{resources: [], verbs: []}}]}}
  odd role: {{alow: []}}
accounts:
  - name: entra
    roles: [provisoner, feed, nobody]
    tenants: corp
    networks: [10.0.0.1/8, x]
    rate: {{requests: 50, bursts: 9}}
    tokens:
      - {{id: K1, sha256: \"abc\", expires: tomorrow}}
      - {{id: k2, sha256: {HASH}, not_before: 2027-02-01, expires: 2027-02-01}}
      - {{id: k2, sha256: {}}}
      - {{id: k3, sha256: postern_k3_abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG}}
  - {{name: entra, roles: provisioner, tenants: [corp, \"*\"], token: []}}
  - {{name: \"a\\nb\", networks: []}}
  - entra
oauth: {{}}
",
            HASH.to_uppercase()
        )));
    }

    #[test]
    fn attribute_lists_are_read_strictly() {
        let role = |attributes: &str| {
            findings(&format!(
                "roles: {{r: {{allow: [{{resources: [User], verbs: [read], attributes: {attributes}}}]}}}}\n\
                 accounts: []\n"
            ))
        };
        for fine in [
            "[\"*\", \"-password\", \"-phoneNumbers\"]",
            "[title, NAME.familyName, \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\"]",
            "[\"urn:a:b:2.0:User\", \"-urn:a:b:2.0:User:x.y\", -title]",
            "[emails, -emails.value]",
        ] {
            assert_eq!(role(fine), "", "{fine}");
        }
        let mut all = String::new();
        for wrong in [
            "title",
            "[]",
            "[-title]",
            "[\"-*\"]",
            "[title, -phoneNumbers]",
            "[emails.value, -emails]",
            "['emails[type eq \"work\"].value', \"\", \"a b\", a.b.c, \"x:y\", \"urn:\", 'urn:x y', [a], 'te*']",
        ] {
            all += &format!("{wrong}\n{}\n", role(wrong));
        }
        insta::assert_snapshot!(all);
    }

    #[test]
    fn read_is_narrowed_in_one_way_only() {
        let mut all = String::new();
        for verbs in [
            "{read: by-name}",
            "{update: by-id}",
            "{read: by-id, update: by-id}",
            "read, {read: by-id}",
            "{read: by-id}, read",
            "by-id",
        ] {
            let text = format!(
                "roles: {{r: {{allow: [{{resources: [User], verbs: [{verbs}]}}]}}}}\naccounts: []\n"
            );
            all += &format!("{verbs}\n{}\n", findings(&text));
        }
        insta::assert_snapshot!(all);
    }

    #[test]
    fn a_token_is_no_name() {
        let token = format!("postern_k1_{}", "x".repeat(44));
        let text = "roles: {ROLE: {allow: []}}
accounts: [{name: ACCOUNT, roles: [], tenants: [TENANT]}]
operators: [{name: OPERATOR}]
";
        let good = ["ROLE", "ACCOUNT", "TENANT", "OPERATOR"];
        for place in good {
            let found = findings(&text.replace(place, &token));
            assert!(found.contains("this is a token, not a name"), "{found}");
            assert!(!found.contains("xxx"), "{found}");
        }
        assert!(!findings(text).contains("token"), "{}", findings(text));
    }

    #[test]
    fn nothing_is_granted_by_omission() {
        insta::assert_snapshot!(findings(
            "roles: {r: {}, s: {allow: [{}]}}\naccounts: [{}]\n"
        ));
        assert_eq!(
            findings(""),
            "error: expected the access file as a table (`key: value`), found nothing\n\
             --> access.yaml"
        );
    }

    #[test]
    fn operators_are_read_as_strictly() {
        let roles = "roles: {}\naccounts: [{name: a, roles: [], tenants: [], tokens: \
                     [{id: k1, sha256: ";
        let found = authenticator(&format!(
            "{roles}{HASH}}}]}}]\noperators:\n  - {{name: a, tokens: [{{id: o1, sha256: {}}}]}}\n  \
             - {{name: idle}}",
            "1".repeat(64)
        ));
        let shown: Vec<_> = found
            .operators()
            .map(|o| (&*o.name, o.keys.len()))
            .collect();
        assert_eq!(shown, [("a", 1), ("idle", 0)]);
        let none = authenticator("roles: {}\naccounts: []\noperators:\n");
        assert_eq!(none.operators().count(), 0);
        insta::assert_snapshot!(findings(&format!(
            "{roles}{HASH}}}]}}]
operators:
  - {{name: ops, tokens: [{{id: k1, sha256: {}}}, {{id: o2, sha256: {HASH}}}]}}
  - {{name: ops, roles: [], tenants: [], token: []}}
  - {{tokens: [{{id: o3, sha256: abc, expires: never}}]}}
  - ops
",
            "1".repeat(64)
        )));
    }

    #[test]
    fn a_pasted_token_is_not_repeated() {
        let token = "postern_k3_abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
        let file = format!(
            "roles: {{}}\naccounts: [{{name: a, roles: [], tenants: [], tokens: [{{id: {token}, sha256: {token}, x_{token}: 1, expires: {token}}}]}}]\n"
        );
        let found = load(&Source::new("access.yaml", file), &Files::default()).unwrap_err();
        assert_eq!(found.iter().count(), 4);
        for finding in found.iter() {
            let all = finding.render(true) + &finding.render(false) + &finding.one_line();
            assert!(!all.contains("abcdefgh"), "{all}");
        }
    }
}
