//! What was asked of the directory of a rehearsal, and what each operation is good for.

use std::sync::Arc;

use bytes::Bytes;

use super::{Rehearsal, heard, invent};
use crate::directory::ldap::code::Code;
use crate::directory::ldap::control::{self, Control};
use crate::directory::ldap::request::{Scope, Search, Write};
use crate::ldap::ber::{self, Reader};
use crate::ldap::dn::Dn;
use crate::ldap::layout::Home;

/// What was asked of the directory.
#[derive(Debug, Clone)]
pub struct Act {
    /// In words: what it is good for.
    pub what: String,
    /// Itself.
    pub deed: Deed,
    /// How it ended.
    pub code: Code,
}

/// An operation.
#[derive(Debug, Clone)]
pub enum Deed {
    /// A question, and how many entries answer it.
    Search(Search, usize),
    /// Whether an entry has a value.
    Compare(Dn, Arc<str>, Bytes),
    /// A change, with what goes beside it: first what it would fail without, or else what it is held
    /// to.
    Write(Write, Vec<Control>),
    /// A password by RFC 3062: of whom, and how many characters it has.
    Password(String, usize),
    /// Something else, by its oid.
    Extended(&'static str),
}

impl Act {
    /// Whether it was done, or answered.
    #[must_use]
    pub fn code_is_fine(&self) -> bool {
        match self.code {
            Code::SUCCESS => true,
            Code::COMPARE_TRUE | Code::COMPARE_FALSE => matches!(self.deed, Deed::Compare(..)),
            _ => false,
        }
    }
}

impl Rehearsal {
    /// Whether a search is about the server, not about what it holds.
    pub(super) fn is_about_server(&self, search: &Search) -> bool {
        let names = ["attributeTypes", "objectClasses"];
        let of_schema = |name: &Arc<str>| names.iter().any(|n| n.eq_ignore_ascii_case(name));
        search.scope == Scope::Base
            && (search.base.is_root() || search.attributes.iter().any(of_schema))
    }

    /// What a search is good for.
    pub(super) fn purpose(&self, search: &Search) -> String {
        if search.scope == Scope::Base {
            return match invent::counter(&self.layout, &search.base) {
                Some(_) => "reads a counter".to_owned(),
                None => "reads an entry".to_owned(),
            };
        }
        match invent::sought(&self.layout, search) {
            Some((home, ids)) => match ids.len() {
                0 => format!("looks among the {}s", home.resource),
                1 => format!("looks for a {} by its id", home.resource),
                _ => format!("looks for {}s by their ids", home.resource),
            },
            None => {
                let is = |home: &&Home| home.base.is_same(&search.base);
                let home = self.layout.types.iter().find(is);
                home.map_or_else(
                    || "looks for entries".to_owned(),
                    |home| format!("looks among the {}s", home.resource),
                )
            }
        }
    }
}

/// What a control says, for people.
#[must_use]
pub fn in_words(control: &Control) -> Option<String> {
    match &*control.oid {
        control::ASSERTION => {
            let value = control.value.as_deref().unwrap_or_default();
            let filter = heard::filter(&mut Reader::new(value), 0).ok()?;
            Some(format!("only if the entry fits {filter}"))
        }
        control::PERMISSIVE => {
            Some("what is there already, or gone already, is no error".to_owned())
        }
        control::POST_READ => Some(format!("tells afterwards: {}", listed(control).join(" "))),
        control::PRE_READ => Some(format!("tells what it met: {}", listed(control).join(" "))),
        _ => None,
    }
}

/// What a change is good for.
pub(super) fn purpose_of(write: &Write) -> &'static str {
    match write {
        Write::Add { .. } => "makes an entry",
        Write::Modify { .. } => "changes an entry",
        Write::Delete { .. } => "removes an entry",
        Write::Rename { above: Some(_), .. } => "moves an entry",
        Write::Rename { above: None, .. } => "renames an entry",
    }
}

/// The names of attributes in the value of a control.
pub(super) fn listed(control: &Control) -> Vec<Arc<str>> {
    let value = control.value.as_deref().unwrap_or_default();
    let mut names = Vec::new();
    if let Ok(mut list) = Reader::new(value).nested(ber::SEQUENCE) {
        while let Ok(name) = list.text(ber::OCTETS) {
            names.push(name.into());
        }
    }
    names
}

/// Whose password is set, and how many characters it has.
pub(super) fn password(value: &[u8]) -> Option<(String, usize)> {
    let mut reader = Reader::new(value).nested(ber::SEQUENCE).ok()?;
    let of = reader.text(0x80).ok()?.to_owned();
    Some((of, reader.text(0x82).ok()?.chars().count()))
}
