//! One request as a value, and its answer, each in the vocabulary of one side.
//!
//! An [`Operation<Client>`] becomes an [`Operation<Upstream>`] only through the mapping, and a
//! directory takes only the latter: forgetting to map does not compile.

use std::marker::PhantomData;
use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;

use super::json::Checked;
use super::name::{ResourceId, ResourceType};
use super::patch::Patch;
use super::path::AttrPath;
use super::query::Query;
use super::resource::Resource;

/// Whose vocabulary something is written in. Sealed: there are two.
pub trait Dialect: sealed::Sealed + Send + Sync + 'static {}

/// The vocabulary of the SCIM client: RFC 7643's names.
#[derive(Debug, Clone, Copy)]
pub enum Client {}

/// The vocabulary of the directory.
#[derive(Debug, Clone, Copy)]
pub enum Upstream {}

impl Dialect for Client {}
impl Dialect for Upstream {}

/// One operation on one resource type.
#[derive(Debug, Clone)]
pub struct Operation<D: Dialect> {
    /// Which resource type.
    pub resource: ResourceType,
    /// What is to be done.
    pub verb: Verb,
    /// Which attributes the answer is to carry; writes have answers too.
    pub projection: Projection,
    /// `If-Match` and `If-None-Match`.
    pub precondition: Precondition,
    dialect: PhantomData<D>,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub enum Verb {
    /// `POST /Users`.
    Create(Document),
    /// `GET /Users/{id}`.
    Read(ResourceId),
    /// `GET /Users` or `POST /Users/.search`.
    List(Query),
    /// `PUT /Users/{id}`.
    Replace(ResourceId, Document),
    /// `PATCH /Users/{id}`.
    Patch(ResourceId, Patch),
    /// `DELETE /Users/{id}`.
    Delete(ResourceId),
}

/// The kinds of [`Verb`], for permissions, metrics and messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VerbKind {
    /// A new resource.
    Create,
    /// One resource by id.
    Read,
    /// A query.
    List,
    /// A whole new state.
    Replace,
    /// A change of parts.
    Patch,
    /// The end of a resource.
    Delete,
}

/// A resource on its way: checked bytes that nobody has needed to take apart, or a tree.
#[derive(Debug, Clone)]
pub enum Document {
    /// Strict JSON, still as text.
    Checked(Checked),
    /// Taken apart.
    Tree(Resource),
}

impl Document {
    /// The document as a tree.
    #[must_use]
    pub fn into_tree(self) -> Resource {
        match self {
            Self::Checked(checked) => checked.parse(),
            Self::Tree(resource) => resource,
        }
    }

    /// The document as strict JSON.
    #[must_use]
    pub fn into_checked(self) -> Checked {
        match self {
            Self::Checked(checked) => checked,
            Self::Tree(resource) => Checked::of(&resource),
        }
    }

    /// The document as JSON text.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.into_checked().into_bytes()
    }
}

/// Which attributes an answer carries (RFC 7644 §3.9).
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Projection {
    /// The default set.
    #[default]
    All,
    /// `attributes=`: these, and what is always returned.
    Only(Vec<AttrPath>),
    /// `excludedAttributes=`: all but these.
    Except(Vec<AttrPath>),
}

/// Conditions on the version of the resource (RFC 7644 §3.14); each list as the header had it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Precondition {
    /// The entity tags of `If-Match`, quotes and `W/` included, or one `*`.
    pub if_match: Option<Vec<String>>,
    /// The same of `If-None-Match`.
    pub if_none_match: Option<Vec<String>>,
}

/// The answer to an operation.
#[derive(Debug)]
pub struct Reply<D: Dialect> {
    /// What came back.
    pub answer: Answer,
    /// The version of the resource as an entity tag, quotes included.
    pub etag: Option<String>,
    /// What follows a page of a list that was asked for by cursor.
    pub following: Option<Following>,
    dialect: PhantomData<D>,
}

/// What follows a page (RFC 9865).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Following {
    /// More, from this cursor on.
    More(String),
    /// Nothing.
    Nothing,
}

/// What came back.
#[derive(Debug)]
pub enum Answer {
    /// A resource was made; its representation, where the directory gave one.
    Created(Document),
    /// The resource.
    Resource(Document),
    /// The result of a query.
    List(Listing),
    /// Done, nothing to show.
    Nothing,
    /// `If-None-Match` matched.
    NotModified,
}

