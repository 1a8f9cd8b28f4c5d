//! `entry` of a resource type: where its resources live in the directory.
//!
//! ```yaml
//! entry: {path: people, id: uid}                         # over HTTP
//! entry:                                                 # in an LDAP directory
//!   base: "ou=people,dc=example,dc=com"                  # nothing outside is read or written
//!   scope: sub                                           # sub | one
//!   filter: "(objectClass=inetOrgPerson)"                # what exists for this tenant
//!   id: entryUUID
//!   create:                                              # how entries are made
//!     rdn: uid                                           # or {from: cn, on_collision: " ({uid})"}
//!     object_classes: [inetOrgPerson]
//!     in: "ou=staff,ou=people,dc=example,dc=com"         # or {by: …, values: {…}, otherwise: …}
//! ```

use crate::ldap::attribute::is_name;
use crate::ldap::layout::{Container, Create, Flavor, Pattern, Scope};
use crate::ldap::{Dn, Filter, IdForm};
use crate::scim::schema::TypeSchema;
use crate::scim::{AttrName, SchemaUri};
use crate::yaml::{self, Diagnostic, Diagnostics, Node, Source, Span, Table};

use super::{ldap, scalar};

/// Where the resources of a type live in the directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The path under the directory's URL.
    pub path: String,
    /// The attribute that holds the id.
    pub id: AttrName,
    /// Whether the directory keeps the id as a number (`as: number`): matters in filters.
    pub number: bool,
    /// The `schemas` that documents carry; the default is computed.
    pub schemas: Option<Vec<SchemaUri>>,
    /// The attribute that `meta.created` is read from, where it is not `meta.created`.
    pub created: Option<AttrName>,
    /// The attribute that `meta.lastModified` is read from, where it is not `meta.lastModified`.
    pub last_modified: Option<AttrName>,
    /// Of a directory that speaks LDAP.
    pub ldap: Option<Box<LdapEntry>>,
}

/// What an entry of an LDAP directory has more than others.
#[derive(Debug, Clone, PartialEq)]
pub struct LdapEntry {
    /// What kind of server it is.
    pub flavor: Flavor,
    /// Nothing outside is read or written.
    pub base: Dn,
    /// How far below.
    pub scope: Scope,
    /// What exists for this tenant.
    pub filter: Filter,
    /// How ids are spelled.
    pub id_form: IdForm,
    /// How entries are made.
    pub create: Option<(Create, Span)>,
    /// What deleting does, where it does not remove: where the entry goes.
    pub keep: Option<(Keep, Span)>,
    /// Whether making a resource that was kept brings it back.
    pub revive: bool,
    /// The line where all this begins.
    pub line: usize,
}

/// `on_delete: {disable: true, move_to: …}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Keep {
    /// Whether it is disabled first.
    pub disable: bool,
    /// Where it goes.
    pub move_to: Dn,
}

impl Entry {
    /// The directory's own attribute for a part of `meta`, where it keeps it elsewhere.
    pub(in crate::mapping) fn stamp(&self, part: &AttrName) -> Option<&AttrName> {
        if part.is("created") {
            self.created.as_ref()
        } else if part.is("lastModified") {
            self.last_modified.as_ref()
        } else {
            None
        }
    }

    /// The attributes that `meta` is read from.
    pub(in crate::mapping) fn stamps(&self) -> impl Iterator<Item = &AttrName> {
        self.created.iter().chain(&self.last_modified)
    }
}

/// Reads `entry`; `node` is the value, `place` where the type stands.
pub(super) fn read(
    source: &Source,
    node: Option<&Node>,
    place: Span,
    schema: &TypeSchema,
    flavor: Option<Flavor>,
    d: &mut Diagnostics,
) -> Entry {
    match flavor {
        None => over_http(source, node, schema, d),
        Some(flavor) => in_ldap(source, node, place, flavor, d),
    }
}

fn over_http(
    source: &Source,
    node: Option<&Node>,
    schema: &TypeSchema,
    d: &mut Diagnostics,
) -> Entry {
    let mut entry = Entry {
        path: schema.endpoint.to_string(),
        id: AttrName::known("id"),
        number: false,
        schemas: None,
        created: None,
        last_modified: None,
        ldap: None,
    };
    let Some(mut table) = node.and_then(|node| Table::open(source, node, "an entry", d)) else {
        return entry;
    };
    if let Some(path) = table.optional("path").and_then(|n| path(source, n, d)) {
        entry.path = path;
    }
    if let Some(id) = attribute(source, &mut table, "id", d) {
        entry.id = id;
    }
    entry.created = attribute(source, &mut table, "created", d);
    entry.last_modified = attribute(source, &mut table, "last_modified", d);
    if let Some(node) = table.optional("as") {
        entry.number = scalar::word(source, node, &[("number", true)], d).unwrap_or(false);
    }
    if let Some(node) = table.optional("schemas") {
        let mut uris = Vec::new();
        for item in node.list(source, d).unwrap_or_default() {
            match item.string(source, d).map(str::parse::<SchemaUri>) {
                Some(Ok(uri)) => uris.push(uri),
                Some(Err(error)) => {
                    d.push(Diagnostic::error(source, item.span, error.to_string()));
                }
                None => {}
            }
        }
        entry.schemas = Some(uris);
    }
    table.finish(d);
    entry
}

