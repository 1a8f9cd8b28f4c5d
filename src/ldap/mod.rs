//! The words of LDAP that both the rules and the driver need: distinguished names, filters as
//! text, binary ids, the form of secrets, values that are made here, and the layout of a
//! directory's entries. Pure.
//!
//! # How an entry looks to the mapping
//!
//! A [`Resource`](crate::scim::Resource) in the directory's words: attribute names, in any case,
//! with their values.
//!
//! - An attribute of which the rule maps one value ([`layout::Values::One`]) is a text: the first
//!   value that the directory gave. All others are arrays of texts. An attribute without values is
//!   not there.
//! - Values are texts as the directory spells them (`TRUE`, `42`, `20261101080000Z`); values of a
//!   binary attribute ([`layout::Syntax::Binary`]) are base64.
//! - The id attribute is a text as clients see it ([`id::IdForm`]), whatever its syntax.
//! - A reference ([`layout::Reference`]) is the id of the resource that it points to, outside and
//!   in; read of an attribute with many values it may be `{value, type, display}`.
//!
//! Changes ([`Change`](crate::scim::patch::Change)) towards a directory of this kind have one path
//! without parts and are one of four: `add` with an array adds these values (one that is there is
//! success); `remove` with an array removes these (one that is not there is success, but for one
//! that is [`guarded`](layout::Attribute::guarded)); `remove` without a value removes all; `replace` sets the
//! attribute to one text or to an array.
//!
//! A comparison whose path has the URN `urn:oid:…` asks by that matching rule:
//! `urn:oid:1.2.840.113556.1.4.803:userAccountControl eq "2"` is
//! `(userAccountControl:1.2.840.113556.1.4.803:=2)`. `$protected pr` ([`layout::PROTECTED`]) asks for
//! those that the rule protects for what they are.

pub mod attribute;
pub mod ber;
pub mod dn;
pub mod filter;
pub mod id;
pub mod layout;
pub mod made;
pub mod secret;

pub use dn::{Dn, Rdn};
pub use filter::Filter;
pub use id::IdForm;
pub use layout::Layout;
