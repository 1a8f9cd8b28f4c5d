//! The keeper of keys: for every issuer whose keys are at a URL, one task that keeps them at hand.
//! Nobody waits for it at a start or a reload: tokens of an issuer that was never reached are told
//! so when they come.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::{JoinHandle, JoinSet};

use crate::auth::trust::Ring;
use crate::config::Live;

/// The keeper at work; it ends when this is dropped, and its tasks with it.
#[derive(Debug)]
pub(super) struct Keeper(JoinHandle<()>);

impl Keeper {
    /// Begins, on the runtime of the caller, over what `live` holds from one moment to the next.
    pub(super) fn begin(live: Arc<Live>) -> Self {
        Self(tokio::spawn(keep(live)))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn keep(live: Arc<Live>) {
    let mut changes = live.changes();
    // Dropping the set ends what is in it.
    let mut tasks = JoinSet::new();
    let mut kept = HashMap::new();
    loop {
        let trusts = Arc::clone(live.current().auth.trusts());
        let rings = trusts.rings().map(|ring| (place(&ring), ring));
        let rings: HashMap<usize, Arc<Ring>> = rings.collect();
        // Those that serve from one access file to the next keep their task.
        kept.retain(|place, task: &mut (Arc<Ring>, tokio::task::AbortHandle)| {
            let stays = rings.contains_key(place);
            if !stays {
                task.1.abort();
            }
            stays
        });
        for (place, ring) in rings {
            kept.entry(place).or_insert_with(|| {
                let its = Arc::clone(&ring);
                (ring, tasks.spawn(async move { its.keep().await }))
            });
        }
        loop {
            tokio::select! {
                changed = changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    break;
                }
                Some(_) = tasks.join_next() => {}
            }
        }
    }
}

/// What tells one from another as long as it is held.
fn place(ring: &Arc<Ring>) -> usize {
    Arc::as_ptr(ring).addr()
}
