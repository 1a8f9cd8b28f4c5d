//! The files that `access.yaml` names: keys, key sets, secrets of others. Whoever loads it reads
//! them, by the names that [`named`] finds, and hands them over.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Reader, short};
use crate::yaml::{self, Node, Source, Value};

/// Files by the name that `access.yaml` gives them, each with its bytes or with why it has none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<String, Content>);

/// The bytes of a file, wiped when they go, or why it cannot be read.
pub type Content = Result<Arc<Zeroizing<Vec<u8>>>, Arc<str>>;

/// Every file that a text of `access.yaml` names: the value of each key `file` or `…_file` where
/// such keys can stand. Of a text with mistakes, those that can be made out.
#[must_use]
pub fn named(source: &Source) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let Ok(root) = yaml::parse(source) else {
        return names;
    };
    for section in ["issue", "trust"] {
        collect(member(&root, section), &mut names);
    }
    if let Some(Value::List(accounts)) = member(&root, "accounts").map(|node| &node.value) {
        for account in accounts {
            for part in ["clients", "claims", "certificates"] {
                collect(member(account, part), &mut names);
            }
        }
    }
    names
}

impl Files {
    /// Puts in what was read of a file.
    pub fn insert(&mut self, name: impl Into<String>, content: Content) {
        self.0.insert(name.into(), content);
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// Why it has none.
    pub fn read(&self, name: &str) -> Result<&[u8], &str> {
        match self.0.get(name) {
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(why)) => Err(why),
            None => Err("it has not been read"),
        }
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Content)> {
        self.0.iter().map(|(name, content)| (&**name, content))
    }
}

impl<'a> Reader<'a> {
    /// The bytes of the file that is named here.
    pub(super) fn content(&mut self, node: &'a Node) -> Option<&'a [u8]> {
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
}

impl fmt::Debug for Files {
    /// The names only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn member<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let Value::Table(entries) = &node.value else {
        return None;
    };
    let found = entries.iter().find(|(key, _)| key.text == name);
    found.map(|(_, node)| node)
}

fn collect(node: Option<&Node>, names: &mut BTreeSet<String>) {
    match node.map(|node| &node.value) {
        Some(Value::List(items)) => items.iter().for_each(|item| collect(Some(item), names)),
        Some(Value::Table(entries)) => {
            for (key, node) in entries {
                let named = key.text == "file" || key.text.ends_with("_file");
                match &node.value {
                    Value::String(name) if named && !name.is_empty() => {
                        names.insert(name.clone());
                    }
                    _ => collect(Some(node), names),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_found_where_it_can_stand() {
        let text = "roles: {r: {allow: [{resources: [User], verbs: [read], values: {x_file: no}}]}}
accounts:
  - name: a
    clients: [{id: c, public_key_file: keys/c.pem}, {id: d, jwks_file: /etc/d.json}, 7]
    tokens: [{file: no}]
  - 3
issue: {keys: [{file: one.pem}, {file: two.pem, id: x}, {file: 3}, {file: \"\"}]}
trust: [{jwks: {file: t.json}, introspection: {client_secret_file: s}}]
file: no
";
        let found = named(&Source::new("access.yaml", text));
        let found: Vec<_> = found.iter().map(String::as_str).collect();
        let wanted = [
            "/etc/d.json",
            "keys/c.pem",
            "one.pem",
            "s",
            "t.json",
            "two.pem",
        ];
        assert_eq!(found, wanted);
        assert!(named(&Source::new("access.yaml", "a: [")).is_empty());
    }

    #[test]
    fn a_file_without_bytes_says_why_and_nothing_is_shown_of_others() {
        let mut files = Files::default();
        files.insert("a", Ok(Arc::new(Zeroizing::new(b"secret".to_vec()))));
        files.insert("b", Err("gone".into()));
        assert_eq!(files.read("a"), Ok(&b"secret"[..]));
        assert_eq!(files.read("b"), Err("gone"));
        assert_eq!(files.read("c"), Err("it has not been read"));
        assert_eq!(format!("{files:?}"), r#"{"a", "b"}"#);
    }
}
