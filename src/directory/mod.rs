//! The systems behind: one trait, and a driver for each kind. A driver receives operations in its
//! own vocabulary and knows nothing of mappings, accounts or clients.

pub mod finding;
pub mod http;
pub mod ldap;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::net::TraceContext;
use crate::scim::operation::Abilities;
use crate::scim::{Operation, Reply, ResourceType, ScimType, Upstream};

pub use finding::{Finding, Weight};

/// A directory as the gateway sees it.
pub trait Directory: Send + Sync + 'static {
    /// What it can do, as far as is known by now. No I/O.
    fn abilities(&self) -> Abilities;

    /// Whether its lists can be asked for by cursor (RFC 9865).
    fn has_cursors(&self) -> bool {
        false
    }

    /// Whether it can be reached, as far as is known by now. No I/O.
    fn health(&self) -> Health;

    /// Learns what [`Self::abilities`] needs, where that is not known yet or no longer fresh: the
    /// gateway waits for it before it asks for the abilities. `None`, at nearly every request,
    /// where there is nothing to learn. Short, never fails, never asked twice at a time.
    fn prepare<'a>(&'a self, ask: &'a Ask) -> Option<Preparing<'a>> {
        let _ = ask;
        None
    }

    /// Where it is, for logs and labels: scheme, host and port, such as `https://ldap1:636`.
    fn name(&self) -> Arc<str>;

    /// Which of several servers is in use and what it offers, for `/status`, where there is something
    /// to say.
    fn server(&self) -> Option<Server> {
        None
    }

    /// The same number for two views of the same connections, such as those of two rules that reach
    /// one directory in the same way: they are asked after once.
    fn pool(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// How its connections are.
    fn vitals(&self) -> Vitals;

    /// Asks whether it is there, unless it is known from the last few seconds; [`Self::health`]
    /// says so afterwards. Short, never fails. For readiness and alerts, which must not depend on
    /// somebody asking.
    fn check<'a>(&'a self, ask: &'a Ask) -> Preparing<'a>;

    /// Compares the rule with what the directory says of itself; [`Self::findings`] says what came
    /// of it. It changes nothing, and stops nothing.
    fn examine<'a>(&'a self, ask: &'a Ask) -> Examining<'a> {
        let _ = ask;
        Box::pin(std::future::ready(Ok(())))
    }

    /// What does not fit between the rule and the directory, as [`Self::examine`] saw it last;
    /// `None` where that has not been yet. No I/O.
    fn findings(&self) -> Option<Arc<[Finding]>> {
        None
    }

    /// Whether a change that was made of the present resource is itself held to what it was made
    /// of, so that it needs neither a version nor a second look: it fails with
    /// [`DirectoryError::Precondition`] where that is another by now. No I/O.
    fn holds(&self, operation: &Operation<Upstream>) -> bool {
        let _ = operation;
        false
    }

    /// The same before a server that only exists for a rehearsal, and that server; `None` where this
    /// is no directory of LDAP. No I/O.
    fn rehearse(&self, scene: ldap::Scene) -> Option<Rehearsed> {
        let _ = scene;
        None
    }

    /// Carries the operation out. A write is sent at most once unless it is certain that nothing
    /// of it left; dropping the future of a read ends it, the future of a write is never dropped
    /// by the gateway.
    fn execute<'a>(&'a self, operation: Operation<Upstream>, ask: &'a Ask) -> Answering<'a>;
}

/// The future of [`Directory::execute`].
pub type Answering<'a> =
    Pin<Box<dyn Future<Output = Result<Reply<Upstream>, DirectoryError>> + Send + 'a>>;

/// The future of [`Directory::examine`].
pub type Examining<'a> = Pin<Box<dyn Future<Output = Result<(), DirectoryError>> + Send + 'a>>;

/// What [`Directory::rehearse`] gives.
pub type Rehearsed = (Arc<dyn Directory>, Arc<ldap::Rehearsal>);

/// The future of [`Directory::prepare`].
pub type Preparing<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What accompanies an operation.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The id of the client's request, for the directory's logs (`X-Request-Id`).
    pub request_id: Arc<str>,
    /// W3C trace context, handed on.
    pub traceparent: Option<TraceContext>,
    /// When the answer's head must be here.
    pub deadline: Instant,
}

