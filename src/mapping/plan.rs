//! A tenant's mapping, compiled: operations in, operations out; replies in, replies out.

mod conditions;
mod decode;
mod delta;
mod discreet;
mod document;
mod effect;
mod encode;
mod explain;
mod filter;
mod harm;
mod patch;
mod projection;
mod protect;
mod put;
mod scoped;
mod stream;

use std::sync::Arc;

pub use conditions::Present;
pub use discreet::Discretion;
pub use effect::Effect;
pub use harm::members;
pub use protect::{Membership, Question, Search, Touched};

use crate::auth::{Permitted, Scope, Sight};
use crate::ldap::Layout;
use crate::ldap::layout::Flavor;
use crate::scim::operation::{Abilities, Projection};
use crate::scim::schema::TypeSchema;
use crate::scim::{
    Client, Operation, Reply, Resource, ResourceType, ScimError, ScimType, Upstream,
};
use crate::yaml::Diagnostics;

use super::compile::{self, Line, Type};
use super::kind::Class;
use super::ruleset::{GuardRule, Ruleset};
use super::witness::Witness;

/// Everything that one tenant's rule says about attributes. It knows the Tenant URL: every
/// location is made from that.
#[derive(Debug)]
pub struct Plan {
    pub(super) base: Arc<str>,
    pub(super) accents: bool,
    pub(super) flavor: Option<Flavor>,
    pub(super) guard: Option<GuardRule>,
    /// Whether the directory itself keeps references right, unique values unique, and `memberOf`.
    pub(super) keeps: (bool, bool, bool),
    pub(super) types: Vec<Type>,
}

/// Why an operation must see the present resource before it can be sent, and what of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Need {
    /// In the directory's words.
    pub projection: Projection,
    /// For the log and `explain`: `patch without PATCH`, `put overlay`, `mapping with memory`.
    pub why: &'static str,
}

/// The present resource, read once by the gateway for everyone who needs it.
#[derive(Debug, Clone)]
pub struct Before {
    /// As the directory has it.
    pub resource: Resource,
    /// What makes sure that it is still so when the write arrives.
    pub guard: Guard,
}

/// What makes sure that nobody wrote in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// The directory's version, sent back as `If-Match`.
    Version(String),
    /// Nothing but a second look just before the write.
    None,
}

/// An operation in the directory's words.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each request, and it is moved once"
)]
pub enum Encoded {
    /// To be asked of the directory.
    Ask(Operation<Upstream>),
    /// A query that provably matches nothing; there is nothing to ask.
    Empty,
    /// A write that would change nothing; the answer is the present resource, in the directory's
    /// words: decode it as the answer to a read.
    Unchanged(Resource),
}

/// What of the request the answer needs: who may see what, and what was asked for.
#[derive(Debug, Clone)]
pub struct View {
    /// The type.
    pub resource: ResourceType,
    /// What the caller may see.
    pub scope: Scope,
    /// Where that differs from resource to resource: what tells it.
    pub sight: Option<Sight>,
    /// What was asked for, in the client's words.
    pub projection: Projection,
    /// The 1-based index that a query asked for.
    pub start: usize,
    /// The page to cut out of an answer from a directory that does not page; 1-based, and how
    /// many.
    pub cut: Option<(usize, Option<usize>)>,
}

/// Why a request cannot be brought into the directory's words, or an answer not back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MappingError {
    /// The client's fault: 400 with a keyword; the text is in the client's words.
    Refused(ScimType, String),
    /// The account may not change an attribute that the request names, or not ask about it: 403;
    /// the text is in the client's words.
    Forbidden(String),
    /// The directory's answer makes no sense; the text is for the log.
    Malformed(String),
    /// The client's `If-Match` cannot be held with this directory: 412.
    NoVersions,
    /// The client's `If-Match` names another version than the present one: 412.
    Changed,
}

