//! Why an invocation fails.
//!
//! What an SSF returns is a result, also its `Err`; a failure is what keeps it from a result. Lambda
//! counts failures, retries asynchronous invocations that failed, and tells callers the error type.

use std::fmt;

use beldi::Error;
use beldi::store::StoreError;
use lambda_runtime::Diagnostic;
use metrics::counter;
use tracing::error;

/// Why an invocation has no result.
///
/// ```
/// use beldi::{App, store::MemoryStore};
/// use beldi_lambda::{FailureKind, Function};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let host = Function::new(App::new("travel")).open(MemoryStore::new())?;
/// let event = serde_json::from_str(r#"{ "ssf": "book", "input": null }"#)?;
/// let failure = host.invoke(event, &Default::default()).await.unwrap_err();
/// assert_eq!(failure.kind(), FailureKind::BadRequest);
/// assert_eq!(failure.kind().error_type(), "Beldi.BadRequest");
/// # Ok(()) }
/// ```
#[derive(Clone, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    kind: FailureKind,
    message: String,
}

/// The kinds of [`Failure`], and what to do about each. See [`Failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The payload is no event this function can read: mend who sends it.
    BadEvent,
    /// The event names no SSF there is, or its input or key cannot be used: mend the request.
    BadRequest,
    /// An internal message is not sealed with a key this service knows: compare `BELDI_PEERS` of both.
    Refused,
    /// The instance hit a bug or a limit and waits for a person: mend it, then resume it.
    Parked,
    /// The attempt failed before it had changed anything: calling again is safe.
    Failed,
    /// The instance goes on in the background: ask again with the same key.
    Unfinished,
    /// The store did not answer: ask again with the same key.
    StoreUnavailable,
    /// The store refuses: its table, its permissions, or what it keeps must be mended.
    StoreFailed,
    /// The function is not set up as it must be: the message names the variable.
    Misconfigured,
}

impl FailureKind {
    /// What Lambda shows as `errorType`; it never changes, so retries and alarms may ask for it.
    pub fn error_type(self) -> &'static str {
        match self {
            Self::BadEvent => "Beldi.BadEvent",
            Self::BadRequest => "Beldi.BadRequest",
            Self::Refused => "Beldi.Refused",
            Self::Parked => "Beldi.Parked",
            Self::Failed => "Beldi.Failed",
            Self::Unfinished => "Beldi.Unfinished",
            Self::StoreUnavailable => "Beldi.StoreUnavailable",
            Self::StoreFailed => "Beldi.StoreFailed",
            Self::Misconfigured => "Beldi.Misconfigured",
        }
    }

    /// Whether the same event may succeed when it is delivered again.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Failed | Self::Unfinished | Self::StoreUnavailable)
    }
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn bad_event(message: impl Into<String>) -> Self {
        Self::new(FailureKind::BadEvent, message)
    }

    pub(crate) fn misconfigured(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Misconfigured, message)
    }

    /// What was begun goes on elsewhere.
    pub(crate) fn out_of_time() -> Self {
        let text =
            "the invocation's time is over; what it has begun goes on, ask again with the same key";
        Self::new(FailureKind::Unfinished, text)
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Makes it visible: one line, and a count by type.
    pub(crate) fn report(&self) {
        let error_type = self.kind.error_type();
        counter!("beldi_failures_total", "type" => error_type).increment(1);
        error!(error_type, reason = self.reason(), "the invocation failed");
    }

    /// What logs may say of it: not what is wrong with a payload, for that shows what is in it.
    pub(crate) fn reason(&self) -> &str {
        match self.kind {
            FailureKind::BadEvent | FailureKind::BadRequest => "only the caller is told",
            _ => &self.message,
        }
    }
}

/// What the runtime logs, and what `main` ends with.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Failure").field(&self.kind).field(&self.reason()).finish()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Parked { .. } => FailureKind::Parked,
            Error::Failed { .. } => FailureKind::Failed,
            Error::Unfinished { .. } => FailureKind::Unfinished,
            Error::InDoubt { .. } | Error::Store(StoreError::Unavailable(_)) => {
                FailureKind::StoreUnavailable
            }
            Error::Letter(_) => FailureKind::Refused,
            Error::Store(_) | Error::UnreadableOutput(_) => FailureKind::StoreFailed,
            Error::KeyReused { .. }
            | Error::BadKey { .. }
            | Error::UnknownSsf { .. }
            | Error::BadRequest(_)
            | Error::UnknownInstance { .. }
            | Error::NotParked { .. } => FailureKind::BadRequest,
            _ => FailureKind::Misconfigured,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.kind.error_type().to_owned(), error_message: failure.message }
    }
}
