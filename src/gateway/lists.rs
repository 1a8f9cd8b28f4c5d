//! A directory's list as a whole, in its own words: for what we ask for ourselves, which is short.

use std::future::poll_fn;

use crate::directory::DirectoryError;
use crate::scim::Resource;
use crate::scim::frame::Framer;
use crate::scim::json;
use crate::scim::operation::{Interrupted, Listing};

/// A list in hand.
#[derive(Debug, Default)]
pub(super) struct List {
    /// How many match in all, where the directory said so.
    pub(super) total: Option<usize>,
    /// Those of this page.
    pub(super) resources: Vec<Resource>,
}

/// Reads it to its end.
pub(super) async fn read(listing: Listing) -> Result<List, DirectoryError> {
    match listing {
        Listing::Page {
            total, resources, ..
        } => Ok(List { total, resources }),
        Listing::Stream {
            total,
            resources: mut stream,
            ..
        } => {
            let mut resources = Vec::new();
            while let Some(next) = poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
                resources.push(next.map_err(broken)?);
            }
            Ok(List { total, resources })
        }
        Listing::Bytes(mut bytes) => {
            let mut framer = Framer::new(LARGEST);
            let (mut parts, mut resources, mut size) = (Vec::new(), Vec::new(), 0_usize);
            while let Some(part) = poll_fn(|cx| bytes.as_mut().poll_next(cx)).await {
                let part = part.map_err(broken)?;
                size = size.saturating_add(part.len());
                if size > LARGEST {
                    return Err(malformed("it is too large"));
                }
                framer
                    .push(&part, &mut parts)
                    .map_err(|error| malformed(&error.to_string()))?;
                for text in parts.drain(..) {
                    let checked = json::check(text).map_err(|e| malformed(&e.to_string()))?;
                    resources.push(checked.parse());
                }
            }
            let envelope = framer.finish().map_err(|e| malformed(&e.to_string()))?;
            Ok(List {
                total: envelope.total,
                resources,
            })
        }
    }
}

fn broken(error: Interrupted) -> DirectoryError {
    match error {
        Interrupted::Lost => DirectoryError::Lost,
        Interrupted::TimedOut => DirectoryError::TimedOut,
        Interrupted::Malformed(why) => DirectoryError::Malformed(why),
        Interrupted::TooLarge(_) => malformed("it is too large"),
    }
}

fn malformed(why: &str) -> DirectoryError {
    DirectoryError::Malformed(format!("a list of the directory: {why}"))
}

/// The largest list, in bytes.
const LARGEST: usize = 16 * 1024 * 1024;
