//! Payloads that are for no SSF: an object under the reserved key `beldi`, which is alone.
//!
//! ```json
//! { "beldi": { "letter": "c2VhbGVk.." } }
//! { "beldi": { "follow": "order-17" } }
//! { "beldi": { "tick": "intents" } }
//! { "beldi": { "instance": "order-17" } }
//! { "beldi": { "resume": "order-17" } }
//! ```
//!
//! Letters of other services are sealed: that somebody may invoke the function is not enough to be
//! believed. The rest is not: what the function sends to itself and what a schedule sends does what
//! happens anyway, a little later; and who may invoke the function may look after its instances, though
//! their results are not shown. Bodies of HTTP requests, messages and records never get here: they
//! are inputs of SSFs, whatever they contain.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, FailureKind};

/// The key of a payload that makes it internal.
pub(crate) const RESERVED: &str = "beldi";

/// A payload that is not for an SSF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Internal {
    /// Sealed, from another service.
    Letter(Vec<u8>),
    /// The request key of a registered root that somebody is to begin.
    Follow(String),
    /// From a schedule.
    Tick(Tick),
    /// From a person who asks how far an instance is.
    Instance(String),
    /// From a person who has mended what an instance was parked for.
    Resume(String),
}

/// Which collector is to make a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tick {
    Intents,
    Garbage,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    beldi: Content,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Content {
    Letter(String),
    Follow(String),
    Tick(Tick),
    Instance(String),
    Resume(String),
}

/// Reads a payload that has the reserved key.
pub(crate) fn read(payload: &str) -> Result<Internal, Failure> {
    // Not the error of serde, which shows what it did not expect.
    let envelope: Envelope = serde_json::from_str(payload).map_err(|error| {
        let text = format!(
            "a payload with the key `{RESERVED}` is an internal one, and this is none that is known \
             (line {}, column {})",
            error.line(),
            error.column()
        );
        Failure::new(FailureKind::Refused, text)
    })?;
    match envelope.beldi {
        Content::Tick(tick) => Ok(Internal::Tick(tick)),
        Content::Follow(key) => Ok(Internal::Follow(key)),
        Content::Instance(key) => Ok(Internal::Instance(key)),
        Content::Resume(key) => Ok(Internal::Resume(key)),
        Content::Letter(letter) => unarmoured(&letter).map(Internal::Letter),
    }
}

fn unarmoured(letter: &str) -> Result<Vec<u8>, Failure> {
    STANDARD.decode(letter).map_err(|error| {
        Failure::new(FailureKind::Refused, format!("a letter is not base64: {error}"))
    })
}

/// The payload that brings a letter, and the reply that brings its answer.
pub(crate) fn write(letter: &[u8]) -> serde_json::Value {
    serde_json::json!({ RESERVED: { "letter": STANDARD.encode(letter) } })
}

/// The payload that has a registered root begun.
pub(crate) fn follow(key: &str) -> serde_json::Value {
    serde_json::json!({ RESERVED: { "follow": key } })
}

/// The answer to a letter.
pub(crate) fn read_answer(reply: &[u8]) -> Result<Vec<u8>, Failure> {
    let unreadable = |why: &dyn std::fmt::Display| {
        Failure::new(FailureKind::Refused, format!("the reply is no letter: {why}"))
    };
    let reply = std::str::from_utf8(reply).map_err(|error| unreadable(&error))?;
    match read(reply)? {
        Internal::Letter(answer) => Ok(answer),
        _ => Err(unreadable(&"it asks for something")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_comes_back() {
        let written = write(b"sealed").to_string();
        assert_eq!(read(&written).unwrap(), Internal::Letter(b"sealed".to_vec()));
        assert_eq!(read_answer(written.as_bytes()).unwrap(), b"sealed");
        let written = follow("order-17").to_string();
        assert_eq!(read(&written).unwrap(), Internal::Follow("order-17".to_owned()));
    }

    #[test]
    fn what_is_not_exactly_a_letter_is_refused() {
        for payload in [
            r#"{"beldi":{"letter":"c2VhbGVk"},"input":1}"#,
            r#"{"beldi":{"letter":"c2VhbGVk","tick":"intents"}}"#,
            r#"{"beldi":{"tick":"all"}}"#,
            r#"{"beldi":{"letter":"not base64!"}}"#,
            r#"{"beldi":{"letter":1}}"#,
            r#"{"beldi":{"tick":"intents"},"beldi":{"tick":"intents"}}"#,
            r#"{"beldi":{}}"#,
            r#"{"beldi":null}"#,
            r#"{"beldi":[]}"#,
        ] {
            assert_eq!(read(payload).unwrap_err().kind(), FailureKind::Refused, "{payload}");
        }
    }
}
