//! Access tokens of our own that were given out.

use std::sync::Arc;
use std::time::SystemTime;

use crate::audit::{Record, Trail};
use crate::auth::issue::Issued;
use crate::gateway::observe::Seen;

impl Seen {
    /// Tells the trail of a token: whose it is and what for, and nothing of the token itself.
    pub(in crate::gateway) fn issued(&self, trail: &Trail, issued: &Issued, now: SystemTime) {
        if !trail.is_on() {
            return;
        }
        let (account, key) = match &self.account {
            Some((account, key)) => (Some(&**account), Some(&**key)),
            None => (None, None),
        };
        let through = self.peer.through.map(|proxy| proxy.to_string());
        let record = Record::new("token_issued", now)
            .text("request_id", &self.request_id)
            .maybe("trace_id", self.arrival.trace_id().as_deref())
            .maybe("account", account)
            .maybe("key", key)
            .text("peer", &self.peer.address.to_string())
            .maybe("through", through.as_deref())
            .maybe("certificate", self.certificate().as_deref())
            .text("revision", &self.revision)
            .long("scope", &issued.scope)
            .number("seconds", issued.lifetime.as_secs());
        trail.tell(record.took(self.arrival.started.elapsed()));
    }

    /// The start of the hash of the certificate that the client showed.
    pub(in crate::gateway) fn certificate(&self) -> Option<Arc<str>> {
        let shown = self.peer.certificate.as_ref();
        shown.map(|certificate| Arc::clone(certificate.key()))
    }
}
