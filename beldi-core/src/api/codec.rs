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
    encoded.map_err(|error| error.to_string()).and_then(|value| native(value, MAX_DEPTH)).map_err(
        |error| {
            let name = type_name::<T>();
            Reason::new(
                "unencodable_value",
                format!("{what} of type `{name}` cannot be stored: {error}"),
            )
        },
    )
}

/// The user's value. `what` names it in the error, which may be logged and so quotes nothing of it.
pub(crate) fn decode<T: DeserializeOwned>(value: Value, what: &str) -> Result<T, Reason> {
    serde_dynamo::from_attribute_value(foreign(value)).map_err(|error| {
        let (name, why) = (type_name::<T>(), unquoted(&error.to_string()));
        Reason::new(
            "undecodable_value",
            format!(
                "{what} is not a `{name}`{why}; give new fields `#[serde(default)]`, or migrate what is stored"
            ),
        )
    })
}

/// What serde says of a type, without what it says of the value at hand; nothing of what a type's own
/// `Deserialize` says, if it does not say it in the words of serde.
fn unquoted(error: &str) -> String {
    let of_types = ["missing field `", "duplicate field `", "Expected "];
    if of_types.iter().any(|start| error.starts_with(start)) {
        format!(": {error}")
    } else if error.starts_with("Failed to parse '") {
        ": Expected a number that fits".to_owned()
    } else if let Some((_, expected)) = error.rsplit_once(", expected ") {
        format!(": expected {expected}")
    } else {
        String::new()
    }
}

/// How deep lists and maps may be nested: what DynamoDB takes.
const MAX_DEPTH: usize = 31;

fn native(value: AttributeValue, depth: usize) -> Result<Value, String> {
    let inner = || depth.checked_sub(1).ok_or(format!("it is nested more than {MAX_DEPTH} deep"));
    Ok(match value {
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::Bool(bool) => Value::Bool(bool),
        AttributeValue::N(number) => parse_number(&number)?,
        AttributeValue::S(text) => Value::Text(text),
        AttributeValue::B(bytes) => Value::Bytes(bytes),
        AttributeValue::L(items) => {
            let inner = inner()?;
            Value::List(
                items.into_iter().map(|item| native(item, inner)).collect::<Result<_, _>>()?,
            )
        }
        AttributeValue::M(fields) => {
            let inner = inner()?;
            let fields = fields.into_iter().map(|(name, field)| Ok((name, native(field, inner)?)));
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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use serde::{Deserialize, Serialize};

    use super::*;

    fn round_trip<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: T) {
        let stored = encode(&value, "it").unwrap();
        assert_eq!(decode::<T>(stored, "it").unwrap(), value);
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Shape {
        Unit,
        Tuple(i8, String),
        Struct { deep: Option<Vec<u8>> },
    }

    #[test]
    fn what_serde_can_say_comes_back() {
        round_trip(());
        round_trip((true, 'x', "text".to_owned(), 1_u8, i64::MIN, u64::MAX));
        round_trip((0.1_f64, -1e-100_f64, 3.0_f32, 0.0_f64));
        round_trip(vec![Some(1), None]);
        round_trip(BTreeMap::from([(1_u32, "one".to_owned())]));
        round_trip(HashMap::from([("a".to_owned(), vec![(); 2])]));
        round_trip(vec![
            Shape::Unit,
            Shape::Tuple(-3, String::new()),
            Shape::Struct { deep: Some(vec![0, 255]) },
            Shape::Struct { deep: None },
        ]);
        round_trip(Ok::<u8, String>(3));
        round_trip(uuid::Uuid::from_u128(7));
    }

    #[test]
    fn errors_say_what_is_expected_and_quote_nothing() {
        #[derive(Debug, Deserialize)]
        #[serde(try_from = "String")]
        struct Even;
        impl TryFrom<String> for Even {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                Err(format!("{text} is odd"))
            }
        }
        #[derive(Debug, Deserialize)]
        struct Room {
            #[expect(dead_code, reason = "it is never there")]
            beds: u8,
        }
        fn why<T: DeserializeOwned + std::fmt::Debug>(value: Value) -> String {
            let message = decode::<T>(value, "it").unwrap_err().message;
            assert!(!message.contains("hunter2"), "{message}");
            let (_, why) =
                message.split_once('`').and_then(|(_, rest)| rest.split_once('`')).unwrap();
            why.split(';').next().unwrap().to_owned()
        }
        let text = || Value::Text("hunter2".to_owned());
        assert_eq!(why::<Shape>(text()), ": expected one of `Unit`, `Tuple`, `Struct`");
        assert_eq!(why::<u64>(text()), ": Expected num");
        assert_eq!(why::<u8>(Value::Int(300)), ": Expected a number that fits");
        assert_eq!(why::<uuid::Uuid>(text()), "");
        assert_eq!(why::<Even>(text()), "");
        assert_eq!(why::<Room>(Value::Map([].into())), ": missing field `beds`");
    }

    #[test]
    fn what_dynamodb_cannot_hold_is_refused() {
        for number in [f64::NAN, f64::INFINITY, 1e200, 1e-200] {
            assert!(encode(&number, "it").is_err(), "{number}");
        }
        assert!(encode(&i128::MAX, "it").is_err());
    }

    #[test]
    fn nesting_is_bounded() {
        #[derive(Serialize)]
        struct Deep(Option<Box<[Self; 1]>>);
        let deep =
            |depth: usize| (0..depth).fold(Deep(None), |inner, _| Deep(Some(Box::new([inner]))));
        assert!(encode(&deep(MAX_DEPTH), "it").is_ok());
        let error = encode(&deep(MAX_DEPTH + 1), "it").unwrap_err();
        assert!(error.message.contains("nested more than 31 deep"), "{}", error.message);
    }
}
