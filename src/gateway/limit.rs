//! How much is taken from one account, and from one address that does not say who it is.

use crate::auth::rate::whole_seconds;
use crate::auth::throttle::{Leave, Verdict};
use crate::auth::{AuthError, Caller, Later};

use super::error::GatewayError;
use super::observe::{self, Seen};
use super::state::State;

/// One more request of an account.
pub(super) fn request(caller: &Caller, state: &State) -> Result<(), GatewayError> {
    let taken = state.rates().take(caller, state.age());
    taken.map_err(|wait| GatewayError::OverRate(whole_seconds(wait)))
}

/// The operations of a bulk request, of which one was counted with the request.
pub(super) fn operations(caller: &Caller, count: usize, state: &State) -> Result<(), GatewayError> {
    let more = count.saturating_sub(1);
    let taken = state.rates().take_more(caller, more, state.age());
    taken.map_err(|wait| GatewayError::OverRate(whole_seconds(wait)))
}

/// Somebody else has to be asked who this is. About a token that was good, they always are: whoever
/// shares an address with somebody who fails again and again is not locked out.
pub(super) fn asking<'a>(
    later: &Later,
    seen: &mut Seen,
    state: &'a State,
) -> Result<Option<Leave<'a>>, GatewayError> {
    if later.was_good {
        return Ok(None);
    }
    let leave = state.throttle().ask(seen.peer.address.ip(), state.age());
    leave.map(Some).map_err(|wait| {
        seen.quiet = true;
        GatewayError::Throttled(whole_seconds(wait))
    })
}

/// A request has failed: where nobody knows whose it is, and too many such came from its address,
/// it becomes another error, without an access line. Its true reason is counted all the same.
pub(super) fn throttled(error: GatewayError, seen: &mut Seen, state: &State) -> GatewayError {
    let who = match &error {
        GatewayError::Auth(error) => Some(error),
        GatewayError::OAuth(error) => error.why.as_ref(),
        _ => None,
    };
    let unknown = match who {
        None => matches!(error, GatewayError::SeveralAuthorizations),
        Some(error) => match error {
            AuthError::Missing
            | AuthError::Malformed
            | AuthError::Rejected(_)
            | AuthError::Certificate(_)
            | AuthError::Elsewhere { .. } => true,
            AuthError::Unavailable { .. }
            | AuthError::Narrow { .. }
            | AuthError::Tenant { .. }
            | AuthError::Forbidden { .. }
            | AuthError::Unmet { .. }
            | AuthError::Hidden { .. } => false,
        },
    };
    if !unknown {
        return error;
    }
    let address = seen.peer.address.ip();
    match state.throttle().failed(address, state.age()) {
        Verdict::Told => error,
        Verdict::Refused { wait, say } => {
            if let Some(count) = say {
                tracing::warn!(
                    %address,
                    count,
                    "too many requests without a valid token: they are answered 429, without an \
                     access line"
                );
            }
            seen.quiet = true;
            observe::count_refused(state.metrics(), seen.metrics(), &error);
            GatewayError::Throttled(whole_seconds(wait))
        }
    }
}
