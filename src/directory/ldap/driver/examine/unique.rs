//! Whether the directory itself keeps unique what the rule says is: postern looks before it makes a
//! resource, and somebody else may make one in the same moment.

use super::super::home::Home;
use super::known;
use crate::directory::ldap::{Dn, Entry, Filter, Pinned, Search};
use crate::directory::{Ask, DirectoryError, Finding};
use crate::ldap::layout::{Attribute, Container, Flavor};

/// Attributes with the trees below which each is unique; without a tree everywhere.
#[derive(Debug, Default, PartialEq, Eq)]
struct Kept(Vec<(String, Vec<Dn>)>);

/// Looks at what the directory says of that in its own configuration.
pub(super) async fn proved(
    home: &Home,
    pinned: &Pinned,
    ask: &Ask,
    found: &mut Vec<Finding>,
) -> Result<(), DirectoryError> {
    let wanted = || {
        let attributes = home.place.attributes.iter();
        attributes.filter(|one| one.unique && one.created && one.reference.is_none())
    };
    if wanted().next().is_none() {
        return Ok(());
    }
    let kept = match home.flavor {
        Flavor::ActiveDirectory => Some(Kept::everywhere(BY_ACTIVE_DIRECTORY)),
        Flavor::OpenLdap => {
            let class = Filter::equal("objectClass", "olcUniqueConfig");
            configured(pinned, CONFIG, class, OVERLAY, ask, Kept::of_overlays).await?
        }
        Flavor::Ds389 => {
            let class = Filter::equal("nsslapd-pluginPath", "libattr-unique-plugin");
            configured(pinned, PLUGINS, class, &["*"], ask, Kept::of_plugins).await?
        }
    };
    for one in wanted() {
        found.extend(judged(home, one, kept.as_ref()));
    }
    Ok(())
}

/// What the entries below say; `None` where they cannot be seen.
async fn configured(
    pinned: &Pinned,
    base: &str,
    filter: Filter,
    attributes: &[&str],
    ask: &Ask,
    read: impl FnOnce(&[Entry]) -> Kept,
) -> Result<Option<Kept>, DirectoryError> {
    let Ok(base) = base.parse::<Dn>() else {
        return Ok(None);
    };
    let there = Search::entry(base.clone(), &["objectClass"]);
    if known(pinned.one(there, ask.deadline).await)?
        .flatten()
        .is_none()
    {
        return Ok(None);
    }
    let search = Search::below(base, filter, attributes);
    let mut rows = pinned.search(search, &[], ask.deadline);
    let mut entries = Vec::new();
    loop {
        match known(rows.next().await)? {
            Some(Some(entry)) if entries.len() < MOST => entries.push(entry),
            Some(Some(_) | None) => break,
            None => return Ok(None),
        }
    }
    Ok(Some(read(&entries)))
}

/// What is to be said of an attribute.
fn judged(home: &Home, one: &Attribute, kept: Option<&Kept>) -> Option<Finding> {
    let name = one.name.as_str();
    if kept.is_some_and(|kept| kept.holds(name, &home.place.base)) {
        return None;
    }
    let create = home.place.create.as_ref()?;
    // Two entries of one container never have the same name.
    let names = create.rdn == one.name && matches!(create.container, Container::Fixed(_));
    let help = match home.flavor {
        Flavor::OpenLdap => {
            "the `unique` overlay keeps it: `unique_uri ldap:///BASE?ATTRIBUTE?sub`"
        }
        Flavor::Ds389 => {
            "the Attribute Uniqueness plugin keeps it: `dsconf INSTANCE plugin attr-uniq add`"
        }
        Flavor::ActiveDirectory => {
            "use `sAMAccountName` or `userPrincipalName`, which Active Directory keeps unique"
        }
    };
    let base = &home.place.base;
    Some(match (kept, names) {
        (None, true) => {
            let text = format!(
                "it could not be seen whether the directory keeps `{name}` unique; entries made \
                 here cannot have the same, since it names them"
            );
            Finding::note(one.line, name, text, help)
        }
        (None, false) => {
            let text = format!(
                "it could not be seen whether the directory keeps `{name}` unique: our account \
                 may not read its configuration"
            );
            Finding::note(one.line, name, text, help)
        }
        (Some(_), true) => {
            let text = format!(
                "the directory keeps `{name}` unique only where it names entries of one container"
            );
            Finding::note(one.line, name, text, help)
        }
        (Some(_), false) => {
            let text = format!("the directory does not keep `{name}` unique below `{base}`");
            Finding::warning(one.line, name, text, help)
        }
    })
}

impl Kept {
    fn everywhere(names: &[&str]) -> Self {
        Self(
            names
                .iter()
                .map(|name| ((*name).to_owned(), Vec::new()))
                .collect(),
        )
    }

    /// The overlays of `slapd`: `olcUniqueURI`, or what older ones have.
    fn of_overlays(entries: &[Entry]) -> Self {
        let mut kept = Self::default();
        for entry in entries {
            for uri in texts(entry, "olcUniqueURI") {
                uri.split_whitespace().for_each(|uri| kept.uri(uri));
            }
            let base = texts(entry, "olcUniqueBase").find_map(|base| base.parse().ok());
            for name in texts(entry, "olcUniqueAttribute").flat_map(str::split_whitespace) {
                kept.0
                    .push((name.to_owned(), base.iter().cloned().collect()));
            }
        }
        kept
    }

