//! Runs the garbage collector again and again.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use crate::collector::garbage;
use crate::engine::{Service, millis};

/// Runs until it is aborted, which it may be anywhere.
pub(super) async fn run(service: Arc<Service>) {
    let every = millis(service.limits.garbage_every).max(1);
    let mut is_complete = true;
    loop {
        // Hosts of one service should not all come at once.
        let pause = if is_complete { every / 2 + service.outside.random() % every } else { 1 };
        service.outside.sleep(Duration::from_millis(pause)).await;
        is_complete = match garbage::collect(&service).await {
            Ok(collected) => collected.is_complete,
            Err(error) => {
                warn!(%error, "the garbage collector cannot go on; it tries again");
                true
            }
        };
    }
}
