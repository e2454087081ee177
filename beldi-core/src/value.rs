//! Native values: what a row holds, what an input, a result and an observation are made of.
//!
//! The kinds are those every store of the field has (DynamoDB's, without its sets), so a user's
//! value stays readable in the store's console and a condition can look into it.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A value as stores keep it.
///
/// ```
/// use beldi_core::Value;
///
/// let room = Value::map([("free", Value::from(3)), ("name", Value::from("ritz"))]);
/// assert_eq!(room.field("free"), Some(&Value::Int(3)));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// Nothing: `()`, `None`.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number of at most 38 digits.
    Int(i128),
    /// A number with a fraction, or too large for 38 digits.
    Float(f64),
    /// UTF-8 text.
    Text(String),
    /// Raw bytes.
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    /// An ordered list.
    List(Vec<Value>),
    /// Named fields.
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// A map of the given fields.
    pub fn map<N: Into<String>>(fields: impl IntoIterator<Item = (N, Self)>) -> Self {
        Self::Map(fields.into_iter().map(|(n, v)| (n.into(), v)).collect())
    }

    /// The named field of a map.
    pub fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(fields) => fields.get(name),
            _ => None,
        }
    }

    /// The text, if this is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, if this is one.
    pub fn as_int(&self) -> Option<i128> {
        match self {
            Self::Int(int) => Some(*int),
            _ => None,
        }
    }

    /// Bytes this value takes in a row, by DynamoDB's rules.
    pub fn size(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) => 1,
            Self::Int(int) => 1 + digits(int.unsigned_abs()).div_ceil(2) + usize::from(*int < 0),
            Self::Float(_) => 10,
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::List(items) => 3 + items.iter().map(|item| 1 + item.size()).sum::<usize>(),
            Self::Map(fields) => {
                3 + fields.iter().map(|(name, field)| 1 + name.len() + field.size()).sum::<usize>()
            }
        }
    }

    /// How two values of one kind are ordered; `None` across kinds and for kinds without order.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Float(b)) => compare_exactly(*a, *b),
            (Self::Float(a), Self::Int(b)) => compare_exactly(*b, *a).map(Ordering::reverse),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(b),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Bytes(a), Self::Bytes(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

/// Compares without rounding the whole number, as a store of decimal numbers does.
fn compare_exactly(int: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // The cast cuts the fraction off, and keeps what is too large as large as possible.
    match int.cmp(&(float as i128)) {
        Ordering::Equal => 0.0.partial_cmp(&float.fract()),
        unequal => Some(unequal),
    }
}

fn digits(n: u128) -> usize {
    n.checked_ilog10().map_or(1, |log| log as usize + 1)
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

macro_rules! from_whole_numbers {
    ($($int:ty),*) => {$(
        impl From<$int> for Value {
            fn from(value: $int) -> Self {
                Self::Int(i128::from(value))
            }
        }
    )*};
}
from_whole_numbers!(i32, i64, u8, u32, u64);
