//! The keys of accounts and operators: ids, hashes and lives.

use std::time::SystemTime;

use super::{Reader, short, text};
use crate::auth::authenticator::Key;
use crate::auth::instant;
use crate::auth::token::{KeyId, TokenHash};
use crate::yaml::{Node, TOKEN_PREFIX, Table, Value};

impl<'a> Reader<'a> {
    pub(super) fn tokens(&mut self, node: Option<&'a Node>) -> (Vec<Key>, Vec<TokenHash>) {
        // `tokens:` with nothing behind it is what is left when the last one was taken out.
        let tokens = self.list(node.filter(|node| node.value != Value::Null));
        let keys = tokens.iter().filter_map(|token| self.token(token));
        keys.unzip()
    }

    fn token(&mut self, node: &'a Node) -> Option<(Key, TokenHash)> {
        let mut token = Table::open(self.source, node, "a token", &mut self.found)?;
        let id = token.required("id", &mut self.found);
        let hash = token.required("sha256", &mut self.found);
        let not_before = token.optional("not_before");
        let expires = token.optional("expires");
        token.finish(&mut self.found);
        let id = id.and_then(|id| self.key_id(id));
        let hash = hash.and_then(|hash| self.hash(hash, "postern token new"));
        let (not_before, expires) = self.life(not_before, expires);
        let key = Key {
            id: id?.share(),
            not_before,
            expires,
        };
        Some((key, hash?))
    }

    /// The moments between which a key is alive.
    pub(super) fn life(
        &mut self,
        not_before: Option<&'a Node>,
        expires: Option<&'a Node>,
    ) -> (Option<SystemTime>, Option<SystemTime>) {
        // A date that cannot be read is a finding, so the file does not load without it.
        let starts = not_before.and_then(|node| self.instant(node));
        let ends = expires.and_then(|node| self.instant(node));
        if let (Some(starts), Some(ends), Some(node)) = (starts, ends, expires)
            && starts >= ends
        {
            let help = "`expires` must be later than `not_before`";
            self.error(node.span, "the token expires before its life begins", help);
        }
        (starts, ends)
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

    /// The hash of a secret that this command makes.
    pub(super) fn hash(&mut self, node: &'a Node, command: &str) -> Option<TokenHash> {
        let digits = text(node).or_else(|| node.string(self.source, &mut self.found))?;
        let Ok(hash) = digits.parse::<TokenHash>() else {
            if digits.contains(TOKEN_PREFIX) {
                let help =
                    "put its SHA-256 here; if anyone can have seen this file, make a new token";
                self.error(node.span, "this is the token itself, not its hash", help);
            } else {
                let help = format!("64 hexadecimal digits, as `{command}` prints them");
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
}
