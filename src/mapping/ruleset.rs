//! A sync rule file as it is meant: read strictly, with the place of everything that the compiler
//! may have to point at.
//!
//! ```
//! use postern::mapping::Ruleset;
//! use postern::yaml::Source;
//! let source = Source { name: "rules/corp.yaml".into(), text: r#"
//! tenant_url: https://scim.example.com/corp/scim/v2
//! backend:
//!   scim: {url: "https://directory.internal/api"}
//! resources:
//!   User:
//!     attributes:
//!       - {scim: userName, target: login, required: true}
//! "#.into() };
//! let (rules, warnings) = Ruleset::read(&source).unwrap();
//! assert_eq!(rules.name, "corp");
//! assert_eq!(rules.tenant_url.path, "/corp/scim/v2");
//! assert!(warnings.is_empty());
//! ```

mod backend;
mod discreet;
mod entry;
mod guard;
mod keys;
mod ldap;
mod line;
mod own;
mod protect;
mod resource;
mod scalar;
mod url;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::ldap::layout::Flavor;
use crate::scim::schema::TypeSchema;
use crate::scim::{AttrName, AttrPath, ResourceType};
use crate::yaml::{self, Diagnostic, Diagnostics, Source, Span, Table};

use super::compile;
use super::place::Place;

pub use entry::{Entry, Keep, LdapEntry};
pub use guard::{GuardRule, Harm, Limit};
pub use keys::{Allocate, Form, LdapKeys, ReferenceRule};
pub use ldap::{Bind, LdapBackend, LdapTimeouts, LdapUrl};
pub use protect::ProtectRule;

/// One sync rule: one tenant.
#[derive(Debug, Clone)]
pub struct Ruleset {
    /// The file.
    pub source: Source,
    /// The file's name without folder and ending.
    pub name: String,
    /// Where clients call.
    pub tenant_url: TenantUrl,
    /// Every host under which they may call, the Tenant URL's own first; lower case, no port.
    pub hosts: Vec<String>,
    /// Whether client accents are accepted.
    pub accents: bool,
    /// The directory.
    pub backend: Backend,
    /// How much harm may be done in a window of time.
    pub guard: Option<GuardRule>,
    /// The resource types.
    pub types: Vec<TypeRule>,
}

/// `https://host[:port]/path`, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantUrl {
    /// All of it: the base of every location.
    pub text: Arc<str>,
    /// Lower case.
    pub host: String,
    /// Where it is not 443.
    pub port: Option<u16>,
    /// `/corp/scim/v2`.
    pub path: String,
}

/// What stands behind a tenant.
#[derive(Debug, Clone, PartialEq)]
pub enum Backend {
    /// A directory that speaks SCIM, or something like it, over HTTP.
    Scim(ScimBackend),
    /// A directory that speaks LDAP.
    Ldap(LdapBackend),
}

/// `backend.scim`. Paths of files are as written: relative ones are meant from the rule's folder.
#[derive(Debug, Clone, PartialEq)]
pub struct ScimBackend {
    /// Where it is, without a slash at its end.
    pub url: String,
    /// Whether `http` is said to be meant.
    pub plaintext: bool,
    /// Who signs its certificate; the system's authorities where there is none.
    pub ca_file: Option<String>,
    /// Our own certificate, for mutual TLS.
    pub client_certificate_file: Option<String>,
    /// Its key.
    pub client_key_file: Option<String>,
    /// How we prove who we are.
    pub login: Login,
    /// What it can do, where the rule says so.
    pub supports: Supports,
    /// Whether a PATCH may be emulated without versions, by looking twice.
    pub verify_without_etag: bool,
    /// The deadlines.
    pub timeouts: Timeouts,
    /// At most so many connections.
    pub connections: usize,
}

/// How we prove to a directory who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// Not at all, or by certificate only.
    None,
    /// A bearer token in a file.
    Bearer {
        /// The file.
        file: String,
    },
    /// A name, and a password in a file.
    Basic {
        /// The name.
        user: String,
        /// The file.
        password_file: String,
    },
}

/// What a directory can do; `None` is learnt from it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Supports {
    /// PATCH.
    pub patch: Option<bool>,
    /// Versions and `If-Match`.
    pub etag: Option<bool>,
    /// Filters.
    pub filter: Option<bool>,
    /// `sortBy`.
    pub sort: Option<bool>,
    /// `startIndex` and `count`.
    pub page: Option<bool>,
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect.
    pub connect: Duration,
    /// Until the head of an answer.
    pub head: Duration,
    /// Between two parts of a body.
    pub idle: Duration,
}

/// `resources.User`.
#[derive(Debug, Clone)]
pub struct TypeRule {
    /// `User`.
    pub name: ResourceType,
    /// Where the name stands.
    pub span: Span,
    /// Everything that the type could hold.
    pub schema: TypeSchema,
    /// Where its resources live in the directory.
    pub entry: Entry,
    /// The lines.
    pub lines: Vec<LineRule>,
    /// What becomes of attributes without a line.
    pub unmapped: Unmapped,
    /// The attributes whose values the audit trail shows as they are.
    pub plain: Vec<AttrPath>,
    /// Which resources nobody may harm.
    pub protect: Option<ProtectRule>,
    /// Whether what an account may not write is left out of its requests (`forbidden: discard`).
    pub discards: bool,
}

