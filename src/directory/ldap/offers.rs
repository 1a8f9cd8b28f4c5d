//! What a server says of itself in its root entry (RFC 4512 §5.1).

use super::control;
use super::request::{PASSWORD_MODIFY, Search, WHO_AM_I};
use super::response::Entry;
use crate::ldap::dn::Dn;

/// What a server can do, and whose it is. Nothing at all where it tells nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offers {
    /// Which program it is.
    pub product: Product,
    /// Its maker's words on it, for `/status`.
    pub vendor: Option<String>,
    /// Where its entries lie.
    pub naming_contexts: Vec<String>,
    /// The entry that holds its schema.
    pub subschema: Option<Dn>,
    /// Searches come in pages (RFC 2696).
    pub paged: bool,
    /// A write tells what the entry was before (RFC 4527).
    pub pre_read: bool,
    /// A write tells what the entry is afterwards (RFC 4527).
    pub post_read: bool,
    /// A write can be made to depend on what the entry is (RFC 4528).
    pub assertion: bool,
    /// Adding what is there can be made no error.
    pub permissive: bool,
    /// Removing what is not there, too. (slapd forgives that only where the attribute has no value
    /// at all.)
    pub permissive_delete: bool,
    /// It sorts (RFC 2891).
    pub sort: bool,
    /// It has virtual list views.
    pub virtual_list: bool,
    /// It sets passwords by RFC 3062.
    pub password_modify: bool,
    /// It tells who we are (RFC 4532).
    pub who_am_i: bool,
    /// It adds to numbers (RFC 4525).
    pub increment: bool,
    /// Which of several that count each for itself it is: an Active Directory's own name for the
    /// controller.
    pub own_name: Option<String>,
}

/// Which program a server is, where that shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Product {
    /// `OpenLDAP`'s slapd.
    OpenLdap,
    /// 389 Directory Server, and what is made of it.
    Ds389,
    /// Active Directory, or Samba in its place.
    ActiveDirectory,
    /// Another.
    #[default]
    Other,
}

impl Offers {
    /// What is offered, in words.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let all = [
            (self.paged, "paged results"),
            (self.pre_read, "pre-read"),
            (self.post_read, "post-read"),
            (self.assertion, "assertion"),
            (self.permissive, "permissive modify"),
            (self.sort, "sort"),
            (self.virtual_list, "virtual list views"),
            (self.password_modify, "password modify"),
            (self.who_am_i, "who am I"),
            (self.increment, "increment"),
        ];
        all.iter()
            .filter(|(is, _)| *is)
            .map(|(_, word)| *word)
            .collect()
    }

    /// The question.
    #[must_use]
    pub fn question() -> Search {
        Search::entry(Dn::root(), &["*", "+"])
    }

    /// What the root entry says.
    #[must_use]
    pub fn of(root: &Entry) -> Self {
        let has = |attribute: &str, oid: &str| {
            let values = root.values(attribute);
            values.iter().any(|value| value == oid)
        };
        let controls = |oid| has("supportedControl", oid);
        let extensions = |oid| has("supportedExtension", oid);
        let text = |name| root.text(name).map(str::to_owned);
        let vendor = text("vendorName").map(|name| match root.text("vendorVersion") {
            Some(version) => format!("{name} {version}"),
            None => name,
        });
        let contexts = root.values("namingContexts").iter();
        let product = Product::of(root);
        Self {
            product,
            vendor,
            naming_contexts: contexts
                .filter_map(|name| std::str::from_utf8(name).ok())
                .map(str::to_owned)
                .collect(),
            subschema: root
                .text("subschemaSubentry")
                .and_then(|name| name.parse().ok()),
            paged: controls(control::PAGED),
            pre_read: controls(control::PRE_READ),
            post_read: controls(control::POST_READ),
            assertion: controls(control::ASSERTION),
            // slapd knows it and does not list it.
            permissive: controls(control::PERMISSIVE) || product == Product::OpenLdap,
            permissive_delete: controls(control::PERMISSIVE) && product != Product::OpenLdap,
            sort: controls(control::SORT),
            virtual_list: controls(control::VIRTUAL_LIST),
            password_modify: extensions(PASSWORD_MODIFY),
            who_am_i: extensions(WHO_AM_I),
            increment: has("supportedFeatures", INCREMENT),
            own_name: text("dsServiceName"),
        }
    }
}

impl Product {
    fn of(root: &Entry) -> Self {
        let is = |attribute: &str, wanted: &str| {
            let values = root.values(attribute);
            values.iter().any(|value| value == wanted)
        };
        let vendor = root.text("vendorName").unwrap_or_default();
        if is("supportedCapabilities", ACTIVE_DIRECTORY) {
            Self::ActiveDirectory
        } else if is("objectClass", "OpenLDAProotDSE") {
            Self::OpenLdap
        } else if vendor.contains("389") || vendor.contains("Red Hat") {
            Self::Ds389
        } else {
            Self::Other
        }
    }
}

/// The capability that stands for Active Directory.
pub(super) const ACTIVE_DIRECTORY: &str = "1.2.840.113556.1.4.800";
/// Modify-increment (RFC 4525).
pub(super) const INCREMENT: &str = "1.3.6.1.1.14";

#[cfg(test)]
mod tests {
    use super::super::request::Attribute;
    use super::*;

    #[test]
    fn a_root_entry_is_understood() {
        let root = Entry {
            dn: String::new(),
            attributes: vec![
                Attribute::many("supportedControl", [control::PAGED, control::ASSERTION]),
                Attribute::many("supportedExtension", [WHO_AM_I]),
                Attribute::one("objectClass", "OpenLDAProotDSE"),
                Attribute::one("subschemaSubentry", "cn=Subschema"),
                Attribute::many("namingContexts", ["dc=x", "dc=y"]),
            ],
        };
        let offers = Offers::of(&root);
        assert!(offers.paged && offers.assertion && offers.who_am_i);
        assert!(!offers.post_read && offers.permissive && !offers.password_modify);
        assert_eq!(offers.product, Product::OpenLdap);
        assert_eq!(offers.naming_contexts, ["dc=x", "dc=y"]);
        assert!(offers.subschema.is_some());
        let nothing = Entry {
            dn: String::new(),
            attributes: Vec::new(),
        };
        assert_eq!(Offers::of(&nothing), Offers::default());
    }
}
