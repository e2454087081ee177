//! Changes of items, from the streams of DynamoDB tables.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_dynamo::{AttributeValue, Item};
use serde_json::Value;

use super::{Record, records, short};
use crate::change::{Change, ChangeKind};
use crate::failure::Failure;

#[derive(Deserialize)]
struct Delivered {
    #[serde(rename = "eventID")]
    event_id: String,
    #[serde(rename = "eventName")]
    event: ChangeKind,
    #[serde(rename = "eventSourceARN")]
    stream: String,
    dynamodb: Changed,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Changed {
    sequence_number: String,
    keys: Item,
    new_image: Option<Item>,
    old_image: Option<Item>,
}

pub(super) fn read(payload: &str) -> Result<Vec<Record>, Failure> {
    let delivered: Vec<Delivered> = records(payload, "records of a DynamoDB stream")?;
    Ok(delivered.into_iter().map(record).collect())
}

fn record(delivered: Delivered) -> Record {
    let Delivered { event_id, event, stream, dynamodb } = delivered;
    let change = Change {
        event,
        keys: item(dynamodb.keys),
        new: dynamodb.new_image.map(item),
        old: dynamodb.old_image.map(item),
    };
    Record {
        key: format!("dynamodb/{}/{event_id}", short(&stream)),
        identifier: dynamodb.sequence_number,
        origin: stream,
        detail_type: None,
        deduplication_id: None,
        // In one spelling, for `Value` sorts its fields.
        group: Some(change.keys.to_string()),
        input: serde_json::to_string(&change).map_err(|error| error.to_string()),
    }
}

fn item(item: Item) -> Value {
    plain(AttributeValue::M(item.into()))
}

/// Bytes are base64, sets are lists.
fn plain(value: AttributeValue) -> Value {
    let texts = |texts: Vec<String>| texts.into_iter().map(Value::String).collect();
    match value {
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::Bool(value) => Value::Bool(value),
        AttributeValue::N(digits) => number(digits),
        AttributeValue::S(text) => Value::String(text),
        AttributeValue::B(bytes) => Value::String(STANDARD.encode(bytes)),
        AttributeValue::M(fields) => {
            fields.into_iter().map(|(name, value)| (name, plain(value))).collect()
        }
        AttributeValue::L(values) => values.into_iter().map(plain).collect(),
        AttributeValue::Ss(set) => texts(set),
        AttributeValue::Ns(set) => set.into_iter().map(number).collect(),
        AttributeValue::Bs(set) => set.iter().map(|bytes| STANDARD.encode(bytes)).collect(),
    }
}

/// A whole number too large for 64 bits stays text: rather a type that is refused than digits lost.
fn number(digits: String) -> Value {
    let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let number: Option<serde_json::Number> = digits.parse().ok();
    match number.filter(|number| !is_whole || !number.is_f64()) {
        Some(number) => Value::Number(number),
        None => Value::String(digits),
    }
}
