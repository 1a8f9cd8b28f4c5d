//! Where the resources of each type live in an LDAP directory, and what its attributes are: all
//! that a driver must know of a rule. Made by [`Plan::layout`](crate::mapping::Plan::layout), kept
//! apart from the connections, so that a change of a rule keeps those.

use crate::scim::patch::Change;
use crate::scim::{AttrName, ResourceType};

use super::made::Candidates;
use super::{Dn, Filter, IdForm};

/// All types of a rule.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Layout {
    /// What kind of server it is.
    pub flavor: Flavor,
    /// Whether the server itself takes references to an entry away with it, and follows its
    /// renaming; else the driver does.
    pub keeps_references: bool,
    /// Whether the server itself refuses a second entry with a value that must be unique; else the
    /// driver looks before it writes.
    pub keeps_unique: bool,
    /// Whether `memberOf` of every entry names all groups that it is directly in; else the driver
    /// asks the groups. That some entries have it proves nothing: a server that keeps it since
    /// yesterday has it of those groups alone that were changed since.
    pub keeps_memberships: bool,
    /// One per resource type.
    pub types: Vec<Home>,
}

/// What kind of server stands behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Flavor {
    /// OpenLDAP, and whatever goes by the RFCs.
    #[default]
    OpenLdap,
    /// 389 Directory Server.
    Ds389,
    /// Active Directory, Samba included.
    ActiveDirectory,
}

/// Where the resources of one type live.
#[derive(Debug, Clone, PartialEq)]
pub struct Home {
    /// The type.
    pub resource: ResourceType,
    /// Nothing outside is read or written.
    pub base: Dn,
    /// How far below.
    pub scope: Scope,
    /// What exists for this tenant (RFC 4515).
    pub filter: Filter,
    /// The attribute that holds the id.
    pub id: AttrName,
    /// How the directory spells it.
    pub id_form: IdForm,
    /// How entries are made; without it none are.
    pub create: Option<Create>,
    /// The attributes that the rule names, each once.
    pub attributes: Vec<Attribute>,
    /// What deleting does.
    pub on_delete: OnDelete,
    /// Whether making a resource that was disabled and moved away brings it back.
    pub revive: bool,
    /// Whom nobody may harm: a question of the mapping that names [`PROTECTED`] asks so.
    pub protect: Option<Protect>,
    /// The attribute that `display` of a reference to this type shows.
    pub display: Option<AttrName>,
    /// The line of the rule file where this is said, for findings about the directory.
    pub line: usize,
}

/// Which entries of a type are protected.
#[derive(Debug, Clone, PartialEq)]
pub struct Protect {
    /// Those that match this (RFC 4515).
    pub filter: Option<Filter>,
    /// Those with these ids, in small letters.
    pub ids: Vec<String>,
    /// The line of the rule file, for findings about the directory's schema.
    pub line: usize,
}

/// How far below the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Directly.
    One,
    /// At any depth.
    #[default]
    Sub,
}

/// How entries are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Create {
    /// The attribute that names the entry.
    pub rdn: AttrName,
    /// What is put after its value where the name is taken: text with `{attribute}` in it. Without
    /// it the creation fails.
    pub on_collision: Option<Pattern>,
    /// The object classes of a new entry.
    pub object_classes: Vec<String>,
    /// Where it is put.
    pub container: Container,
}

/// A text with attributes of the entry in it: ` ({uid})`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(pub Vec<Piece>);

/// A piece of a [`Pattern`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it is.
    Text(String),
    /// The value of an attribute.
    Attribute(AttrName),
}

/// Where new entries are put. A client chooses among these at most.
#[derive(Debug, Clone, PartialEq)]
pub enum Container {
    /// Always here.
    Fixed(Dn),
    /// Where the value of an attribute says; an entry whose value changes moves.
    Chosen {
        /// The attribute, in the directory's words.
        by: AttrName,
        /// Its values, compared without case, and what each means.
        values: Vec<(String, Dn)>,
        /// For every other value, and for none.
        otherwise: Dn,
    },
}

/// An attribute that the rule names.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// Its name.
    pub name: AttrName,
    /// How many values the rule maps.
    pub values: Values,
    /// How its values are spelled in resources.
    pub syntax: Syntax,
    /// The resources that it points to.
    pub reference: Option<Reference>,
    /// How it is set, where it is a secret: it is never read.
    pub secret: Option<Secret>,
    /// The object class that an entry must have for it; added with its first value.
    pub needs_class: Option<String>,
    /// Whether no two resources of the type may have one value of it.
    pub unique: bool,
    /// What the driver makes of it when an entry is made.
    pub made: Option<Made>,
    /// Whether its new value was made of the old one: a change takes that away by `remove` with it,
    /// and must fail where it is another by now, so that nobody's change is overwritten.
    pub guarded: bool,
    /// Whether a new entry can get it.
    pub created: bool,
    /// Whether clients may ask for resources by it.
    pub filtered: bool,
    /// The line of the rule file, for findings about the directory's schema.
    pub line: usize,
}

/// How many values of an attribute a rule maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// One: the first that the directory gives. Setting it sets them all.
    One,
    /// All.
    Many,
}

/// How values are spelled in resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Syntax {
    /// As they are: UTF-8.
    #[default]
    Text,
    /// Base64.
    Binary,
}

