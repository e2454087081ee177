//! Logs: one line of JSON an event, with the fields of all spans around it.
//!
//! Levels are what `RUST_LOG` says, else `AWS_LAMBDA_LOG_LEVEL`, else `info`; but what the AWS SDK, its
//! HTTP client and the Lambda runtime tell below `info` is never shown, for it has tokens and payloads
//! in it.

use std::env;
use std::io;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Beginnings of the targets that show secrets when they are asked to tell much.
const TALKATIVE: [&str; 10] =
    ["aws_", "h2", "hyper", "lambda_", "log", "rustls", "tokio_rustls", "tonic", "tower", "want"];

/// The layer that [`run`](crate::run) logs with, to be put beside others.
///
/// `run` leaves a subscriber alone that is already there. So OpenTelemetry is one layer more: spans
/// have the names and fields that it expects (`otel.kind`), and nothing else has to change.
///
/// ```no_run
/// use tracing_subscriber::prelude::*;
///
/// # async fn example(app: beldi::App) -> Result<(), beldi_lambda::Error> {
/// tracing_subscriber::registry()
///     .with(beldi_lambda::logs())
///     // .with(tracing_opentelemetry::layer().with_tracer(tracer))
///     .init();
/// beldi_lambda::run(app).await
/// # }
/// ```
pub fn logs<S>() -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    logs_to(&asked_for(), io::stdout)
}

/// Logs from now on, unless somebody else does.
pub(crate) fn install() {
    // An error says that there is a subscriber.
    let _ = tracing_subscriber::registry().with(logs()).try_init();
}

fn asked_for() -> String {
    let set = |name| env::var(name).ok().filter(|levels| !levels.is_empty());
    set("RUST_LOG").or_else(|| set("AWS_LAMBDA_LOG_LEVEL")).unwrap_or_else(|| "info".to_owned())
}

fn logs_to<S, W>(levels: &str, writer: W) -> impl Layer<S> + Send + Sync + use<S, W>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().json().flatten_event(true);
    layer.with_current_span(false).with_writer(writer).with_filter(capped(levels))
}

/// The levels asked for, as far as they may be.
fn capped(levels: &str) -> Targets {
    let asked: Targets = levels.to_lowercase().parse().unwrap_or_default();
    let default = asked.default_level().unwrap_or(LevelFilter::INFO);
    let is_talkative = |target: &str| TALKATIVE.iter().any(|name| target.starts_with(name));
    let mut capped = Targets::new().with_default(default);
    for name in TALKATIVE {
        capped = capped.with_target(name, default.min(LevelFilter::INFO));
    }
    for (target, level) in &asked {
        let level = if is_talkative(target) { level.min(LevelFilter::INFO) } else { level };
        capped = capped.with_target(target, level);
    }
    capped
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn levels_are_what_is_asked_for() {
        assert!(capped("info").would_enable("beldi_core", &Level::INFO));
        assert!(!capped("info").would_enable("beldi_core", &Level::DEBUG));
        assert!(capped("WARN,beldi=debug").would_enable("beldi_core", &Level::DEBUG));
        assert!(!capped("WARN,beldi=debug").would_enable("aws_config", &Level::INFO));
        assert!(capped("no such level").would_enable("beldi_core", &Level::INFO));
    }

    #[test]
    fn what_shows_secrets_is_never_asked_for_more() {
        for levels in [
            "trace",
            "aws_sigv4=trace",
            "info,aws_smithy_runtime::client=trace",
            "hyper=trace,hyper_util::client::legacy=trace,debug",
        ] {
            for target in [
                "aws_sigv4::http_request",
                "aws_smithy_runtime::client",
                "hyper_util::client::legacy",
            ] {
                assert!(!capped(levels).would_enable(target, &Level::DEBUG), "{levels}: {target}");
            }
        }
        assert!(capped("trace").would_enable("my_function", &Level::TRACE));
    }
}
