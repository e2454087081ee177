//! Changes of items, from the streams of DynamoDB tables.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_dynamo::{AttributeValue, Item};
use serde_json::{Number, Value};

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

/// A number with more digits than 64 bits have stays text: rather a type that is refused than digits lost.
fn number(digits: String) -> Value {
    let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let number = if is_whole {
        digits.parse().ok().filter(|number: &Number| !number.is_f64())
    } else {
        let float = digits.parse().ok().filter(|float| is_written_so(&digits, *float));
        float.and_then(Number::from_f64)
    };
    number.map_or(Value::String(digits), Value::Number)
}

/// Whether these are the digits that a float is written with, whatever the notation.
fn is_written_so(digits: &str, float: f64) -> bool {
    let given = Decimal::of(digits);
    given.is_some() && given == Decimal::of(&format!("{float:e}"))
}

/// A decimal number in the only way to write it.
#[derive(PartialEq)]
struct Decimal {
    is_negative: bool,
    /// Without zeros at its ends.
    digits: String,
    /// The power of ten of the last digit.
    power: i64,
}

impl Decimal {
    fn of(number: &str) -> Option<Self> {
        let (mantissa, power) = match number.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse().ok()?),
            None => (number, 0_i32),
        };
        let unsigned = mantissa.trim_start_matches(['-', '+']);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let all = format!("{whole}{fraction}");
        let kept = all.trim_end_matches('0');
        let last = i64::from(power) - fraction.len() as i64 + (all.len() - kept.len()) as i64;
        let digits = kept.trim_start_matches('0').to_owned();
        // Zero has no digit.
        let power = if digits.is_empty() { 0 } else { last };
        Some(Self { is_negative: mantissa.starts_with('-') && !digits.is_empty(), digits, power })
    }
}