/// What becomes of attributes without a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unmapped {
    /// They go through as they are.
    Pass,
    /// They are left out and counted.
    #[default]
    Drop,
    /// A client that sends one is refused; a directory's are left out.
    Reject,
}

/// Which ways a line goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both.
    #[default]
    Both,
    /// From the directory only.
    Read,
    /// From the client only.
    Write,
    /// From the client when the resource is made, from the directory always.
    Create,
}

/// One line of `attributes`, as written.
#[derive(Debug, Clone)]
pub struct LineRule {
    /// Where it stands.
    pub span: Span,
    /// The SCIM attribute.
    pub scim: Option<Spot>,
    /// The target.
    pub target: Option<Spot>,
    /// Which ways it goes, where that is said.
    pub direction: Option<(Direction, Span)>,
    /// Whether a resource must have it.
    pub required: bool,
    /// The value table: each SCIM value with what it is in the directory.
    pub values: Option<(Vec<RowRule>, Span)>,
    /// What an unknown value of the directory reads as.
    pub otherwise: Option<(Value, Span)>,
    /// The SCIM values that are read where several have one target.
    pub prefer: Vec<(String, Span)>,
    /// What the SCIM value has before the directory's.
    pub prefix: Option<String>,
    /// What the SCIM value has after the directory's; one of several.
    pub suffix: Vec<String>,
    /// Endings of the SCIM value, and what each is in the directory.
    pub swap: Option<(Vec<(String, String)>, Span)>,
    /// The directory's value that stands for none.
    pub default: Option<(Value, Span)>,
    /// A fixed value.
    pub constant: Option<(Value, Span)>,
    /// The SCIM attributes that are joined.
    pub join: Option<(Vec<Spot>, Span)>,
    /// What stands between them.
    pub with: Option<(String, Span)>,
    /// Whether all elements that match are meant.
    pub many: Option<(bool, Span)>,
    /// Whether the elements that no other line means are meant.
    pub rest: Option<(bool, Span)>,
    /// Fixed sub-attributes of the element.
    pub element: Vec<(AttrName, Value)>,
    /// Whether no two resources may have the same value.
    pub unique: bool,
    /// Whether the target is a secret.
    pub secret: bool,
    /// How the directory spells it (`as: number`).
    pub form: Option<(Form, Span)>,
    /// What only lines for an LDAP directory say.
    pub ldap: LdapKeys,
}

/// A row of a value table: the SCIM value, its place, and what it is in the directory.
pub type RowRule = (String, Span, Vec<Value>);

/// A place as written.
#[derive(Debug, Clone)]
pub struct Spot {
    /// What is meant.
    pub place: Place,
    /// How it was written.
    pub text: String,
    /// Where.
    pub span: Span,
}

impl Ruleset {
    /// Reads a rule file, with warnings.
    ///
    /// # Errors
    /// Every mistake of the file.
    pub fn read(source: &Source) -> Result<(Self, Diagnostics), Diagnostics> {
        let root = yaml::parse(source)?;
        let mut found = Diagnostics::default();
        let rules = Self::read_root(source, &root, &mut found);
        match rules {
            Some(rules) if !found.has_errors() => Ok((rules, found)),
            _ => Err(found),
        }
    }

    fn read_root(source: &Source, root: &yaml::Node, d: &mut Diagnostics) -> Option<Self> {
        let mut table = Table::open(source, root, "a sync rule", d)?;
        let tenant_url = table
            .required("tenant_url", d)
            .and_then(|node| url::tenant(source, node, d));
        let mut hosts: Vec<String> = tenant_url.iter().map(|url| url.host.clone()).collect();
        if let Some(node) = table.optional("hosts") {
            hosts.extend(url::hosts(source, node, d));
        }
        let accents = table
            .optional("accents")
            .and_then(|node| scalar::word(source, node, &[("accept", true), ("refuse", false)], d))
            .unwrap_or(true);
        let (is_ldap, backend) = match table.required("backend", d) {
            Some(node) => backend::read(source, node, d),
            None => (false, None),
        };
        let flavor = match &backend {
            Some(Backend::Ldap(ldap)) => Some(ldap.flavor),
            _ => is_ldap.then(Flavor::default),
        };
        let guard = table
            .optional("guard")
            .and_then(|node| guard::read(source, node, d));
        let own = table
            .optional("schemas")
            .map(|node| own::schemas(source, node, d))
            .unwrap_or_default();
        let types = table
            .required("resources", d)
            .map(|node| resource::types(source, node, &own, flavor, d));
        table.finish(d);
        if let Some([]) = types.as_deref()
            && !d.has_errors()
        {
            let text = "a rule needs at least one resource type";
            d.push(Diagnostic::error(source, root.span, text));
        }
        if d.has_errors() {
            // Nobody will compile it: what is wrong with the lines is said here.
            compile::complaints(source, types.as_deref().unwrap_or_default(), d);
        }
        Some(Self {
            source: source.clone(),
            name: stem(&source.name),
            tenant_url: tenant_url?,
            hosts,
            accents,
            backend: backend?,
            guard,
            types: types?,
        })
    }
}

fn stem(path: &str) -> String {
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let stem = file
        .strip_suffix(".yaml")
        .or_else(|| file.strip_suffix(".yml"));
    stem.unwrap_or(file).to_owned()
}
