//! `clients` of an account: who gets tokens at the token endpoint, and how they show who they are.
//!
//! ```yaml
//! clients:
//!   - {id: okta-prod, secret_sha256: "…", expires: 2027-02-01}
//!   - {id: okta-prod, secret_sha256: "…", not_before: 2027-01-15}   # its next secret
//!   - {id: hr-feed, public_key_file: clients/hr-feed.pem}
//!   - {id: idm, jwks_file: clients/idm.json}
//! ```

use super::{NAME_HELP, Reader, is_name, short, text};
use crate::auth::authenticator::Key;
use crate::auth::issue::{Credential, Means};
use crate::auth::jwt::Keys;
use crate::yaml::{Node, Table, Value};

impl<'a> Reader<'a> {
    /// The clients of the account of this name; their ids and lives.
    pub(super) fn clients(&mut self, node: Option<&'a Node>, account: Option<&'a str>) -> Vec<Key> {
        // `clients:` with nothing behind it is what is left when the last one was taken out.
        let items = self.list(node.filter(|node| node.value != Value::Null));
        let mut keys = Vec::new();
        for item in items {
            let Some(credential) = self.client(item, account.unwrap_or_default()) else {
                continue;
            };
            keys.push(credential.key.clone());
            if let Some(account) = account {
                self.clients.push((account.into(), credential));
            }
        }
        if let Some(node) = node.filter(|_| !items.is_empty()) {
            self.first_client.get_or_insert(node.span);
        }
        keys
    }

    fn client(&mut self, node: &'a Node, account: &'a str) -> Option<Credential> {
        let mut client = Table::open(self.source, node, "a client", &mut self.found)?;
        let id = client.required("id", &mut self.found);
        let secret = client.optional("secret_sha256");
        let key = client.optional("public_key_file");
        let set = client.optional("jwks_file");
        let not_before = client.optional("not_before");
        let expires = client.optional("expires");
        let span = client.span();
        client.finish(&mut self.found);
        let id = id.and_then(|id| self.client_id(id, account));
        let life = self.life(not_before, expires);
        let proof = match (secret, key, set) {
            (Some(secret), None, None) => {
                self.hash(secret, "postern client new").map(Means::Secret)
            }
            (None, Some(file), None) => self.keys_in(file, Keys::of_pem).map(Means::Keys),
            (None, None, Some(file)) => self.keys_in(file, set_of).map(Means::Keys),
            _ => {
                let help = "`secret_sha256` (`postern client new` makes one), \
                            `public_key_file` or `jwks_file`; for several, list the id again";
                self.error(span, "a client has exactly one of these", help);
                None
            }
        };
        let (not_before, expires) = life;
        Some(Credential {
            key: Key {
                id: id?.into(),
                not_before,
                expires,
            },
            proof: proof?,
        })
    }

    fn client_id(&mut self, node: &'a Node, account: &'a str) -> Option<&'a str> {
        let id = text(node).or_else(|| node.string(self.source, &mut self.found))?;
        if !is_name(id) {
            self.error(node.span, "this is no id for a client", NAME_HELP);
            return None;
        }
        self.no_token(id, node.span);
        let known = self.client_ids.entry(id).or_insert((account, node.span, 0));
        known.2 += 1;
        let (owner, first, count) = *known;
        if owner != account {
            let message = format!("the client `{}` is that of another account", short(id));
            self.twice(node.span, message, first);
        } else if count > MOST {
            let help = "take out those that have ended";
            let message = format!("`{}` stands here more than {MOST} times", short(id));
            self.error(node.span, message, help);
        }
        Some(id)
    }

    fn keys_in(
        &mut self,
        file: &'a Node,
        read: fn(&[u8]) -> Result<Keys, &'static str>,
    ) -> Option<Keys> {
        let bytes = self.content(file)?;
        match read(bytes) {
            Ok(keys) => Some(keys),
            Err(why) => {
                let name = file.string(self.source, &mut self.found)?;
                let message = format!("the file `{}` cannot be used: {why}", short(name));
                let help = "a public key is P-256, Ed25519 or RSA from 2048 bits";
                self.error(file.span, message, help);
                None
            }
        }
    }
}

fn set_of(text: &[u8]) -> Result<Keys, &'static str> {
    let keys = Keys::read(text)?;
    if keys.is_empty() {
        return Err("no key in it can be used");
    }
    Ok(keys)
}

/// So many secrets and keys one client may have at once.
const MOST: usize = 8;