/// One line of the rule, for `postern check`.
#[derive(Debug, Clone, Copy)]
pub struct LineView<'a> {
    /// The type.
    pub resource: &'a ResourceType,
    /// The line of the file.
    pub number: usize,
    /// The SCIM side as written.
    pub scim: &'a str,
    /// The directory's side as written.
    pub target: &'a str,
    /// What kind of line it is: `rename`, `value table`, …
    pub kind: &'static str,
    /// What comes back of what was sent.
    pub class: &'a Class,
}

impl Plan {
    /// Compiles a rule, with warnings.
    ///
    /// # Errors
    /// Every mistake of the rule.
    pub fn compile(rules: &Ruleset) -> Result<(Self, Diagnostics), Diagnostics> {
        compile::plan(rules)
    }

    /// The type at a path segment (`Users`), compared with case.
    #[must_use]
    pub fn endpoint(&self, segment: &str) -> Option<&TypeSchema> {
        self.types
            .iter()
            .map(|ty| &ty.held)
            .find(|schema| &*schema.endpoint == segment)
    }

    /// All types, as this tenant can truly hold them.
    pub fn types(&self) -> impl Iterator<Item = &TypeSchema> {
        self.types.iter().map(|ty| &ty.held)
    }

    /// Every line, in the order of the rule.
    pub fn lines(&self) -> impl Iterator<Item = LineView<'_>> {
        self.types.iter().flat_map(|ty| {
            ty.lines.iter().map(|line| LineView {
                resource: &ty.held.name,
                number: line.number,
                scim: &line.scim_text,
                target: &line.target_text,
                kind: line.what,
                class: &line.kind.touches().class,
            })
        })
    }

    /// All that a driver must know of the rule, where the directory speaks LDAP.
    #[must_use]
    pub fn layout(&self) -> Option<Layout> {
        Some(Layout {
            flavor: self.flavor?,
            keeps_references: self.keeps.0,
            keeps_unique: self.keeps.1,
            keeps_memberships: self.keeps.2,
            types: self.types.iter().filter_map(|ty| ty.home.clone()).collect(),
        })
    }

    /// Whether client accents are accepted.
    #[must_use]
    pub fn accepts_accents(&self) -> bool {
        self.accents
    }

    /// All types with all that the RFC, and the rule's own schemas, say of them.
    pub fn schemas(&self) -> impl Iterator<Item = &TypeSchema> {
        self.types.iter().map(|ty| &ty.full)
    }

    /// Refuses an operation that names what the account may not change or see. [`Plan::encode`]
    /// does so too; this is for whoever must know before the present resource is read.
    ///
    /// # Errors
    /// [`MappingError::Forbidden`], and what is wrong with the document.
    pub fn permit(&self, permitted: &Permitted) -> Result<(), MappingError> {
        let (operation, scope) = (permitted.operation(), permitted.scope());
        let Some(ty) = self.ty(&operation.resource).filter(|_| !scope.is_whole()) else {
            return Ok(());
        };
        self.permitted(ty, &scope.based(&ty.held.base.id), operation)
    }

    /// What the operation must know of the present resource, if anything. `None` means one round
    /// trip.
    #[must_use]
    pub fn need(&self, permitted: &Permitted, abilities: Abilities) -> Option<Need> {
        if permitted.is_open() {
            return Some(Need {
                projection: Projection::All,
                why: "condition of a role",
            });
        }
        self.need_of(permitted.operation(), permitted.scope(), abilities)
    }

    /// Brings an operation into the directory's words. Where [`Plan::need`] said so, `before` must
    /// be there.
    ///
    /// # Errors
    /// See [`MappingError`].
    pub fn encode(
        &self,
        permitted: Permitted,
        abilities: Abilities,
        before: Option<&Before>,
        witness: &mut impl Witness,
    ) -> Result<(Encoded, View), MappingError> {
        if permitted.is_open() {
            let text = "the conditions of the account's roles were not looked at";
            return Err(MappingError::Malformed(text.to_owned()));
        }
        let sight = permitted.sight();
        let (operation, scope) = permitted.into_parts();
        self.encode_operation(operation, (&scope, sight), abilities, before, witness)
    }

    /// Brings an answer into the client's words. Every location in it is made from the Tenant
    /// URL. Lists are rewritten one resource at a time as they are read from the answer.
    ///
    /// # Errors
    /// [`MappingError::Malformed`].
    pub fn decode<W: Witness + Send + 'static>(
        self: &Arc<Self>,
        reply: Reply<Upstream>,
        view: &View,
        witness: W,
    ) -> Result<Reply<Client>, MappingError> {
        self.decode_reply(reply, view, witness)
    }

    /// Brings a directory's explanation into the client's words where every name in it can be
    /// brought back; else `None`, and a general text is used.
    #[must_use]
    pub fn decode_error(&self, resource: &ResourceType, detail: &str) -> Option<String> {
        let ty = self.ty(resource)?;
        explain::detail(ty, detail).or_else(|| {
            // Without the attribute that is meant, where the client does not know it.
            let (text, _) = detail.rsplit_once(": `")?;
            explain::detail(ty, text)
        })
    }

    pub(super) fn ty(&self, resource: &ResourceType) -> Option<&Type> {
        self.types.iter().find(|ty| ty.held.name == *resource)
    }

    pub(super) fn known(&self, resource: &ResourceType) -> Result<&Type, MappingError> {
        self.ty(resource).ok_or_else(|| {
            let text = format!("there are no resources of type `{resource}` here");
            MappingError::Refused(ScimType::InvalidValue, text)
        })
    }

    /// The location of a resource.
    pub(super) fn location(&self, endpoint: &str, id: &str) -> String {
        let mut url = String::with_capacity(self.base.len() + endpoint.len() + id.len() + 2);
        url.push_str(&self.base);
        url.push('/');
        url.push_str(endpoint);
        url.push('/');
        for byte in id.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~@!$'()*,;:=+&".contains(&byte) {
                url.push(char::from(byte));
            } else {
                url.push('%');
                for digit in [byte >> 4, byte & 15] {
                    url.push(
                        char::from_digit(u32::from(digit), 16)
                            .map_or('0', |c| c.to_ascii_uppercase()),
                    );
                }
            }
        }
        url
    }
}

