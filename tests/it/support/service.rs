//! Instances behind one name, chosen as a Service of Kubernetes chooses: those that are ready.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::client::plain_get;
use super::program::Serving;

/// Asks every instance again and again whether it is ready. Ends when it is dropped.
pub(crate) struct Service {
    instances: Arc<Mutex<Vec<(SocketAddr, SocketAddr)>>>,
    ready: watch::Receiver<Vec<SocketAddr>>,
    task: AbortHandle,
}

impl Service {
    pub(crate) fn new() -> Self {
        let instances: Arc<Mutex<Vec<(SocketAddr, SocketAddr)>>> = Arc::default();
        let (told, ready) = watch::channel(Vec::new());
        let all = Arc::clone(&instances);
        let task = tokio::spawn(async move {
            loop {
                let instances = all.lock().unwrap().clone();
                let mut ready = Vec::new();
                for (probe, public) in instances {
                    let answer = plain_get(probe, "/readyz").await;
                    if answer.is_some_and(|(status, _)| status == 200) {
                        ready.push(public);
                    }
                }
                told.send_if_modified(|now| {
                    let changed = *now != ready;
                    *now = ready;
                    changed
                });
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        Self {
            instances,
            ready,
            task: task.abort_handle(),
        }
    }

    /// The addresses of the ready ones, as they change.
    pub(crate) fn ready(&self) -> watch::Receiver<Vec<SocketAddr>> {
        self.ready.clone()
    }

    /// An instance belongs to it from now on. Waits until it is ready.
    pub(crate) async fn add(&self, instance: &Serving) {
        let public = instance.public();
        self.instances
            .lock()
            .unwrap()
            .push((instance.probe(), public));
        self.until(|ready| ready.contains(&public)).await;
    }

    /// Waits until an instance is not chosen any more.
    pub(crate) async fn without(&self, public: SocketAddr) {
        self.until(|ready| !ready.contains(&public)).await;
    }

    /// An instance that has ended belongs to it no more.
    pub(crate) fn forget(&self, public: SocketAddr) {
        self.instances
            .lock()
            .unwrap()
            .retain(|(_, other)| *other != public);
    }

    async fn until(&self, holds: impl Fn(&Vec<SocketAddr>) -> bool) {
        let began = Instant::now();
        let mut ready = self.ready.clone();
        let told = ready.wait_for(|ready| holds(ready));
        let patience = Duration::from_secs(60);
        if tokio::time::timeout(patience, told).await.is_err() {
            panic!(
                "not so after {:?}: {:?}",
                began.elapsed(),
                self.ready.borrow()
            );
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}
