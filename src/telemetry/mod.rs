//! What an operator can see: metric families, the access log, operational logs. A leaf: it knows
//! the words of the protocol and nothing of how requests are served.

pub mod access;
pub mod json;
pub mod lines;
pub mod logging;
pub mod metrics;
pub mod traces;

pub use access::{AccessLog, Line};
pub use metrics::{
    AuthFailure, Certificate, CertificateUse, Counters, Denial, Direction, DirectoryScene, Fault,
    Issuing, Metrics, OperationKind, Outcome, Scene, TenantMetrics,
};
pub use traces::Tracer;
