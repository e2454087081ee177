//! Counts the tries of transactions that were aborted to be begun again, as the engine tells of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Shared by its clones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Aborts(Arc<AtomicU64>);

impl Aborts {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S: Subscriber> Layer<S> for Aborts {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // Only the event of an aborted try has this field.
        if event.metadata().fields().field("aborted_try").is_some() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
