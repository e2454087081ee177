//! Where events come from, and which SSF takes them under which key.

use serde_json::Value;

/// A source of events: see [`Function::route`](crate::Function::route).
///
/// Each record of a source is one request to an SSF, with a request key of its own, so that a second
/// delivery changes nothing. Unless [`key`](Source::key) names a field of the record, the key is what
/// the source calls the record:
///
/// | source | input | request key | in order |
/// |---|---|---|---|
/// | [`queue`](Source::queue) (SQS) | the body | `sqs/{queue}/{message id}` | a FIFO queue's groups |
/// | [`stream`](Source::stream) (Kinesis) | the data | `kinesis/{stream}/{shard}:{sequence number}` | partition keys |
/// | [`table`](Source::table) (DynamoDB) | a [`Change`](crate::Change) | `dynamodb/{stream}/{event id}` | items |
/// | [`events`](Source::events) (EventBridge) | the detail | `eventbridge/{event id}` | – |
/// | [`invocations`](Source::invocations) | the payload | `lambda/{request id}` | – |
///
/// `{queue}` and `{stream}` are hashes of the ARN. A message that is moved back from a dead-letter queue has a
/// new message id: unless a field is its key, it is another request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub(crate) kind: Kind,
    /// The name of the queue, stream or table, or the source of the events; none is all.
    name: Option<String>,
    detail_type: Option<String>,
    pub(crate) key: KeyFrom,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqs,
    Kinesis,
    DynamoDb,
    EventBridge,
    Invocation,
}

impl Kind {
    /// As keys and metrics begin with it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqs => "sqs",
            Self::Kinesis => "kinesis",
            Self::DynamoDb => "dynamodb",
            Self::EventBridge => "eventbridge",
            Self::Invocation => "lambda",
        }
    }
}

/// What names a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum KeyFrom {
    /// What the source calls the record.
    #[default]
    Record,
    /// What the sender of a FIFO message said.
    DeduplicationId,
    /// A field of the input.
    Field(String),
}

/// What is known of where an event came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) kind: Kind,
    /// The ARN of the queue or stream, or the source of the event.
    pub(crate) name: &'a str,
    pub(crate) detail_type: Option<&'a str>,
}

impl Source {
    fn new(kind: Kind, name: Option<&str>) -> Self {
        let name = name.map(str::to_owned);
        Self { kind, name, detail_type: None, key: KeyFrom::default() }
    }

    /// An SQS queue, by its name or ARN.
    pub fn queue(name: &str) -> Self {
        Self::new(Kind::Sqs, Some(name))
    }

    /// A Kinesis stream, by its name or ARN.
    pub fn stream(name: &str) -> Self {
        Self::new(Kind::Kinesis, Some(name))
    }

    /// The stream of a DynamoDB table, by the table's name or the stream's ARN.
    pub fn table(name: &str) -> Self {
        Self::new(Kind::DynamoDb, Some(name))
    }

    /// Events on an EventBridge bus with this `source`.
    pub fn events(source: &str) -> Self {
        Self::new(Kind::EventBridge, Some(source))
    }

    /// Only events of this `detail-type`.
    pub fn of_type(mut self, detail_type: &str) -> Self {
        self.detail_type = Some(detail_type.to_owned());
        self
    }

    /// Invocations of the function whose payload is the input, by whomever.
    pub fn invocations() -> Self {
        Self::new(Kind::Invocation, None)
    }

    /// Takes the request key from a field of the input, a string or a whole number, by its JSON pointer:
    /// two records with the same one are the same request, wherever they come from, also out of a dead-letter
    /// queue.
    pub fn key(mut self, pointer: &str) -> Self {
        self.key = KeyFrom::Field(pointer.to_owned());
        self
    }

    /// Takes the request key from the deduplication id of FIFO messages: two messages of a queue with the
    /// same one are the same request, also when more than five minutes lie between them, or when they are
    /// of two groups. Not so once a message was moved to a dead-letter queue, for which SQS gives it another
    /// one. Do not use it with content-based deduplication unless equal messages are meant to be
    /// one.
    pub fn deduplication_id(mut self) -> Self {
        self.key = KeyFrom::DeduplicationId;
        self
    }

    pub(crate) fn covers(&self, origin: &Origin<'_>) -> bool {
        let is_named = self.name.as_deref().is_none_or(|name| {
            name == origin.name || own_name(origin).is_some_and(|own| own == name)
        });
        let is_typed =
            self.detail_type.is_none() || self.detail_type.as_deref() == origin.detail_type;
        self.kind == origin.kind && is_named && is_typed
    }
}

/// The name in an ARN.
fn own_name<'a>(origin: &Origin<'a>) -> Option<&'a str> {
    let resource = origin.name.splitn(6, ':').nth(5)?;
    match origin.kind {
        Kind::Sqs => Some(resource),
        Kind::Kinesis => resource.strip_prefix("stream/")?.split('/').next(),
        Kind::DynamoDb => resource.strip_prefix("table/")?.split('/').next(),
        Kind::EventBridge | Kind::Invocation => None,
    }
}

/// The key that a field of the input holds.
pub(crate) fn key_in(input: &str, pointer: &str) -> Result<String, String> {
    let input: Value =
        serde_json::from_str(input).map_err(|error| format!("the input is not JSON: {error}"))?;
    match input.pointer(pointer) {
        Some(Value::String(key)) => Ok(key.clone()),
        Some(Value::Number(key)) if !key.is_f64() => Ok(key.to_string()),
        Some(_) => Err(format!("the request key at `{pointer}` is no string and no whole number")),
        None => Err(format!("there is no request key at `{pointer}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(kind: Kind, name: &str) -> Origin<'_> {
        Origin { kind, name, detail_type: Some("OrderPlaced") }
    }

    #[test]
    fn sources_are_found_by_name_or_arn() {
        let queue = origin(Kind::Sqs, "arn:aws:sqs:eu-west-1:123456789012:orders.fifo");
        assert!(Source::queue("orders.fifo").covers(&queue));
        assert!(Source::queue(queue.name).covers(&queue));
        assert!(!Source::queue("orders").covers(&queue));
        assert!(!Source::stream("orders.fifo").covers(&queue));
        let table = "arn:aws:dynamodb:eu-west-1:123456789012:table/customers/stream/2026-01-01T00:00:00.000";
        assert!(Source::table("customers").covers(&origin(Kind::DynamoDb, table)));
        let stream = origin(Kind::Kinesis, "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks");
        assert!(Source::stream("clicks").covers(&stream));
        let bus = origin(Kind::EventBridge, "com.shop");
        assert!(Source::events("com.shop").covers(&bus));
        assert!(Source::events("com.shop").of_type("OrderPlaced").covers(&bus));
        assert!(!Source::events("com.shop").of_type("OrderPaid").covers(&bus));
    }

    #[test]
    fn keys_are_strings_or_whole_numbers() {
        assert_eq!(key_in(r#"{"order":{"id":"a-1"}}"#, "/order/id").as_deref(), Ok("a-1"));
        assert_eq!(key_in(r#"{"id":17}"#, "/id").as_deref(), Ok("17"));
        for input in [r#"{"id":1.5}"#, r#"{"id":null}"#, r#"{"id":[]}"#, "{}", "nonsense"] {
            assert!(key_in(input, "/id").is_err(), "{input}");
        }
    }
}
