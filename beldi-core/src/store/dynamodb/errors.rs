//! What a failed request means: whether it may be sent again, and if not, what is to be done.
//!
//! One function decides, [`classify`]. A request without an answer may have been applied, which every
//! request of beldi survives; so what is not known to be final is sent again. That goes for what a proxy
//! says, too: an instance that was parked for it would wait for a person.

use std::error::Error;
use std::fmt;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use super::super::{Key, StoreError};
use super::schema;

/// A request, for whoever reads of its failure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// The operation, as permissions name it.
    pub(super) action: &'static str,
    pub(super) table: &'a str,
    pub(super) key: Option<&'a Key>,
}

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on table `{}`", self.action, self.table)?;
        self.key.map_or(Ok(()), |key| write!(f, " of row {key}"))
    }
}

/// A failed request.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may succeed if it is sent again.
    Again(String),
    /// It will not.
    Final(StoreError),
}

/// What there is of an answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// Whether the request left this process.
    sent: bool,
    status: Option<u16>,
    code: Option<String>,
    text: String,
}

impl<E> From<&SdkError<E, HttpResponse>> for Answer
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    fn from(error: &SdkError<E, HttpResponse>) -> Self {
        let service = error.as_service_error();
        let sent = match error {
            SdkError::ConstructionFailure(_) => false,
            SdkError::DispatchFailure(failure) => failure.is_io() || failure.is_timeout(),
            _ => true,
        };
        let text = match service.and_then(ProvideErrorMetadata::message) {
            Some(message) => message.to_owned(),
            None => told(error),
        };
        Self {
            sent,
            status: error.raw_response().map(|response| response.status().as_u16()),
            code: service.and_then(ProvideErrorMetadata::code).map(str::to_owned),
            text,
        }
    }
}

/// What an error and all that led to it say. The SDK's own way to tell adds the whole answer.
fn told(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// Codes of failures that pass: throttling, conflicts with other requests, faults of the service.
const PASSING: [&str; 13] = [
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
    "LimitExceededException",
    "TransactionConflictException",
    "TransactionInProgressException",
    "ReplicatedWriteConflictException",
    "InternalServerError",
    "InternalFailure",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "RequestTimeout",
];

/// Codes of requests that this process may not make, or not with these credentials.
const DENIED: [&str; 10] = [
    "AccessDeniedException",
    "AccessDenied",
    "UnrecognizedClientException",
    "MissingAuthenticationTokenException",
    "MissingAuthenticationToken",
    "IncompleteSignatureException",
    "IncompleteSignature",
    "InvalidSignatureException",
    "ExpiredTokenException",
    "RequestTimeTooSkewed",
];

/// What a failed request means.
pub(super) fn classify(answer: Answer, asked: Asked<'_>) -> Failure {
    let Answer { sent, status, code, text } = answer;
    let table = asked.table.to_owned();
    let denied = |why| StoreError::Denied { action: asked.action, table: table.clone(), why };
    let Some(code) = code else {
        return match status {
            _ if !sent && is_about_credentials(&text) => Failure::Final(denied(text)),
            Some(status @ (400 | 413)) => {
                Failure::Final(rejected(asked, format!("HTTP status {status}: {text}")))
            }
            _ => Failure::Again(text),
        };
    };
    let why = format!("{code}: {text}");
    match &*code {
        code if PASSING.contains(&code) => Failure::Again(why),
        code if DENIED.contains(&code) => Failure::Final(denied(why)),
        "ResourceNotFoundException" => Failure::Final(StoreError::NoTable { table }),
        "ValidationException" => Failure::Final(invalid(asked, &text)),
        "SerializationException" => Failure::Final(rejected(asked, why)),
        // Of a service that is newer than this, or of something on the way to it.
        _ => Failure::Again(why),
    }
}

/// What is wrong with a request, of which DynamoDB only tells in words.
fn invalid(asked: Asked<'_>, text: &str) -> StoreError {
    let has = |words: &str| text.to_ascii_lowercase().contains(words);
    match asked.key {
        Some(key) if has("item size") && has("exceeded") => {
            StoreError::RowTooLarge { key: key.clone(), size: None }
        }
        _ if has("does not have the specified index") => StoreError::WrongTable {
            table: asked.table.to_owned(),
            wrong: vec![format!("it has no index `{}`", schema::INDEX)],
        },
        _ => rejected(asked, text.to_owned()),
    }
}

fn rejected(asked: Asked<'_>, why: String) -> StoreError {
    StoreError::Rejected { request: asked.to_string(), why }
}

/// Whether a request could not be signed, and will not be the next time.
fn is_about_credentials(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let says = |words: &str| text.contains(words);
    (says("credentials") || says("identity") || says("auth scheme")) && !says("timed out")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(status: Option<u16>, code: Option<&str>, text: &str) -> Failure {
        let key = Key::new("table/rooms", "ritz");
        let asked = Asked { action: "UpdateItem", table: "travel", key: Some(&key) };
        let sent = status.is_some() || !text.contains("unsent");
        let code = code.map(str::to_owned);
        classify(Answer { sent, status, code, text: text.to_owned() }, asked)
    }

    #[test]
    fn what_passes_is_sent_again() {
        for code in PASSING {
            assert!(matches!(judge(Some(400), Some(code), ""), Failure::Again(_)), "{code}");
        }
        let unknown = [
            (None, None, "connection reset"),
            (None, None, "unsent: no route to host"),
            (None, None, "unsent: loading credentials timed out"),
            (Some(200), None, "half an answer"),
            (Some(429), None, ""),
            (Some(408), None, ""),
            (Some(500), None, ""),
            (Some(503), None, ""),
            (Some(503), Some("NeverHeardOf"), ""),
            (Some(400), Some("NeverHeardOf"), ""),
            (Some(403), None, "a proxy's page"),
            (Some(404), None, "a proxy's page"),
        ];
        for (status, code, text) in unknown {
            assert!(matches!(judge(status, code, text), Failure::Again(_)), "{status:?} {text}");
        }
    }

    #[test]
    fn what_does_not_pass_says_what_to_do() {
        let table = [
            (Some(400), Some("ResourceNotFoundException"), "", "create_table"),
            (Some(400), Some("AccessDeniedException"), "not authorized", "not authorized"),
            (Some(400), Some("ExpiredTokenException"), "", "UpdateItem on table `travel`"),
            (Some(400), Some("UnrecognizedClientException"), "", "credentials"),
            (None, None, "unsent: no credentials in the property bag", "credentials"),
            (
                Some(400),
                Some("ValidationException"),
                "Item size to update has exceeded",
                "too many",
            ),
            (Some(400), Some("ValidationException"), "a bad expression", "a bad expression"),
            (
                Some(400),
                Some("ValidationException"),
                "The table does not have the specified index: due",
                "it has no index `due`",
            ),
            (Some(413), None, "", "HTTP status 413"),
            (Some(400), Some("SerializationException"), "bad", "SerializationException: bad"),
        ];
        for (status, code, text, words) in table {
            let Failure::Final(error) = judge(status, code, text) else {
                panic!("{code:?} {text} is final");
            };
            assert!(!error.is_transient());
            assert!(error.to_string().contains(words), "{error}");
        }
        for code in DENIED {
            let denied = judge(Some(400), Some(code), "");
            assert!(matches!(denied, Failure::Final(StoreError::Denied { .. })), "{code}");
        }
    }
}
