//! What an invocation is about, decided once, from its payload's outermost shape.
//!
//! | shape | is |
//! |---|---|
//! | an object with the key `beldi` | internal: see [`crate::letter`]; anything else beside it is refused |
//! | `Records` of `aws:sqs`, `aws:kinesis` or `aws:dynamodb` | a batch of records |
//! | `requestContext` of a function URL, an API Gateway or a load balancer | an HTTP request |
//! | `id`, `source`, `detail-type` and `detail` | an event of EventBridge |
//! | anything else | plain: an input, or a request for an SSF |
//!
//! Only fields that are used are read: an event is not refused for what nobody asks of it. What is in
//! a body, a record or a detail is never looked at here.

mod dynamodb;
mod eventbridge;
mod http;
mod kinesis;
mod sqs;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

pub(crate) use self::http::{Front, HttpEvent};
use crate::failure::Failure;
use crate::letter::{self, Internal, RESERVED};
use crate::source::Kind;

/// The largest payload that is read, in bytes: what Lambda delivers at most.
pub(crate) const MAX_PAYLOAD: usize = 6 * 1024 * 1024;

/// An invocation's payload, read.
#[derive(Debug)]
pub(crate) enum Event {
    Internal(Internal),
    Http(Box<HttpEvent>),
    Records(Batch),
    Plain,
}

/// Records that are delivered together.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) kind: Kind,
    pub(crate) records: Vec<Record>,
}

/// One record of any source.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// How its source wants it named when it failed.
    pub(crate) identifier: String,
    /// Where it came from: an ARN, or the source of an event.
    pub(crate) origin: String,
    pub(crate) detail_type: Option<String>,
    /// Its request key, as far as its source is concerned.
    pub(crate) key: String,
    pub(crate) deduplication_id: Option<String>,
    /// Records of one group come in order; without a group there is none.
    pub(crate) group: Option<String>,
    /// JSON, or why there is none.
    pub(crate) input: Result<String, String>,
}

type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// Reads a payload.
pub(crate) fn classify(payload: &str) -> Result<Event, Failure> {
    if payload.len() > MAX_PAYLOAD {
        let text = format!("the payload has {} bytes, and may have {MAX_PAYLOAD}", payload.len());
        return Err(Failure::bad_event(text));
    }
    if !payload.trim_start().starts_with('{') {
        return Ok(Event::Plain);
    }
    let fields: Fields<'_> = read(payload, "payload")?;
    if fields.contains_key(RESERVED) {
        return letter::read(payload).map(Event::Internal);
    }
    if let Some(kind) = fields.get("Records").and_then(|records| kind_of(records)) {
        let records = match kind {
            Kind::Sqs => sqs::read(payload)?,
            Kind::Kinesis => kinesis::read(payload)?,
            _ => dynamodb::read(payload)?,
        };
        return Ok(Event::Records(Batch { kind, records }));
    }
    if let Some(front) = Front::of(&fields) {
        return HttpEvent::read(payload, front).map(Box::new).map(Event::Http);
    }
    if ["id", "source", "detail-type", "detail"].iter().all(|name| fields.contains_key(*name)) {
        let records = vec![eventbridge::read(payload)?];
        return Ok(Event::Records(Batch { kind: Kind::EventBridge, records }));
    }
    Ok(Event::Plain)
}

/// The source that all records name, if it is one we know.
fn kind_of(records: &RawValue) -> Option<Kind> {
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "eventSource")]
        source: String,
    }
    let records: Vec<Named> = serde_json::from_str(records.get()).ok()?;
    let first = records.first()?.source.clone();
    let kind = match &*first {
        "aws:sqs" => Kind::Sqs,
        "aws:kinesis" => Kind::Kinesis,
        "aws:dynamodb" => Kind::DynamoDb,
        _ => return None,
    };
    records.iter().all(|record| record.source == first).then_some(kind)
}

/// Reads a part of the payload of which the shape has told what it is.
fn read<'a, T: Deserialize<'a>>(json: &'a str, what: &str) -> Result<T, Failure> {
    serde_json::from_str(json)
        .map_err(|error| Failure::bad_event(format!("the {what} cannot be read: {error}")))
}

/// The records of an event that has them.
fn records<T: DeserializeOwned>(payload: &str, what: &str) -> Result<Vec<T>, Failure> {
    #[derive(Deserialize)]
    struct Records<T> {
        #[serde(rename = "Records")]
        records: Vec<T>,
    }
    read::<Records<T>>(payload, what).map(|event| event.records)
}

/// An ARN as a part of request keys, which are short.
fn short(arn: &str) -> String {
    blake3::hash(arn.as_bytes()).to_hex()[..16].to_owned()
}