/// The result of a query.
pub enum Listing {
    /// A page in hand.
    Page {
        /// How many resources match in all, where that is known.
        total: Option<usize>,
        /// The 1-based index of the first.
        start: usize,
        /// The page.
        resources: Vec<Resource>,
    },
    /// Resources that come one by one.
    Stream {
        /// How many resources match in all, where that is known.
        total: Option<usize>,
        /// The 1-based index of the first.
        start: usize,
        /// The page.
        resources: BoxStream<Resource>,
    },
    /// A whole `ListResponse` as it arrives: unread and unchecked from a directory, finished
    /// towards a client.
    Bytes(BoxStream<Bytes>),
}

/// A stream that ends well or says why not.
pub type BoxStream<T> = Pin<Box<dyn Stream<Item = Result<T, Interrupted>> + Send>>;

/// Why a listing stopped before its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Interrupted {
    /// The connection went away.
    #[error("the directory's answer broke off")]
    Lost,
    /// Nothing came for too long, or the whole took too long.
    #[error("the directory's answer took too long")]
    TimedOut,
    /// It is not the JSON that it should be; the text says what and where, never values.
    #[error("the directory's answer is not a valid list: {0}")]
    Malformed(String),
    /// It is larger than allowed; the limit in bytes.
    #[error("the directory's answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// What a directory can do. Learnt by a background probe, or said by the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// It takes PATCH as RFC 7644 §3.5.2 has it.
    pub patch: bool,
    /// It keeps versions and honours `If-Match`.
    pub etag: bool,
    /// It compares the versions that it is told with what is there, whether or not it can be sure
    /// that nothing comes between that and the change.
    pub compares: bool,
    /// It evaluates filters.
    pub filter: bool,
    /// It sorts.
    pub sort: bool,
    /// It honours `startIndex` and `count`.
    pub page: bool,
    /// It takes PUT. One that does not is told what a PUT changes, as a PATCH.
    pub put: bool,
}

impl Abilities {
    /// What can be relied on before anything is known: filters and paging only.
    pub const LEAST: Self = Self {
        patch: false,
        etag: false,
        compares: false,
        filter: true,
        sort: false,
        page: true,
        put: true,
    };
}

impl<D: Dialect> Operation<D> {
    /// An operation without projection and preconditions.
    #[must_use]
    pub fn new(resource: ResourceType, verb: Verb) -> Self {
        Self {
            resource,
            verb,
            projection: Projection::All,
            precondition: Precondition::default(),
            dialect: PhantomData,
        }
    }

    /// The same with a projection.
    #[must_use]
    pub fn projected(self, projection: Projection) -> Self {
        Self { projection, ..self }
    }

    /// The same with preconditions.
    #[must_use]
    pub fn guarded(self, precondition: Precondition) -> Self {
        Self {
            precondition,
            ..self
        }
    }
}

impl Verb {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> VerbKind {
        match self {
            Self::Create(_) => VerbKind::Create,
            Self::Read(_) => VerbKind::Read,
            Self::List(_) => VerbKind::List,
            Self::Replace(..) => VerbKind::Replace,
            Self::Patch(..) => VerbKind::Patch,
            Self::Delete(_) => VerbKind::Delete,
        }
    }

    /// The resource that it is about, where it is about one that exists.
    #[must_use]
    pub fn id(&self) -> Option<&ResourceId> {
        match self {
            Self::Create(_) | Self::List(_) => None,
            Self::Read(id) | Self::Replace(id, _) | Self::Patch(id, _) | Self::Delete(id) => {
                Some(id)
            }
        }
    }
}

impl VerbKind {
    /// Whether it changes the directory.
    #[must_use]
    pub fn writes(self) -> bool {
        !matches!(self, Self::Read | Self::List)
    }

    /// The word for metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::List => "list",
            Self::Replace => "replace",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

impl<D: Dialect> Reply<D> {
    /// An answer without a version.
    #[must_use]
    pub fn new(answer: Answer) -> Self {
        Self {
            answer,
            etag: None,
            following: None,
            dialect: PhantomData,
        }
    }

    /// The same with the version of the resource.
    #[must_use]
    pub fn versioned(self, etag: Option<String>) -> Self {
        Self { etag, ..self }
    }
}

impl std::fmt::Debug for Listing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Page {
                total,
                start,
                resources,
            } => f
                .debug_struct("Page")
                .field("total", total)
                .field("start", start)
                .field("resources", &resources.len())
                .finish(),
            Self::Stream { total, start, .. } => f
                .debug_struct("Stream")
                .field("total", total)
                .field("start", start)
                .finish(),
            Self::Bytes(_) => f.write_str("Bytes"),
        }
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Client {}
    impl Sealed for super::Upstream {}
}
