//! Metrics: lines in CloudWatch's embedded metric format, printed at the end of each invocation.
//!
//! What the engine counts is described where it counts; this crate adds:
//!
//! | metric | counts |
//! |---|---|
//! | `beldi_failures_total`, by `type` | invocations that failed |
//! | `beldi_records_total`, by `source` and `outcome` | records of queues, streams and buses |
//! | `beldi_http_failures_total` | HTTP replies of 500 and above |

use std::io::{self, Write as _};

use metrics_cloudwatch_embedded::{Builder, Collector};
use tracing::warn;

/// Records metrics from now on, unless somebody else does.
pub(crate) fn install(namespace: &str, service: &str) -> Option<&'static Collector> {
    let (namespace, service) = (namespace.to_owned(), service.to_owned());
    // An error says that there is a recorder.
    Builder::new().cloudwatch_namespace(namespace).with_dimension("service", service).init().ok()
}

/// Prints what was recorded since the last time.
pub(crate) fn print(recorded: &Collector) {
    let mut lines = Vec::new();
    let printed = recorded.flush(&mut lines).and_then(|()| io::stdout().lock().write_all(&lines));
    if let Err(error) = printed {
        warn!(%error, "the metrics of this invocation are lost");
    }
}
