//! `POST /.search` at the Tenant URL: one query over all resource types (RFC 7644 §3.4.3), asked
//! as one query per type, in the order of the rule, and put together to one page.

use std::future::poll_fn;

use bytes::{Bytes, BytesMut};
use serde_json::Value;

use crate::auth::AuthError;
use crate::mapping::MappingError;
use crate::scim::message;
use crate::scim::operation::{Answer, Listing, Verb};
use crate::scim::resource::get;
use crate::scim::{Client, Operation, ScimError, ScimType};

use super::error::GatewayError;
use super::run::{self, Context};

/// Asks each type for its part of the page. A type that the account may not read is left out; one
/// that has no attribute of the filter's matches nothing. Only if that goes for all of them, it
/// is an error.
pub(super) async fn search(
    context: &Context,
    operations: Vec<Operation<Client>>,
) -> Result<Bytes, GatewayError> {
    let mut page = Page::default();
    let (mut answered, mut refused) = (false, None);
    for mut operation in operations {
        if let Verb::List(query) = &mut operation.verb {
            context.bound(query);
            page.begin(query.start_index.unwrap_or(1), query.count);
            query.start_index = Some(page.skip + 1);
            query.count = page.wanted;
        }
        match run::run(context, operation).await {
            Ok(reply) => {
                answered = true;
                if let Answer::List(listing) = reply.answer {
                    page.take(listing).await?;
                }
            }
            // What is forbidden is said before what another type does not have.
            Err(error) if is_of_one_type(&error) => match &refused {
                Some(GatewayError::Mapping(MappingError::Forbidden(_))) => {}
                _ => refused = Some(error),
            },
            Err(error) => return Err(error),
        }
    }
    match refused {
        Some(error) if !answered => Err(error),
        _ => Ok(message::list(page.total, page.start, &page.resources)),
    }
}

/// Whether an error says nothing about the other types.
fn is_of_one_type(error: &GatewayError) -> bool {
    matches!(
        error,
        GatewayError::Auth(AuthError::Forbidden { .. })
            | GatewayError::Mapping(MappingError::Forbidden(_))
            | GatewayError::Mapping(MappingError::Refused(
                ScimType::InvalidFilter | ScimType::InvalidPath,
                _
            ))
    )
}

/// The page as far as it has come.
#[derive(Default)]
struct Page {
    begun: bool,
    start: usize,
    /// How many matches are still to be passed over.
    skip: usize,
    /// How many are still wanted, where the client said so.
    wanted: Option<usize>,
    total: usize,
    bytes: usize,
    resources: Vec<Value>,
}

impl Page {
    fn begin(&mut self, start: usize, count: Option<usize>) {
        if !self.begun {
            *self = Self {
                begun: true,
                start: start.max(1),
                skip: start.saturating_sub(1),
                wanted: count,
                ..Self::default()
            };
        }
    }

    async fn take(&mut self, listing: Listing) -> Result<(), GatewayError> {
        let (total, resources) = match listing {
            Listing::Page {
                total, resources, ..
            } => {
                let resources: Vec<Value> = resources.into_iter().map(Value::from).collect();
                (total, resources)
            }
            Listing::Stream {
                total,
                mut resources,
                ..
            } => {
                let mut taken = Vec::new();
                while let Some(next) = poll_fn(|cx| resources.as_mut().poll_next(cx)).await {
                    taken.push(next?.into());
                }
                (total, taken)
            }
            Listing::Bytes(mut bytes) => {
                let mut text = BytesMut::new();
                while let Some(part) = poll_fn(|cx| bytes.as_mut().poll_next(cx)).await {
                    text.extend_from_slice(&part?);
                    self.bounded(text.len())?;
                }
                self.bytes += text.len();
                whole(&text)
            }
        };
        let total = total.unwrap_or(self.skip + resources.len());
        self.total += total;
        let left = total.saturating_sub(self.skip);
        self.skip = self.skip.saturating_sub(total);
        self.wanted = match self.wanted {
            // The directory's own page ended before the type did: the page ends there as well,
            // for the client goes on from what it has got.
            _ if resources.len() < left => Some(0),
            wanted => wanted.map(|wanted| wanted.saturating_sub(resources.len())),
        };
        self.resources.extend(resources);
        Ok(())
    }

    fn bounded(&self, more: usize) -> Result<(), GatewayError> {
        if self.bytes + more <= MOST {
            return Ok(());
        }
        let text = format!("the page has more than {MOST} bytes; ask for fewer with `count`");
        Err(GatewayError::Scim(ScimError::bad(ScimType::TooMany, text)))
    }
}

/// A list of our own making, taken apart.
fn whole(text: &[u8]) -> (Option<usize>, Vec<Value>) {
    let Ok(Value::Object(mut list)) = serde_json::from_slice(text) else {
        return (None, Vec::new());
    };
    let total = get(&list, "totalResults").and_then(Value::as_u64);
    let resources = match list.get_mut("Resources").map(Value::take) {
        Some(Value::Array(resources)) => resources,
        _ => Vec::new(),
    };
    (total.and_then(|n| usize::try_from(n).ok()), resources)
}

/// A page over all types is put together in memory: at most this many bytes of it.
const MOST: usize = 16 * 1024 * 1024;