    /// `ldap:///base?attribute,attribute?scope?filter`; what is narrower than a tree does not count.
    fn uri(&mut self, uri: &str) {
        let Some(rest) = uri.strip_prefix("ldap:///") else {
            return; // `strict`, `ignore`, `serialize`
        };
        let mut parts = rest.split('?');
        let base = parts.next().unwrap_or_default();
        let Some(base) = decoded(base).and_then(|base| base.parse::<Dn>().ok()) else {
            return;
        };
        let names = parts.next().unwrap_or_default();
        let whole = parts
            .next()
            .is_none_or(|scope| matches!(scope, "sub" | "subtree" | ""));
        if !whole || parts.next().is_some_and(|filter| !filter.is_empty()) {
            return;
        }
        // Without a base the overlay means the whole of its database.
        let trees = if base.is_root() {
            Vec::new()
        } else {
            vec![base]
        };
        for name in names.split(',').filter(|name| !name.is_empty()) {
            self.0.push((name.to_owned(), trees.clone()));
        }
    }

    /// The plugins of 389 DS that are on: what they are told by name, or in the old way by place.
    fn of_plugins(entries: &[Entry]) -> Self {
        let mut kept = Self::default();
        for entry in entries {
            if !entry
                .text("nsslapd-pluginEnabled")
                .is_some_and(|on| on.eq_ignore_ascii_case("on"))
            {
                continue;
            }
            let trees = |name: &str| -> Vec<Dn> {
                texts(entry, name)
                    .filter_map(|tree| tree.parse().ok())
                    .collect()
            };
            let named = trees("uniqueness-subtrees");
            for name in texts(entry, "uniqueness-attribute-name") {
                kept.0.push((name.to_owned(), named.clone()));
            }
            if let Some(name) = entry.text("nsslapd-pluginarg0") {
                let numbers = 1..=9;
                let trees = numbers.flat_map(|n| trees(&format!("nsslapd-pluginarg{n}")));
                kept.0.push((name.to_owned(), trees.collect()));
            }
        }
        kept
    }

    fn holds(&self, name: &str, base: &Dn) -> bool {
        let mut all = self
            .0
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        all.any(|(_, trees)| trees.is_empty() || trees.iter().any(|tree| base.is_within(tree)))
    }
}

fn texts<'e>(entry: &'e Entry, name: &str) -> impl Iterator<Item = &'e str> {
    let values = entry.values(name).iter();
    values.filter_map(|value| std::str::from_utf8(value).ok())
}

/// A text of a URL without its `%` escapes.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Where `slapd` keeps its configuration.
const CONFIG: &str = "cn=config";
/// Where 389 DS keeps that of its plugins.
const PLUGINS: &str = "cn=plugins,cn=config";
/// What an overlay is told.
const OVERLAY: &[&str] = &["olcUniqueURI", "olcUniqueAttribute", "olcUniqueBase"];
/// What Active Directory keeps unique by itself.
const BY_ACTIVE_DIRECTORY: &[&str] = &["sAMAccountName", "userPrincipalName"];
/// So many entries of a configuration are looked at.
const MOST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::ldap::Attribute as Values;

    fn entry(attributes: &[(&str, &[&'static str])]) -> Entry {
        let attributes = attributes.iter();
        Entry {
            dn: "cn=x".to_owned(),
            attributes: attributes
                .map(|(name, values)| Values::many(*name, values.iter().copied()))
                .collect(),
        }
    }

    fn dn(text: &str) -> Dn {
        text.parse().unwrap()
    }

    #[test]
    fn what_the_overlay_keeps_is_read_from_its_uris() {
        let kept = Kept::of_overlays(&[
            entry(&[(
                "olcUniqueURI",
                &[
                    "strict ldap:///ou=people,dc=x?uid,mail?sub",
                    "ldap:///ou=a%20b,dc=x?cn?sub?(objectClass=person)",
                    "ldap:///ou=c,dc=x?sn?one",
                    "ldap:///?employeeNumber?sub ldap:///dc=y?title?sub",
                ],
            )]),
            entry(&[
                ("olcUniqueAttribute", &["uidNumber"]),
                ("olcUniqueBase", &["dc=z"]),
            ]),
        ]);
        for (name, base, holds) in [
            ("UID", "ou=people,dc=x", true),
            ("mail", "ou=some,ou=people,dc=x", true),
            ("uid", "dc=x", false),
            ("cn", "ou=a b,dc=x", false),
            ("sn", "ou=c,dc=x", false),
            ("employeeNumber", "dc=q", true),
            ("title", "dc=y", true),
            ("title", "dc=x", false),
            ("uidNumber", "ou=q,dc=z", true),
            ("uidNumber", "dc=x", false),
        ] {
            assert_eq!(kept.holds(name, &dn(base)), holds, "{name} {base}");
        }
    }

    #[test]
    fn plugins_that_are_off_keep_nothing() {
        let kept = Kept::of_plugins(&[
            entry(&[
                ("nsslapd-pluginEnabled", &["on"]),
                ("uniqueness-attribute-name", &["uid", "mail"]),
                ("uniqueness-subtrees", &["dc=x", "dc=y"]),
            ]),
            entry(&[
                ("nsslapd-pluginEnabled", &["off"]),
                ("uniqueness-attribute-name", &["cn"]),
                ("uniqueness-subtrees", &["dc=x"]),
            ]),
            entry(&[
                ("nsslapd-pluginEnabled", &["ON"]),
                ("nsslapd-pluginarg0", &["sn"]),
                ("nsslapd-pluginarg1", &["dc=z"]),
            ]),
        ]);
        for (name, base, holds) in [
            ("uid", "ou=a,dc=x", true),
            ("MAIL", "dc=y", true),
            ("uid", "dc=z", false),
            ("cn", "dc=x", false),
            ("sn", "dc=z", true),
            ("sn", "dc=x", false),
        ] {
            assert_eq!(kept.holds(name, &dn(base)), holds, "{name} {base}");
        }
    }
}
