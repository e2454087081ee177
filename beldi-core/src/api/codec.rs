//! Users' values to native values and back, by way of serde.

use std::any::type_name;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_dynamo::AttributeValue;

use crate::error::Reason;
use crate::value::Value;

/// The value as a store keeps it. `what` names it in the error.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, what: &str) -> Result<Value, Reason> {
    let encoded = serde_dynamo::to_attribute_value::<_, AttributeValue>(value);
    encoded.map_err(|error| error.to_string()).and_then(native).map_err(|error| {
        let name = type_name::<T>();
        Reason::new(
            "unencodable_value",
            format!("{what} of type `{name}` cannot be stored: {error}"),
        )
    })
}

/// The user's value. `what` names it in the error.
pub(crate) fn decode<T: DeserializeOwned>(value: Value, what: &str) -> Result<T, Reason> {
    serde_dynamo::from_attribute_value(foreign(value)).map_err(|error| {
        let name = type_name::<T>();
        Reason::new(
            "undecodable_value",
            format!(
                "{what} is not a `{name}`: {error}; give new fields `#[serde(default)]`, or migrate what is stored"
            ),
        )
    })
}

fn native(value: AttributeValue) -> Result<Value, String> {
    Ok(match value {
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::Bool(bool) => Value::Bool(bool),
        AttributeValue::N(number) => parse_number(&number)?,
        AttributeValue::S(text) => Value::Text(text),
        AttributeValue::B(bytes) => Value::Bytes(bytes),
        AttributeValue::L(items) => {
            Value::List(items.into_iter().map(native).collect::<Result<_, _>>()?)
        }
        AttributeValue::M(fields) => {
            let fields = fields.into_iter().map(|(name, field)| Ok((name, native(field)?)));
            Value::Map(fields.collect::<Result<_, String>>()?)
        }
        AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_) => {
            return Err("sets are not supported, use a list".to_owned());
        }
    })
}

/// Whole numbers stay exact; a fraction must lie where DynamoDB's numbers do.
fn parse_number(text: &str) -> Result<Value, String> {
    const MAX_DIGITS: usize = 38;
    if let Ok(int) = text.parse::<i128>() {
        let digits = text.trim_start_matches('-').len();
        return match digits {
            0..=MAX_DIGITS => Ok(Value::Int(int)),
            _ => Err(format!("the number {text} has more than {MAX_DIGITS} digits")),
        };
    }
    let float: f64 = text.parse().map_err(|_| format!("{text} is not a number"))?;
    let size = float.abs();
    if float == 0.0 {
        Ok(Value::Int(0))
    } else if (1e-130..1e126).contains(&size) {
        Ok(whole(float).map_or(Value::Float(float), Value::Int))
    } else {
        Err(format!("the number {text} is not between 1e-130 and 1e126"))
    }
}

/// Exactly representable whole numbers have one spelling.
fn whole(float: f64) -> Option<i128> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i128)
}

fn foreign(value: Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(bool) => AttributeValue::Bool(bool),
        Value::Int(int) => AttributeValue::N(int.to_string()),
        Value::Float(float) => AttributeValue::N(float.to_string()),
        Value::Text(text) => AttributeValue::S(text),
        Value::Bytes(bytes) => AttributeValue::B(bytes),
        Value::List(items) => AttributeValue::L(items.into_iter().map(foreign).collect()),
        Value::Map(fields) => AttributeValue::M(
            fields.into_iter().map(|(name, field)| (name, foreign(field))).collect(),
        ),
    }
}
