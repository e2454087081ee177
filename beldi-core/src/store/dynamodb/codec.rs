//! Values as native attributes, and back.
//!
//! Every kind has its own: `Null`, `Bool`, `N`, `S`, `B`, `L`, `M`. Both kinds of numbers are an `N`, a
//! decimal without a kind, so a number comes back as the kind that the rest of beldi gives it: whole
//! numbers of at most 38 digits are [`Value::Int`], however the store spells them. (What a user's
//! `1.0` becomes was decided alike before it came here.) DynamoDB has no empty names: see [`name`].

use aws_sdk_dynamodb::types::AttributeValue;

use super::super::{Key, Result, Row, StoreError};
use super::schema::{self, Item};
use crate::value::Value;

/// The digits of a whole number, at most.
const MAX_DIGITS: usize = 38;
/// Where fractions lie, by their absolute value.
const FRACTIONS: std::ops::Range<f64> = 1e-130..1e126;

/// The attribute for a value, or why there is none.
pub(super) fn encode(value: &Value) -> Result<AttributeValue, String> {
    Ok(match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(bool) => AttributeValue::Bool(*bool),
        Value::Int(int) => AttributeValue::N(whole(*int)?),
        Value::Float(float) => AttributeValue::N(fraction(*float)?),
        Value::Text(text) => AttributeValue::S(text.clone()),
        Value::Bytes(bytes) => AttributeValue::B(bytes.clone().into()),
        Value::List(items) => {
            AttributeValue::L(items.iter().map(encode).collect::<Result<_, _>>()?)
        }
        Value::Map(fields) => {
            let fields = fields.iter().map(|(field, value)| Ok((name(field), encode(value)?)));
            AttributeValue::M(fields.collect::<Result<_, String>>()?)
        }
    })
}

/// The name under which an attribute or a field is stored. The empty one, which DynamoDB refuses, is
/// one NUL; and so that nothing else is, a name of NULs alone gets one more.
pub(super) fn name(name: &str) -> String {
    if name.bytes().all(|byte| byte == 0) { format!("{name}\0") } else { name.to_owned() }
}

fn original(mut name: String) -> String {
    if name.bytes().all(|byte| byte == 0) {
        name.pop();
    }
    name
}

fn whole(int: i128) -> Result<String, String> {
    let digits = int.to_string();
    match digits.trim_start_matches('-').len() {
        0..=MAX_DIGITS => Ok(digits),
        _ => Err(format!("the number {int}, which has more than {MAX_DIGITS} digits")),
    }
}

fn fraction(float: f64) -> Result<String, String> {
    if float == 0.0 {
        Ok("0".to_owned())
    } else if FRACTIONS.contains(&float.abs()) {
        Ok(format!("{float:E}"))
    } else {
        Err(format!("the number {float:E}, which is not between 1E-130 and 1E126"))
    }
}

/// The row of an item, and its key.
///
/// # Errors
///
/// [`StoreError::Corrupt`] if beldi cannot have written the item.
pub(super) fn decode(mut item: Item) -> Result<(Key, Row)> {
    let keyless = || StoreError::Corrupt("an item without its key".to_owned());
    let key = schema::take_key(&mut item).ok_or_else(keyless)?;
    let row = attributes(&key, item)?;
    Ok((key, row))
}

/// The row at a key, of what is in the item beside the key.
pub(super) fn attributes(key: &Key, item: Item) -> Result<Row> {
    let attribute = |(name, value)| Ok((original(name), native(value)?));
    let attributes = item.into_iter().map(attribute).collect::<Result<_, String>>();
    let corrupt = |what| StoreError::Corrupt(format!("row {key} has {what}"));
    attributes.map(Row).map_err(corrupt)
}

fn native(value: AttributeValue) -> Result<Value, String> {
    Ok(match value {
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::Bool(bool) => Value::Bool(bool),
        AttributeValue::N(number) => {
            parse(&number).ok_or_else(|| format!("the number {number:?}"))?
        }
        AttributeValue::S(text) => Value::Text(text),
        AttributeValue::B(bytes) => Value::Bytes(bytes.into_inner()),
        AttributeValue::L(items) => {
            Value::List(items.into_iter().map(native).collect::<Result<_, _>>()?)
        }
        AttributeValue::M(fields) => {
            let fields =
                fields.into_iter().map(|(name, value)| Ok((original(name), native(value)?)));
            Value::Map(fields.collect::<Result<_, String>>()?)
        }
        _ => return Err("a set, or a kind that did not exist when this was built".to_owned()),
    })
}

/// A decimal, in any spelling.
fn parse(number: &str) -> Option<Value> {
    let float = number.parse::<f64>().ok().filter(|float| float.is_finite())?;
    Some(parse_whole(number).map_or(Value::Float(float), Value::Int))
}

/// An order in the due index.
pub(super) fn order(number: &str) -> Option<u64> {
    u64::try_from(parse_whole(number)?).ok()
}

/// The same if it is whole and has few enough digits, without rounding.
fn parse_whole(number: &str) -> Option<i128> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (digits, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let decimals = decimals.trim_end_matches('0');
    let zeros = exponent.parse::<i64>().ok()? - i64::try_from(decimals.len()).ok()?;
    let digits = format!("{digits}{decimals}");
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits.trim_start_matches('+')),
    };
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    let (digits, zeros) = match usize::try_from(zeros) {
        Ok(zeros) => (digits, zeros),
        // A negative exponent that only takes zeros off.
        Err(_) => (digits.strip_suffix(&*"0".repeat(usize::try_from(-zeros).ok()?))?, 0),
    };
    let fits = digits.len().saturating_add(zeros) <= MAX_DIGITS;
    fits.then(|| format!("{sign}{digits}{}", "0".repeat(zeros)).parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_kind_whatever_their_spelling() {
        let ten_to_the_20 = 10_i128.pow(20);
        let whole = [
            ("0", 0),
            ("-0.0", 0),
            ("5", 5),
            ("+5", 5),
            ("005.00", 5),
            ("-5E0", -5),
            ("5E+2", 500),
            ("1.25e2", 125),
            ("2500E-2", 25),
            ("1E+20", ten_to_the_20),
            ("100000000000000000001", ten_to_the_20 + 1),
            ("99999999999999999999999999999999999999", 10_i128.pow(38) - 1),
            ("-99999999999999999999999999999999999999", 1 - 10_i128.pow(38)),
        ];
        for (text, int) in whole {
            assert_eq!(parse(text), Some(Value::Int(int)), "{text}");
        }
        for (text, float) in
            [("0.5", 0.5), ("-25E-1", -2.5), ("1E-7", 1e-7), ("1E38", 1e38), ("1E125", 1e125)]
        {
            assert_eq!(parse(text), Some(Value::Float(float)), "{text}");
        }
        for text in ["", "x", "1E", "NaN", "inf", "1E999"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_dynamodb_cannot_hold_is_refused() {
        for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e126, 1e-131] {
            assert!(encode(&Value::Float(float)).is_err(), "{float}");
        }
        for int in [i128::MAX, i128::MIN, 10_i128.pow(38)] {
            assert!(encode(&Value::Int(int)).is_err(), "{int}");
        }
    }

    #[test]
    fn every_name_comes_back() {
        for text in ["", "\0", "\0\0", "a", "a\0", "\0a"] {
            assert!(!name(text).is_empty());
            assert_eq!(original(name(text)), text);
        }
    }
}