fn in_ldap(
    source: &Source,
    node: Option<&Node>,
    place: Span,
    flavor: Flavor,
    d: &mut Diagnostics,
) -> Entry {
    let (id, created, last_modified) = match flavor {
        Flavor::OpenLdap => ("entryUUID", "createTimestamp", "modifyTimestamp"),
        Flavor::Ds389 => ("nsUniqueId", "createTimestamp", "modifyTimestamp"),
        Flavor::ActiveDirectory => ("objectGUID", "whenCreated", "whenChanged"),
    };
    let mut entry = Entry {
        path: String::new(),
        id: AttrName::known(id),
        number: false,
        // Entries have object classes instead.
        schemas: Some(Vec::new()),
        created: Some(AttrName::known(created)),
        last_modified: Some(AttrName::known(last_modified)),
        ldap: None,
    };
    let mut own = LdapEntry {
        flavor,
        base: Dn::default(),
        scope: Scope::Sub,
        filter: Filter::everything(),
        id_form: IdForm::of(id),
        create: None,
        keep: None,
        revive: false,
        line: node.map_or(place, |node| node.span).line,
    };
    let table = match node {
        Some(node) => Table::open(source, node, "an entry", d),
        None => {
            let error = Diagnostic::error(source, place, "this type needs an `entry`");
            d.push(error.help("`entry: {base: \"ou=people,…\", filter: \"(objectClass=…)\"}`"));
            None
        }
    };
    if let Some(mut table) = table {
        if let Some(base) = table
            .required("base", d)
            .and_then(|node| ldap::dn(source, node, d))
        {
            own.base = base;
        }
        let scopes = [("sub", Scope::Sub), ("one", Scope::One)];
        if let Some(scope) = table
            .optional("scope")
            .and_then(|node| scalar::word(source, node, &scopes, d))
        {
            own.scope = scope;
        }
        if let Some(filter) = table
            .required("filter", d)
            .and_then(|node| filter_text(source, node, d))
        {
            own.filter = filter;
        }
        if let Some(id) = attribute(source, &mut table, "id", d) {
            own.id_form = IdForm::of(id.as_str());
            entry.id = id;
        }
        for (key, stamp) in [
            ("created", &mut entry.created),
            ("last_modified", &mut entry.last_modified),
        ] {
            if let Some(name) = attribute(source, &mut table, key, d) {
                *stamp = Some(name);
            }
        }
        own.create = table
            .optional("create")
            .and_then(|node| Some((create(source, node, &own.base, d)?, node.span)));
        table.finish(d);
    }
    entry.ldap = Some(Box::new(own));
    entry
}

/// `on_delete` and `on_create` of a type, which say more of its entries.
pub(super) fn ends(
    source: &Source,
    (delete, create): (Option<&Node>, Option<&Node>),
    entry: &mut Entry,
    d: &mut Diagnostics,
) {
    let Some(own) = &mut entry.ldap else {
        for (node, key) in [(delete, "on_delete"), (create, "on_create")] {
            if let Some(node) = node {
                let message = format!("`{key}` is for LDAP directories");
                d.push(Diagnostic::error(source, node.span, message));
            }
        }
        return;
    };
    own.keep = delete.and_then(|node| Some((keep(source, node, own, d)?, node.span)));
    if let Some(node) = create {
        own.revive =
            scalar::word(source, node, &[("revive", true), ("refuse", false)], d) == Some(true);
        if own.revive && own.keep.is_none() {
            let error =
                Diagnostic::error(source, node.span, "nothing is left that could be revived");
            d.push(error.help("`on_delete: {disable: true, move_to: …}` keeps what is deleted"));
        }
    }
}

fn keep(source: &Source, node: &Node, own: &LdapEntry, d: &mut Diagnostics) -> Option<Keep> {
    if let yaml::Value::String(_) = node.value {
        scalar::word(source, node, &[("remove", ())], d);
        return None;
    }
    let mut table = Table::open(source, node, "what deleting does", d)?;
    let disable = table
        .optional("disable")
        .and_then(|node| node.boolean(source, d))
        .unwrap_or(false);
    let target = table.required("move_to", d);
    let move_to = target.and_then(|node| ldap::dn(source, node, d));
    table.finish(d);
    let move_to = move_to?;
    if let Some(target) = target
        && move_to.is_within(&own.base)
        && own.scope == Scope::Sub
    {
        let message = "`move_to` lies within `base`: what is deleted would still be there";
        let error = Diagnostic::error(source, target.span, message);
        d.push(error.help("name a container beside it"));
    }
    Some(Keep { disable, move_to })
}