/// Whether a directory can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Nothing has been asked yet.
    Unknown,
    /// The last exchange went well.
    Up,
    /// It did not; the reason is safe to show to an operator.
    Down(String),
}

/// The server that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it is: scheme, host and port.
    pub name: Arc<str>,
    /// Its maker's words on it.
    pub vendor: Option<String>,
    /// What it can do that not every server can; `None` where that is not known yet.
    pub offers: Option<Vec<&'static str>>,
    /// Those that could not be used when they were tried last, and why.
    pub away: Vec<(Arc<str>, String)>,
}

/// How the connections to a directory are. Counts go on when a reload opens a new pool to the same
/// place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Connections that stand.
    pub open: u64,
    /// Of these, how many carry no request.
    pub idle: u64,
    /// Requests that wait for a connection.
    pub waiting: u64,
    /// How often connecting failed.
    pub connect_failures: u64,
    /// How often a request was sent again because it had not arrived.
    pub retries: u64,
}

/// Where the resources of each type live in this directory: made from a rule, kept apart from the
/// connections, so that a change of a rule keeps those.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// One per resource type.
    pub types: Vec<Place>,
}

impl Layout {
    /// Where the resources of the type live.
    #[must_use]
    pub fn place(&self, resource: &ResourceType) -> Option<&Place> {
        self.types.iter().find(|place| place.resource == *resource)
    }
}

/// Where the resources of one type live.
#[derive(Debug, Clone)]
pub struct Place {
    /// The type.
    pub resource: ResourceType,
    /// For an HTTP directory: the path under its URL, such as `Users`.
    pub endpoint: Arc<str>,
    /// The attribute that holds the id, in the directory's words.
    pub id: Arc<str>,
}

/// Why a directory did not do what it was asked. Texts are in the directory's words: they go to
/// the log, and to the client only through `Plan::decode_error`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// It answered 400.
    #[error("the directory refused the request ({})", scim_type.map_or("no scimType", ScimType::as_str))]
    Refused {
        /// Its keyword, where it is one of the RFC's.
        scim_type: Option<ScimType>,
        /// Its explanation.
        detail: Option<String>,
    },
    /// It refused, for a reason that is known and told in words of our own: they go to the client as
    /// they are.
    #[error("the directory refused the request: {why}")]
    Declined {
        /// The keyword.
        scim_type: ScimType,
        /// The reason, which names nothing of the directory.
        why: &'static str,
    },
    /// There is no such resource.
    #[error("the directory has no such resource")]
    NotFound,
    /// A value that must be unique is taken.
    #[error("the directory has such a resource already")]
    Conflict {
        /// Its keyword.
        scim_type: Option<ScimType>,
        /// Its explanation.
        detail: Option<String>,
    },
    /// The version is not the one that was asked for.
    #[error("the resource has changed")]
    Precondition,
    /// It answered 429 or 503.
    #[error("the directory is busy ({status})")]
    Busy {
        /// 429 or 503.
        status: u16,
        /// What it said of when to come back, in seconds.
        retry_after: Option<u64>,
    },
    /// It answered 413.
    #[error("the directory says that the request is too large")]
    TooLarge,
    /// It answered 401 or 403: our own credentials do not do.
    #[error("the directory {what} ({0})", what = match .0 {
        403 => "does not let our account do this",
        _ => "does not accept our credentials",
    })]
    Credentials(u16),
    /// It cannot do this at all (501, or 405).
    #[error("the directory does not support this")]
    Unsupported,
    /// No connection, and nothing of the request left.
    #[error("the directory cannot be reached: {0}")]
    Unreachable(String),
    /// The connection was lost when the request may have arrived: the outcome is unknown.
    #[error("the connection to the directory was lost before its answer came")]
    Lost,
    /// The deadline passed; the outcome of a write is unknown.
    #[error("the directory did not answer in time")]
    TimedOut,
    /// Its answer makes no sense; the text says what, without values.
    #[error("the directory's answer is not understood: {0}")]
    Malformed(String),
    /// It answered with a 5xx of another kind.
    #[error("the directory failed ({0})")]
    Failed(u16),
    /// It failed in the middle of a change that takes several operations: some of them are done, and
    /// the same request again does the rest.
    #[error("the directory failed in the middle of a change")]
    Partly,
    /// Too many requests are waiting for it already.
    #[error("too many requests are waiting for the directory")]
    Overloaded,
}

/// How long things may take by default.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
