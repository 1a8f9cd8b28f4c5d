//! `backend.ldap` of a rule.
//!
//! ```yaml
//! backend:
//!   ldap:
//!     urls: [ldaps://ds1.example.com, ldaps://ds2.example.com]   # in order of preference
//!     bind: {dn: "cn=postern,dc=example,dc=com", password_file: /run/secrets/ldap}
//!     # or: {external: true, client_certificate_file: …, client_key_file: …}
//!     ca_file: ca.pem
//!     starttls: false            # with `ldap://`
//!     plaintext: false           # nothing is encrypted, and that is meant
//!     flavor: openldap           # openldap | 389ds | active-directory
//!     page: 500                  # entries of one answer
//!     integrity: directory       # directory | postern: who keeps references right
//!     uniqueness: directory      # directory | postern: who sees to `unique` lines
//!     memberships: directory     # directory | postern: who knows the groups of somebody (`memberOf`)
//!     timeouts: {connect: 5s, answer: 30s, fail_back: 10m}
//!     connections: 16
//! ```

use std::time::Duration;

use super::{scalar, url};
use crate::ldap::Dn;
use crate::ldap::layout::Flavor;
use crate::yaml::{Diagnostic, Diagnostics, Node, Source, Table};

/// `backend.ldap`. Paths of files are as written: relative ones are meant from the rule's folder.
#[derive(Debug, Clone, PartialEq)]
pub struct LdapBackend {
    /// Where it is, in order of preference; at least one.
    pub urls: Vec<LdapUrl>,
    /// How we prove who we are.
    pub bind: Bind,
    /// Who signs its certificate; the system's authorities where there is none.
    pub ca_file: Option<String>,
    /// Whether connections to `ldap://` are encrypted before anything is said.
    pub starttls: bool,
    /// What kind of server it is.
    pub flavor: Flavor,
    /// At most so many entries in one answer.
    pub page: u32,
    /// Whether the server itself takes references to an entry away with it, and follows its
    /// renaming; else the driver does.
    pub keeps_references: bool,
    /// Whether the server itself refuses a second entry with a value that must be unique; else the
    /// driver looks for one before it writes.
    pub keeps_unique: bool,
    /// Whether `memberOf` of every entry names all groups that it is directly in; else the groups
    /// themselves are asked.
    pub keeps_memberships: bool,
    /// The deadlines.
    pub timeouts: LdapTimeouts,
    /// At most so many connections.
    pub connections: usize,
}

/// `ldaps://host:636`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapUrl {
    /// Whether TLS comes first.
    pub tls: bool,
    /// Lower case.
    pub host: String,
    /// Said, or 389 and 636.
    pub port: u16,
}

/// How we prove to an LDAP directory who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// A name, and a password in a file.
    Simple {
        /// The name.
        dn: Dn,
        /// The file.
        password_file: String,
    },
    /// By our certificate (SASL EXTERNAL).
    External {
        /// The certificate.
        certificate_file: String,
        /// Its key.
        key_file: String,
    },
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LdapTimeouts {
    /// To connect, TLS and bind included.
    pub connect: Duration,
    /// Until an operation is answered.
    pub answer: Duration,
    /// How long a preferred server must have worked again before all goes back to it.
    pub fail_back: Duration,
}

