//! Tasks that end with their host: an attempt may stop anywhere, so each of them may be cut.

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
#[cfg(feature = "http")]
use tokio_util::task::task_tracker::TaskTrackerToken;

/// The tasks of a host.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    cut: CancellationToken,
}

impl Tasks {
    /// Begins a task; joining it gives `None` if it was cut.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<Option<T>> {
        self.tracker.spawn(self.cut.clone().run_until_cancelled_owned(task))
    }

    /// Counts as a task until it is dropped.
    #[cfg(feature = "http")]
    pub(crate) fn hold(&self) -> TaskTrackerToken {
        self.tracker.token()
    }

    /// Cuts all tasks where they stand, those to come as well.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }

    /// Whether somebody waits, or has waited, for the last to end.
    pub(crate) fn are_ending(&self) -> bool {
        self.tracker.is_closed()
    }

    /// Waits until no task is left.
    pub(crate) async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}
