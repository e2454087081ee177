//! What the world outside a handler can be told. Handlers themselves never see one of these.

use std::fmt;

use crate::limits::MAX_REQUEST_KEY;
use crate::store::StoreError;

/// Why an instance was parked: a bug, or a limit. Retrying would not help; a person has to look.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reason {
    /// A stable code such as `undecodable_value`.
    pub code: String,
    /// What happened and what to do about it.
    pub message: String,
    /// The step at which it happened, if it was at one.
    pub step: Option<String>,
}

impl Reason {
    /// A reason without a step.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), step: None }
    }

    /// The reason, at a step.
    #[must_use]
    pub fn at(mut self, step: impl fmt::Display) -> Self {
        self.step.get_or_insert_with(|| step.to_string());
        self
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.step {
            Some(step) => write!(f, "{} (step {step})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Why there is no result. Each kind says what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The instance hit a bug or a limit and waits for a person: mend it, then resume it.
    #[error("instance `{key}` is parked: {reason}")]
    Parked {
        /// Its request key.
        key: String,
        /// Why.
        reason: Reason,
    },
    /// The instance goes on in the background: ask again with the same key.
    #[error(
        "instance `{key}` has not finished yet ({why}); it goes on, ask again with the same key"
    )]
    Unfinished {
        /// Its request key.
        key: String,
        /// What keeps it.
        why: String,
    },
    /// The attempt failed before it had changed anything: calling again is safe.
    #[error("the attempt failed before it changed anything: {reason}; calling again is safe")]
    Failed {
        /// Why.
        reason: Reason,
    },
    /// The store did not answer, so what the request came to is not known: ask again with the same
    /// key.
    #[error("it is not known how far instance `{key}` came ({why}); ask again with the same key")]
    InDoubt {
        /// Its request key.
        key: String,
        /// What the store said last.
        why: String,
    },
    /// The request key already names a request with other contents: choose another key.
    #[error(
        "request key `{key}` was used before for another request: a key names one request, choose a new one"
    )]
    KeyReused {
        /// The key.
        key: String,
    },
    /// No instance can have this request key: choose another.
    #[error(
        "request key `{}` cannot be used: it must have 1 to {MAX_REQUEST_KEY} bytes and not begin with `~`",
        key.escape_debug()
    )]
    BadKey {
        /// The key.
        key: String,
    },
    /// No SSF of that name: register it with `App::ssf`.
    #[error(
        "service `{service}` has no SSF `{ssf}`; it has {known}. Register it with `App::ssf({ssf})`"
    )]
    UnknownSsf {
        /// The service asked.
        service: String,
        /// The name asked for.
        ssf: String,
        /// The names there are.
        known: String,
    },
    /// The request cannot be read as what it should be: correct it.
    #[error("{0}")]
    BadRequest(String),
    /// No instance has this key.
    #[error(
        "no instance has the key `{key}`: it was never registered, changed nothing, or is collected"
    )]
    UnknownInstance {
        /// The key.
        key: String,
    },
    /// Only a parked instance can be resumed; this one runs, or has its result.
    #[error("instance `{key}` is not parked, so there is nothing to resume")]
    NotParked {
        /// Its request key.
        key: String,
    },
    /// The store refused; see [`StoreError::is_transient`] for whether to try again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The host could not start or go on: the text names the address or the file.
    #[error("{0}")]
    Host(String),
}

/// A result with beldi's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why JSON from outside is not the input of an SSF.
#[derive(Debug)]
#[cfg_attr(not(feature = "embedded"), expect(dead_code, reason = "for hosts that speak JSON"))]
pub(crate) enum InputError {
    /// It is not JSON.
    Syntax { message: String, line: usize, column: usize },
    /// It is JSON, but not of the input's type.
    Type { message: String, path: String },
    /// It is of the input's type, but cannot be stored.
    Value(Reason),
}
