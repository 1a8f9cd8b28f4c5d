//! The order to look at the files now: from a signal, or from an operator who waits for the outcome.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

/// Gives orders to whoever reloads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reloading(mpsc::Sender<Order>);

/// Where the orders arrive.
pub type Orders = mpsc::Receiver<Order>;

/// Somebody waits for a reload; the outcome goes to them.
pub type Order = oneshot::Sender<Outcome>;

/// What a reload came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The revision that serves now.
    pub revision: Arc<str>,
    /// Whether it is another than before.
    pub changed: bool,
    /// Why something does not serve, one line per mistake.
    pub errors: Vec<String>,
    /// What was found that stops nothing.
    pub warnings: Vec<String>,
}

impl Reloading {
    /// A place to give orders, and the place where they arrive.
    #[must_use]
    pub fn channel() -> (Self, Orders) {
        let (orders, arriving) = mpsc::channel(WAITING);
        (Self(orders), arriving)
    }

    /// Has the files looked at and waits for what comes of it. `None` when nobody reloads any
    /// more: the program ends.
    pub async fn now(&self) -> Option<Outcome> {
        let (order, outcome) = oneshot::channel();
        self.0.send(order).await.ok()?;
        outcome.await.ok()
    }
}

/// How many may wait at a time.
const WAITING: usize = 16;