fn create(source: &Source, node: &Node, base: &Dn, d: &mut Diagnostics) -> Option<Create> {
    let mut table = Table::open(source, node, "how entries are made", d)?;
    let rdn = table
        .required("rdn", d)
        .and_then(|node| naming(source, node, d));
    let classes_node = table.required("object_classes", d);
    let mut object_classes = Vec::new();
    for item in classes_node
        .and_then(|node| node.list(source, d))
        .unwrap_or_default()
    {
        object_classes.extend(class(source, item, d));
    }
    if let Some(node) = classes_node
        && matches!(&node.value, yaml::Value::List(items) if items.is_empty())
    {
        let error = Diagnostic::error(source, node.span, "an entry has an object class");
        d.push(error.help("such as `[inetOrgPerson]`"));
    }
    let container = match table.optional("in") {
        None => Some(Container::Fixed(base.clone())),
        Some(node) => container(source, node, base, d),
    };
    table.finish(d);
    let (rdn, on_collision) = rdn?;
    Some(Create {
        rdn,
        on_collision,
        object_classes,
        container: container?,
    })
}

fn naming(
    source: &Source,
    node: &Node,
    d: &mut Diagnostics,
) -> Option<(AttrName, Option<Pattern>)> {
    if let yaml::Value::String(_) = node.value {
        return Some((name(source, node, d)?, None));
    }
    let mut table = Table::open(source, node, "what names an entry", d)?;
    let from = table
        .required("from", d)
        .and_then(|node| name(source, node, d));
    let on_collision = table.optional("on_collision").and_then(|node| {
        let text = node.string(source, d)?;
        match text.parse::<Pattern>() {
            Ok(pattern) => Some(pattern),
            Err(why) => {
                let error = Diagnostic::error(source, node.span, format!("`on_collision`: {why}"));
                d.push(error.help("such as `\" ({uid})\"`: it is put after the name"));
                None
            }
        }
    });
    table.finish(d);
    Some((from?, on_collision))
}

fn container(source: &Source, node: &Node, base: &Dn, d: &mut Diagnostics) -> Option<Container> {
    let within = |node: &Node, d: &mut Diagnostics| {
        let dn = ldap::dn(source, node, d)?;
        if dn.is_within(base) {
            return Some(dn);
        }
        let error = Diagnostic::error(source, node.span, format!("`{dn}` lies outside `base`"));
        d.push(error.help("`base` is where all containers are"));
        None
    };
    if let yaml::Value::String(_) = node.value {
        return within(node, d).map(Container::Fixed);
    }
    let mut table = Table::open(source, node, "where entries are put", d)?;
    let by = table
        .required("by", d)
        .and_then(|node| name(source, node, d));
    let values_node = table.required("values", d);
    let otherwise = table
        .required("otherwise", d)
        .and_then(|node| within(node, d));
    table.finish(d);
    let mut values = Vec::new();
    if let Some(rows) = values_node.and_then(|node| Table::open(source, node, "containers", d)) {
        for (key, node) in rows.entries() {
            values.extend(within(node, d).map(|dn| (key.text.clone(), dn)));
        }
    }
    Some(Container::Chosen {
        by: by?,
        values,
        otherwise: otherwise?,
    })
}

/// The name of an object class.
pub(super) fn class(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<String> {
    let text = node.string(source, d)?;
    if is_name(text) {
        return Some(text.to_owned());
    }
    let shown: String = text.chars().take(60).collect();
    let message = format!("`{shown}` is not the name of an object class");
    d.push(Diagnostic::error(source, node.span, message));
    None
}

/// The name of an attribute.
pub(super) fn name(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<AttrName> {
    let text = node.string(source, d)?;
    if is_name(text)
        && let Ok(name) = text.parse()
    {
        return Some(name);
    }
    let shown: String = text.chars().take(60).collect();
    let error = Diagnostic::error(
        source,
        node.span,
        format!("`{shown}` is not an attribute of an entry"),
    );
    d.push(error.help("a name such as `uid`: without options, parts and filters"));
    None
}

fn filter_text(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<Filter> {
    let text = node.string(source, d)?;
    match text.parse::<Filter>() {
        Ok(filter) => Some(filter),
        Err(error) => {
            let error = Diagnostic::error(source, node.span, format!("this is no filter: {error}"));
            d.push(error.help("such as `(objectClass=inetOrgPerson)`"));
            None
        }
    }
}

fn attribute(
    source: &Source,
    table: &mut Table<'_>,
    key: &'static str,
    d: &mut Diagnostics,
) -> Option<AttrName> {
    let node = table.optional(key)?;
    let text = node.string(source, d)?;
    let name = text.parse();
    if name.is_err() {
        let message = format!("`{text}` is not an attribute name");
        d.push(Diagnostic::error(source, node.span, message));
    }
    name.ok()
}

/// One or more plain path segments.
pub(super) fn path(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<String> {
    let text = node.string(source, d)?;
    let bare = text.strip_prefix('/').unwrap_or(text);
    let plain = |segment: &str| {
        !segment.is_empty()
            && !matches!(segment, "." | "..")
            && segment
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b))
    };
    if bare.split('/').all(plain) {
        return Some(bare.to_owned());
    }
    let shown: String = text.chars().take(60).collect();
    let error = Diagnostic::error(source, node.span, format!("`{shown}` is not a plain path"));
    d.push(error.help("such as `people`, under the directory's `url`"));
    None
}
