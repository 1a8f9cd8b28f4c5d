//! Requests that came to an end before anything of them was sent.

use http::Method;

use crate::audit::{Record, Trail};
use crate::auth::{AuthError, TenantName};
use crate::gateway::error::GatewayError;
use crate::gateway::observe::Seen;
use crate::gateway::refusal::Refusal;
use crate::mapping::MappingError;
use crate::telemetry::OperationKind;

impl Seen {
    /// Whether a refusal is one for the trail, and is not told by whoever carries the request out.
    pub(in crate::gateway) fn is_told(&self, trail: &Trail, error: &GatewayError) -> bool {
        trail.is_on() && !self.told && !self.quiet && (self.wants_to_write() || is_authority(error))
    }

    /// Tells the trail of a refusal.
    pub(in crate::gateway) fn tell(&self, trail: &Trail, error: &GatewayError, refusal: &Refusal) {
        let shown = self.arrival.shown.as_ref();
        let why = match error {
            GatewayError::Auth(why) => Some(why),
            GatewayError::OAuth(error) => error.why.as_ref(),
            _ => None,
        };
        let (account, key) = match (&self.account, why) {
            (Some((account, key)), _) => (Some(&**account), Some(&**key)),
            (None, Some(AuthError::Elsewhere { account, key })) => (Some(&**account), Some(&**key)),
            (None, _) => (None, None),
        };
        let event = match self.operation {
            Some(OperationKind::Token) => "token_refused",
            _ => "refusal",
        };
        let record = Record::new(event, super::now())
            .text("request_id", &self.request_id)
            .maybe("trace_id", self.arrival.trace_id().as_deref())
            .maybe("account", account)
            .maybe("key", key)
            .text("peer", &self.peer.address.to_string())
            .maybe(
                "through",
                self.peer.through.map(|proxy| proxy.to_string()).as_deref(),
            )
            .maybe("certificate", self.certificate().as_deref())
            .maybe("tenant", self.tenant.as_ref().map(TenantName::as_str))
            .text("revision", &self.revision)
            .text("method", self.method.as_str())
            .maybe("path", shown.map(|shown| shown.path.as_str()))
            .maybe("verb", self.operation.map(OperationKind::as_str))
            .maybe("resource", self.resource.as_deref())
            // What a stranger calls an id is not taken over.
            .maybe(
                "id",
                account.and(shown).and_then(|shown| shown.id.as_deref()),
            );
        let record = reason(record, error, refusal);
        trail.tell(record.took(self.arrival.started.elapsed()));
    }

    fn wants_to_write(&self) -> bool {
        if self.method == Method::POST {
            let shown = self.arrival.shown.as_ref();
            return !shown.is_some_and(|shown| shown.path.ends_with("/.search"));
        }
        [Method::PUT, Method::PATCH, Method::DELETE].contains(&self.method)
    }
}

/// Adds what was answered, and why: in our own words, and in those of the client where they name
/// attributes and nothing else.
pub(super) fn reason(record: Record, error: &GatewayError, refusal: &Refusal) -> Record {
    let reason = match error {
        GatewayError::Mapping(MappingError::Forbidden(detail)) => detail,
        _ => &refusal.reason,
    };
    record
        .number("status", u64::from(refusal.error.status().as_u16()))
        .long("reason", reason)
}

/// Whether it was refused for who asks. How often somebody reads is the access line's to tell.
fn is_authority(error: &GatewayError) -> bool {
    matches!(
        error,
        GatewayError::Auth(_)
            | GatewayError::SeveralAuthorizations
            | GatewayError::Misdirected
            | GatewayError::NoTenant
            | GatewayError::Mapping(MappingError::Forbidden(_))
    )
}