pub(super) fn read(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<LdapBackend> {
    let mut table = Table::open(source, node, "an LDAP backend", d)?;
    let urls_node = table.required("urls", d);
    let urls = urls_node.map(|node| urls(source, node, d));
    let mut flag = |key, d: &mut Diagnostics| {
        let node = table.optional(key)?;
        Some((node.boolean(source, d)?, node.span))
    };
    let starttls = flag("starttls", d);
    let plaintext = flag("plaintext", d).is_some_and(|(on, _)| on);
    let ca_file = table
        .optional("ca_file")
        .and_then(|node| scalar::text(source, node, d));
    let bind_node = table.required("bind", d);
    let bind = bind_node.and_then(|node| bind(source, node, d));
    let flavor = table
        .required("flavor", d)
        .and_then(|node| scalar::word(source, node, &FLAVORS, d));
    let page = number(source, &mut table, "page", (1, 5000), 500, d);
    let connections = number(source, &mut table, "connections", (1, 1000), 16, d);
    let keepers = [("directory", true), ("postern", false)];
    let mut kept = |key| {
        let said = table.optional(key);
        let said = said.and_then(|node| scalar::word(source, node, &keepers, d));
        said.unwrap_or(flavor == Some(Flavor::ActiveDirectory))
    };
    let (keeps_references, keeps_unique) = (kept("integrity"), kept("uniqueness"));
    let keeps_memberships = kept("memberships");
    let timeouts = timeouts(source, table.optional("timeouts"), d);
    let place = table.place("urls");
    table.finish(d);
    let urls = urls?;
    let upgraded = starttls.is_some_and(|(on, _)| on);
    if let Some((true, span)) = starttls
        && urls.iter().any(|url| url.tls)
    {
        let message = "`starttls` is for `ldap://`: `ldaps://` is encrypted already";
        d.push(Diagnostic::error(source, span, message));
    }
    let bare = |url: &&LdapUrl| !url.tls && !upgraded;
    if let Some(url) = urls
        .iter()
        .find(|url| bare(url) && !url::is_loopback(&url.host))
        && !plaintext
    {
        let message = format!("everything would go to `{}` in the clear", url.host);
        let help = "use `ldaps://` or `starttls: true`, or say `plaintext: true` if the network is trusted";
        d.push(Diagnostic::error(source, place, message).help(help));
    }
    if let (Some(Bind::External { .. }), Some(node)) = (&bind, bind_node)
        && urls.iter().any(|url| bare(&url))
    {
        let message = "a certificate proves who we are only where TLS is";
        let help = "use `ldaps://` or `starttls: true`";
        d.push(Diagnostic::error(source, node.span, message).help(help));
    }
    Some(LdapBackend {
        urls,
        bind: bind?,
        ca_file,
        starttls: upgraded,
        flavor: flavor?,
        page: u32::try_from(page).unwrap_or(500),
        keeps_references,
        keeps_unique,
        keeps_memberships,
        timeouts,
        connections: usize::try_from(connections).unwrap_or(16),
    })
}

fn urls(source: &Source, node: &Node, d: &mut Diagnostics) -> Vec<LdapUrl> {
    let items = node.list(source, d).unwrap_or_default();
    let mut urls: Vec<LdapUrl> = Vec::new();
    for item in items {
        let Some(url) = url::ldap(source, item, d) else {
            continue;
        };
        if urls.contains(&url) {
            let message = format!("`{}` stands here twice", url.host);
            d.push(Diagnostic::error(source, item.span, message));
        }
        urls.push(url);
    }
    if items.is_empty() && !d.has_errors() {
        let error = Diagnostic::error(source, node.span, "`urls` names no directory");
        d.push(error.help("such as `[ldaps://ds1.example.com]`"));
    }
    urls
}

fn bind(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<Bind> {
    let mut table = Table::open(source, node, "a bind", d)?;
    let external = table
        .optional("external")
        .and_then(|node| node.boolean(source, d))
        .unwrap_or(false);
    let mut text = |key, d: &mut Diagnostics| {
        let node = if external == (key != "dn" && key != "password_file") {
            table.required(key, d)
        } else {
            None
        };
        Some((scalar::text(source, node?, d)?, node?.span))
    };
    let bound = if external {
        let certificate = text("client_certificate_file", d);
        let key = text("client_key_file", d);
        certificate
            .zip(key)
            .map(|((certificate_file, _), (key_file, _))| Bind::External {
                certificate_file,
                key_file,
            })
    } else {
        let dn = text("dn", d);
        let password = text("password_file", d);
        dn.zip(password)
            .and_then(|((dn, span), (password_file, _))| {
                let dn = distinguished(source, &dn, span, d)?;
                Some(Bind::Simple { dn, password_file })
            })
    };
    table.finish(d);
    bound
}

/// A distinguished name that is not empty.
pub(super) fn dn(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<Dn> {
    distinguished(source, node.string(source, d)?, node.span, d)
}

fn distinguished(
    source: &Source,
    text: &str,
    span: crate::yaml::Span,
    d: &mut Diagnostics,
) -> Option<Dn> {
    let shown: String = text.chars().take(80).collect();
    let why = match text.parse::<Dn>() {
        Ok(dn) if !dn.is_root() => return Some(dn),
        Ok(_) => "it is empty".to_owned(),
        Err(error) => error.to_string(),
    };
    let message = format!("`{shown}` is not a distinguished name: {why}");
    let error = Diagnostic::error(source, span, message);
    d.push(error.help("such as `ou=people,dc=example,dc=com`"));
    None
}

/// A number within bounds.
pub(super) fn number(
    source: &Source,
    table: &mut Table<'_>,
    key: &'static str,
    bounds: (u64, u64),
    default: u64,
    d: &mut Diagnostics,
) -> u64 {
    let Some(node) = table.optional(key) else {
        return default;
    };
    match node.integer(source, d) {
        Some(n) if (bounds.0..=bounds.1).contains(&n) => n,
        Some(_) => {
            let message = format!("`{key}` must be from {} to {}", bounds.0, bounds.1);
            d.push(Diagnostic::error(source, node.span, message));
            default
        }
        None => default,
    }
}

fn timeouts(source: &Source, node: Option<&Node>, d: &mut Diagnostics) -> LdapTimeouts {
    let mut timeouts = LdapTimeouts {
        connect: Duration::from_secs(5),
        answer: Duration::from_secs(30),
        fail_back: Duration::from_secs(600),
    };
    let Some(mut table) = node.and_then(|node| Table::open(source, node, "timeouts", d)) else {
        return timeouts;
    };
    for (key, place) in [
        ("connect", &mut timeouts.connect),
        ("answer", &mut timeouts.answer),
        ("fail_back", &mut timeouts.fail_back),
    ] {
        if let Some(value) = table
            .optional(key)
            .and_then(|node| scalar::duration(source, node, d))
        {
            *place = value;
        }
    }
    table.finish(d);
    timeouts
}

const FLAVORS: [(&str, Flavor); 3] = [
    ("openldap", Flavor::OpenLdap),
    ("389ds", Flavor::Ds389),
    ("active-directory", Flavor::ActiveDirectory),
];
