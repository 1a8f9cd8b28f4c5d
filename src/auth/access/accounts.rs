//! Accounts and operators: who calls, and where what they may do comes from.

use std::sync::Arc;

use ipnet::IpNet;

use super::{NAME_HELP, Reader, is_name, is_star, short, text};
use crate::auth::authenticator::{Account, Operator, Tenants};
use crate::auth::network;
use crate::auth::rate::Rate;
use crate::auth::rights::Rights;
use crate::auth::token::TokenHash;
use crate::yaml::{Node, Span, Table, mask, suggest};

impl<'a> Reader<'a> {
    pub(super) fn account(&mut self, node: &'a Node) -> Option<(Account, Vec<TokenHash>)> {
        let mut account = Table::open(self.source, node, "an account", &mut self.found)?;
        let name = account.required("name", &mut self.found);
        let roles = account.required("roles", &mut self.found);
        let tenants = account.required("tenants", &mut self.found);
        let tokens = account.optional("tokens");
        let networks = account.optional("networks");
        let rate = account.optional("rate");
        let certificates = account.optional("certificates");
        let requires = account.optional("requires");
        let clients = account.optional("clients");
        let claims = account.optional("claims");
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
        let certificates = self.certificates(certificates);
        let other = tokens.is_some() || clients.is_some() || claims.is_some();
        let requires = self.requires(requires, &certificates, other);
        let (keys, hashes) = self.tokens(tokens);
        let clients = self.clients(clients, name.map(|(name, _)| name));
        let claims = self.claims(claims);
        let (roles, rights) = roles?;
        let name: Arc<str> = name?.0.into();
        self.claimed.push((Arc::clone(&name), claims));
        let account = Account {
            name,
            roles,
            tenants: tenants?,
            networks,
            rate,
            keys,
            certificates,
            requires,
            clients,
            rights,
        };
        Some((account, hashes))
    }

    pub(super) fn operator(&mut self, node: &'a Node) -> Option<(Operator, Vec<TokenHash>)> {
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
    pub(super) fn no_token(&mut self, name: &str, span: Span) {
        if mask(name) != name {
            let help = "it has been in a file now: make another one with `postern token new`";
            self.error(span, "this is a token, not a name", help);
        }
    }

    fn roles_of(&mut self, node: &'a Node) -> Option<(Vec<Arc<str>>, Arc<Rights>)> {
        let items = self.names_of(node, "roles are a list: `[provisioner]`")?;
        let (mut names, mut grants) = (Vec::<Arc<str>>::new(), Vec::new());
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
        let rights = self.rights.entry(names.clone());
        let rights = rights.or_insert_with(|| Arc::new(Rights::new(&grants)));
        Some((names, Arc::clone(rights)))
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
}
