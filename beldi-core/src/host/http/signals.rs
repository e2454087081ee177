//! When the operating system asks a process to stop.

use std::future::pending;
use std::io;

use tracing::warn;

/// Resolves at ctrl-c or, where there is one, SIGTERM.
pub(crate) async fn stop() {
    let asked = tokio::select! {
        asked = tokio::signal::ctrl_c() => asked,
        asked = terminated() => asked,
    };
    if let Err(error) = asked {
        warn!(%error, "signals cannot be heard; the host stops when it is killed");
        pending::<()>().await;
    }
}

#[cfg(unix)]
async fn terminated() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    signal(SignalKind::terminate())?.recv().await;
    Ok(())
}

#[cfg(not(unix))]
async fn terminated() -> io::Result<()> {
    pending().await
}