/// Whether a line writes when a resource is made.
pub(super) fn creates(line: &Line) -> bool {
    use super::ruleset::Direction::{Both, Create, Write};
    matches!(line.direction, Both | Write | Create)
}

/// Whether a line writes when a resource is there.
pub(super) fn changes(line: &Line) -> bool {
    use super::ruleset::Direction::{Both, Write};
    matches!(line.direction, Both | Write)
}

/// Whether a line reads.
pub(super) fn reads(line: &Line) -> bool {
    use super::ruleset::Direction::{Both, Create, Read};
    matches!(line.direction, Both | Create | Read)
}

pub(super) fn refused(kind: ScimType, detail: impl Into<String>) -> MappingError {
    MappingError::Refused(kind, detail.into())
}

impl From<MappingError> for ScimError {
    fn from(error: MappingError) -> Self {
        let precondition =
            |text: &str| Self::new(http::StatusCode::PRECONDITION_FAILED, None, text);
        match error {
            MappingError::Refused(kind, detail) => Self::bad(kind, detail),
            MappingError::Forbidden(detail) => Self::new(http::StatusCode::FORBIDDEN, None, detail),
            MappingError::Malformed(_) => Self::new(
                http::StatusCode::BAD_GATEWAY,
                None,
                "the directory's answer could not be understood",
            ),
            MappingError::NoVersions => {
                precondition("the directory keeps no versions, so If-Match cannot be held")
            }
            MappingError::Changed => {
                precondition("the resource has another version than If-Match names")
            }
        }
    }
}
