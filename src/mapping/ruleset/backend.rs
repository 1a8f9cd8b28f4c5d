//! `backend` of a rule.

use std::time::Duration;

use crate::yaml::{Diagnostic, Diagnostics, Node, Source, Table};

use super::{Backend, Login, ScimBackend, Supports, Timeouts, ldap, scalar, url};

/// What a rule says of its backend, and whether that is an LDAP directory, as far as can be told.
pub(super) fn read(source: &Source, node: &Node, d: &mut Diagnostics) -> (bool, Option<Backend>) {
    let Some(mut table) = Table::open(source, node, "a backend", d) else {
        return (false, None);
    };
    let directory = table.optional("ldap");
    let is_ldap = directory.is_some();
    let scim = if is_ldap {
        table.optional("scim")
    } else {
        table.required("scim", d)
    };
    if let (Some(_), Some(_)) = (directory, scim) {
        let message = "`scim` and `ldap` exclude each other: a tenant has one directory";
        d.push(Diagnostic::error(source, table.place("scim"), message));
    }
    table.finish(d);
    let backend = match (directory, scim) {
        (Some(node), _) => ldap::read(source, node, d).map(Backend::Ldap),
        (None, Some(node)) => scim_backend(source, node, d).map(Backend::Scim),
        (None, None) => None,
    };
    (is_ldap, backend)
}

fn scim_backend(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<ScimBackend> {
    let mut table = Table::open(source, node, "a SCIM backend", d)?;
    let url_node = table.required("url", d);
    let url = url_node.and_then(|node| url::directory(source, node, d));
    let plaintext = table
        .optional("plaintext")
        .and_then(|node| node.boolean(source, d))
        .unwrap_or(false);
    if let (Some((_, true)), Some(node), false) = (&url, url_node, plaintext) {
        let message = "everything would go over the network in the clear";
        let help = "use `https`, or say `plaintext: true` if the network is trusted";
        d.push(Diagnostic::error(source, node.span, message).help(help));
    }
    let mut file = |key, d: &mut Diagnostics| {
        let node = table.optional(key)?;
        scalar::text(source, node, d)
    };
    let ca_file = file("ca_file", d);
    let client_certificate_file = file("client_certificate_file", d);
    let client_key_file = file("client_key_file", d);
    let bearer = file("bearer_file", d);
    if client_certificate_file.is_some() != client_key_file.is_some() {
        let message = "`client_certificate_file` and `client_key_file` go together";
        d.push(Diagnostic::error(source, table.span(), message));
    }
    let basic = table
        .optional("basic")
        .and_then(|node| basic(source, node, d));
    if bearer.is_some() && basic.is_some() {
        let message = "`bearer_file` and `basic` exclude each other";
        d.push(Diagnostic::error(source, table.place("basic"), message));
    }
    let supports = table
        .optional("supports")
        .map(|node| supports(source, node, d))
        .unwrap_or_default();
    let verify = [("verify", true), ("refuse", false)];
    let verify_without_etag = table
        .optional("patch_without_etag")
        .and_then(|node| scalar::word(source, node, &verify, d))
        .unwrap_or(true);
    let timeouts = timeouts(source, table.optional("timeouts"), d);
    let connections = match table.optional("connections") {
        Some(node) => match node.integer(source, d) {
            Some(n @ 1..=10_000) => usize::try_from(n).unwrap_or(DEFAULT_CONNECTIONS),
            Some(_) => {
                let message = "`connections` must be from 1 to 10000";
                d.push(Diagnostic::error(source, node.span, message));
                DEFAULT_CONNECTIONS
            }
            None => DEFAULT_CONNECTIONS,
        },
        None => DEFAULT_CONNECTIONS,
    };
    table.finish(d);
    Some(ScimBackend {
        url: url?.0,
        plaintext,
        ca_file,
        client_certificate_file,
        client_key_file,
        login: match (bearer, basic) {
            (Some(file), _) => Login::Bearer { file },
            (None, Some(basic)) => basic,
            (None, None) => Login::None,
        },
        supports,
        verify_without_etag,
        timeouts,
        connections,
    })
}

fn basic(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<Login> {
    let mut table = Table::open(source, node, "a basic login", d)?;
    let user = table.required("user", d);
    let user = user.and_then(|node| scalar::text(source, node, d));
    let password_file = table.required("password_file", d);
    let password_file = password_file.and_then(|node| scalar::text(source, node, d));
    table.finish(d);
    Some(Login::Basic {
        user: user?,
        password_file: password_file?,
    })
}

fn supports(source: &Source, node: &Node, d: &mut Diagnostics) -> Supports {
    let Some(mut table) = Table::open(source, node, "a list of abilities", d) else {
        return Supports::default();
    };
    let mut flag = |key, d: &mut Diagnostics| table.optional(key)?.boolean(source, d);
    let supports = Supports {
        patch: flag("patch", d),
        etag: flag("etag", d),
        filter: flag("filter", d),
        sort: flag("sort", d),
        page: flag("page", d),
    };
    table.finish(d);
    supports
}

fn timeouts(source: &Source, node: Option<&Node>, d: &mut Diagnostics) -> Timeouts {
    let mut timeouts = Timeouts {
        connect: Duration::from_secs(5),
        head: Duration::from_secs(30),
        idle: Duration::from_secs(30),
    };
    let Some(mut table) = node.and_then(|node| Table::open(source, node, "the timeouts", d)) else {
        return timeouts;
    };
    for (key, place) in [
        ("connect", &mut timeouts.connect),
        ("head", &mut timeouts.head),
        ("idle", &mut timeouts.idle),
    ] {
        if let Some(duration) = table
            .optional(key)
            .and_then(|node| scalar::duration(source, node, d))
        {
            *place = duration;
        }
    }
    table.finish(d);
    timeouts
}

const DEFAULT_CONNECTIONS: usize = 64;