/// Resources that an attribute points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Of which types.
    pub to: Vec<ResourceType>,
    /// By what.
    pub by: By,
    /// Whether a value that points to nothing is left out and counted, instead of refused.
    pub drop_unresolved: bool,
    /// A value that stands for none, for classes that want at least one; never shown.
    pub placeholder: Option<Dn>,
}

/// By what an attribute points to an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// Its distinguished name.
    Dn,
    /// The value of an attribute, such as `uid` for `memberUid`.
    Attribute(AttrName),
    /// The other way round: the entries of `to` whose attribute points here. The attribute itself
    /// is in no entry and is never written.
    Inverse(AttrName),
}

/// How a secret is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secret {
    /// By the Password Modify extended operation (RFC 3062); at the creation as a value.
    Extended,
    /// As a value.
    Value,
    /// As Active Directory's `unicodePwd`: [`super::secret::unicode_pwd`].
    Unicode,
}

/// What a driver makes of an attribute when an entry is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// The next free number, taken from a counter by `delete` of the old and `add` of the new.
    Allocate {
        /// The lowest.
        low: u64,
        /// The highest.
        high: u64,
        /// The entry that counts.
        counter: Dn,
        /// The attribute of it; it holds the next one.
        attribute: AttrName,
    },
    /// The document has the text that candidates are made of ([`Candidates::nth`]); the entry gets
    /// the first that is not taken.
    Candidates(Candidates),
    /// Random text out of so many bytes ([`super::secret::random`]), where the document has none.
    Random(usize),
}

/// What deleting a resource does.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum OnDelete {
    /// The entry goes.
    #[default]
    Remove,
    /// It stays, outside the filter or the base.
    Keep {
        /// What becomes of it first.
        disable: Vec<Disable>,
        /// Where it goes.
        move_to: Option<Dn>,
    },
}

/// What disables an entry.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a rule has one or two of them")]
pub enum Disable {
    /// A change.
    Change(Change),
    /// Bits of a number: those of `mask` are set, or cleared; the others stay.
    Bits {
        /// The attribute.
        attribute: AttrName,
        /// Which.
        mask: u32,
        /// Set, or cleared.
        set: bool,
    },
}

impl Layout {
    /// Where the resources of the type live.
    #[must_use]
    pub fn home(&self, resource: &ResourceType) -> Option<&Home> {
        self.types.iter().find(|home| home.resource == *resource)
    }
}

impl Home {
    /// What the rule says of an attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name.is(name))
    }
}

impl Container {
    /// Where an entry with this value of the attribute belongs.
    #[must_use]
    pub fn for_value(&self, value: Option<&str>) -> &Dn {
        match self {
            Self::Fixed(dn) => dn,
            Self::Chosen {
                values, otherwise, ..
            } => {
                let fold = |text: &str| -> String { crate::scim::value::fold(text).collect() };
                let meant = value.map(fold);
                let found = values
                    .iter()
                    .find(|(key, _)| meant.as_deref() == Some(&fold(key)));
                found.map_or(otherwise, |(_, dn)| dn)
            }
        }
    }

    /// The attribute that it depends on.
    #[must_use]
    pub fn by(&self) -> Option<&AttrName> {
        match self {
            Self::Fixed(_) => None,
            Self::Chosen { by, .. } => Some(by),
        }
    }
}

impl Pattern {
    /// The text with the values of an entry; `None` where one is missing.
    #[must_use]
    pub fn fill<'a>(&self, value: impl Fn(&AttrName) -> Option<&'a str>) -> Option<String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Attribute(name) => text.push_str(value(name)?),
            }
        }
        Some(text)
    }
}

impl std::str::FromStr for Pattern {
    type Err = String;

    /// `{name}` is an attribute, everything else is text.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            if before.contains('}') {
                break;
            }
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let (name, after) = after.split_once('}').ok_or("a `{` is not closed")?;
            let name = name
                .parse()
                .map_err(|_| format!("`{{{name}}}` names no attribute"))?;
            pieces.push(Piece::Attribute(name));
            rest = after;
        }
        if rest.contains('}') {
            return Err("a `}` closes nothing".to_owned());
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        if pieces.iter().all(|piece| matches!(piece, Piece::Text(_))) {
            return Err("it holds no `{attribute}`, so it makes no two names differ".to_owned());
        }
        Ok(Self(pieces))
    }
}

/// In a question of the mapping it stands for all entries that are protected: `$protected pr`. No
/// attribute of an entry has such a name.
pub const PROTECTED: &str = "$protected";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_filled_from_the_entry() {
        let pattern: Pattern = " ({uid})".parse().unwrap();
        let value = |name: &AttrName| name.is("UID").then_some("b{x}");
        assert_eq!(pattern.fill(value).as_deref(), Some(" (b{x})"));
        assert_eq!(pattern.fill(|_| None), None);
        for wrong in ["", "2", "{", "}", "{}", "{a b}", "{uid}}", "}{uid}"] {
            assert!(wrong.parse::<Pattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_container_is_chosen_without_case() {
        let dn = |text: &str| text.parse::<Dn>().unwrap();
        let chosen = Container::Chosen {
            by: "department".parse().unwrap(),
            values: vec![("Sales".to_owned(), dn("ou=sales,o=x"))],
            otherwise: dn("ou=people,o=x"),
        };
        assert!(chosen.for_value(Some("SALES")).is_same(&dn("ou=sales,o=x")));
        for other in [None, Some(""), Some("sales,o=x")] {
            assert!(chosen.for_value(other).is_same(&dn("ou=people,o=x")));
        }
    }
}
