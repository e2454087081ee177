//! Replies that are no output: `{"error": {"code", "message", ..}}`.
//!
//! Codes are stable; messages are for people. "Again" means: the same request under the same key,
//! which the reply names (`Beldi-Instance`) if there is one.
//!
//! | status | code | what to do |
//! |---|---|---|
//! | 400 | `malformed_json`, `wrong_type`, `unencodable_value`, `unreadable_body`, `bad_key`, `bad_request` | correct the request |
//! | 403 | `cross_site` | do not send it from a page of another site |
//! | 403 | `foreign_host` | name the machine `localhost`, or by its address |
//! | 404 | `not_found`, `unknown_ssf`, `unknown_instance` | correct the path |
//! | 405, 413, 415 | `method_not_allowed`, `body_too_large`, `unsupported_media_type` | correct the request |
//! | 408 | `slow_body` | send it faster |
//! | 409 | `not_parked` | nothing: there is nothing to resume |
//! | 422 | `rejected` | read `detail`: it is what the SSF returned as `Err` |
//! | 422 | `key_reused` | choose another key: this one names another request |
//! | 500 | `failed` | ask again if you like: nothing has happened |
//! | 500 | `parked` | mend what `reason` tells, then resume the instance |
//! | 500 | `unreadable_output`, `store_failed` | see the message |
//! | 503 | `overloaded` | ask again: nothing has happened |
//! | 503 | `unfinished`, `store_unavailable`, `stopping` | ask again |

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::error::{Error, InputError, Reason};
use crate::store::StoreError;

/// A reply that is no output.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    error: Shown,
    /// Whether the same request may be answered a little later.
    again: bool,
}

/// What of it is in the body.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    code: &'static str,
    message: String,
    #[serde(flatten)]
    details: Map<String, Value>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let error = Shown { code, message: message.into(), details: Map::new() };
        Self { status, error, again: false }
    }

    fn with(mut self, name: &str, detail: impl Into<Value>) -> Self {
        self.error.details.insert(name.to_owned(), detail.into());
        self
    }

    fn reason(self, reason: &Reason) -> Self {
        let Reason { code, message, step } = reason;
        self.with("reason", json!({ "code": code, "message": message, "step": step }))
    }

    fn again(mut self) -> Self {
        self.again = true;
        self
    }

    /// What its body shows, for a body with more in it.
    #[cfg(feature = "embedded")]
    pub(super) fn into_shown(self) -> Shown {
        self.error
    }

    /// The SSF returned `Err`.
    pub(super) fn rejected(ssf: &str, detail: Value) -> Self {
        let text = format!("`{ssf}` returned an error, see `detail`");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "rejected", text).with("detail", detail)
    }

    /// The SSF returned something that cannot be shown.
    pub(super) fn unreadable_output(reason: &Reason) -> Self {
        let (status, code) = (StatusCode::INTERNAL_SERVER_ERROR, "unreadable_output");
        Self::new(status, code, &*reason.message).reason(reason)
    }

    pub(super) fn not_found() -> Self {
        let text = "there is nothing here: `POST /{ssf}` calls an SSF, `GET /` lists them";
        Self::new(StatusCode::NOT_FOUND, "not_found", text)
    }

    pub(super) fn method_not_allowed() -> Self {
        let text = "SSFs are called with POST, instances are looked at with GET";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text)
    }

    pub(super) fn unsupported_media_type() -> Self {
        let text = "the body must be JSON, declared as `Content-Type: application/json`";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", text)
    }

    pub(super) fn body_too_large(limit: usize) -> Self {
        let text = format!("the body is larger than {limit} bytes (`Limits::body`)");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", text).with("limit", limit)
    }

    pub(super) fn unreadable_body(text: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unreadable_body", text)
    }

    pub(super) fn slow_body(time: Duration) -> Self {
        let text = format!("the body did not arrive within {time:?}");
        Self::new(StatusCode::REQUEST_TIMEOUT, "slow_body", text)
    }

    pub(super) fn cross_site() -> Self {
        let text = "a page of another site may not call this service";
        Self::new(StatusCode::FORBIDDEN, "cross_site", text)
    }

    pub(super) fn foreign_host() -> Self {
        let text = "this service listens to its own machine only: name it `localhost` or by its address, \
                    or have it listen on another one";
        Self::new(StatusCode::FORBIDDEN, "foreign_host", text)
    }

    pub(super) fn overloaded() -> Self {
        let text = "as many requests run and wait as may (`Limits::concurrency`, \
                    `Limits::waiting`); nothing has happened, ask again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", text).again()
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        const AGAIN: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
        let text = error.to_string();
        match error {
            Error::Parked { key, reason } => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "parked", text)
                    .with("key", key)
                    .reason(&reason)
            }
            Error::Failed { reason } => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", text).reason(&reason)
            }
            Error::Unfinished { key, .. } => {
                Self::new(AGAIN, "unfinished", text).with("key", key).again()
            }
            Error::InDoubt { key, .. } => {
                Self::new(AGAIN, "store_unavailable", text).with("key", key).again()
            }
            Error::KeyReused { key } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "key_reused", text).with("key", key)
            }
            Error::UnreadableOutput(reason) => Self::unreadable_output(&reason),
            Error::BadKey { .. } => Self::new(StatusCode::BAD_REQUEST, "bad_key", text),
            Error::BadRequest(_) => Self::new(StatusCode::BAD_REQUEST, "bad_request", text),
            Error::UnknownSsf { .. } => Self::new(StatusCode::NOT_FOUND, "unknown_ssf", text),
            Error::UnknownInstance { .. } => {
                Self::new(StatusCode::NOT_FOUND, "unknown_instance", text)
            }
            Error::NotParked { .. } => Self::new(StatusCode::CONFLICT, "not_parked", text),
            Error::Letter(_) => Self::new(StatusCode::FORBIDDEN, "letter_refused", text),
            Error::Host(_) => Self::new(AGAIN, "stopping", text).again(),
            Error::Store(StoreError::Unavailable(_)) => {
                Self::new(AGAIN, "store_unavailable", text).again()
            }
            Error::Store(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "store_failed", text),
        }
    }
}

impl From<InputError> for Problem {
    fn from(error: InputError) -> Self {
        const STATUS: StatusCode = StatusCode::BAD_REQUEST;
        match error {
            InputError::Syntax { message, line, column } => {
                Self::new(STATUS, "malformed_json", format!("the body is not JSON: {message}"))
                    .with("line", line)
                    .with("column", column)
            }
            InputError::Type { message, path } => {
                let text = format!("the body is not what the SSF takes, at `{path}`: {message}");
                Self::new(STATUS, "wrong_type", text).with("path", path)
            }
            InputError::Value(reason) => Self::new(STATUS, "unencodable_value", reason.message),
        }
    }
}

impl From<PathRejection> for Problem {
    fn from(_: PathRejection) -> Self {
        Self::not_found()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut reply = (self.status, Json(json!({ "error": self.error }))).into_response();
        if self.again {
            reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        reply
    }
}
