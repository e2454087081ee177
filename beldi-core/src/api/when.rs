//! Conditions on the present value of an item, judged where it is stored.

use serde::Serialize;

use super::encode;
use crate::error::Reason;
use crate::store::{Compare, Condition, Field};
use crate::value::Value;

/// A condition for `put(..).when(..)` and `delete(..).when(..)`.
///
/// A test of a field that is not there, or of another kind, is false.
///
/// ```
/// # use beldi_core as beldi;
/// use beldi::{When, field};
///
/// let free = field("free").ge(1).and(field("closed").ne(true)).or(When::absent());
/// # drop(free);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a condition does nothing until it is given to an operation"]
pub struct When(Result<Condition, Reason>);

impl When {
    /// There is no value.
    pub fn absent() -> Self {
        Self(Ok(Condition::Absent(Field(Vec::new()))))
    }

    /// There is a value.
    pub fn exists() -> Self {
        Self(Ok(Condition::Exists(Field(Vec::new()))))
    }

    /// The value is this one.
    pub fn equals<T: Serialize + ?Sized>(value: &T) -> Self {
        Self(operand(value).map(|value| Condition::Equals(Field(Vec::new()), value)))
    }

    /// Both hold.
    pub fn and(self, other: Self) -> Self {
        Self(self.0.and_then(|a| Ok(Condition::All(vec![a, other.0?]))))
    }

    /// At least one holds.
    pub fn or(self, other: Self) -> Self {
        Self(self.0.and_then(|a| Ok(Condition::Any(vec![a, other.0?]))))
    }

    pub(crate) fn into_condition(self) -> Result<Condition, Reason> {
        self.0
    }
}

impl std::ops::Not for When {
    type Output = Self;

    /// The other way round.
    fn not(self) -> Self {
        Self(self.0.map(|condition| Condition::Not(Box::new(condition))))
    }
}

/// A field of the present value: see [`field`].
#[derive(Clone, Debug)]
pub struct FieldPath(Vec<String>);

/// The named field of the present value, to be compared.
///
/// ```
/// # use beldi_core as beldi;
/// let in_vienna = beldi::field("address").field("city").eq("Vienna");
/// # drop(in_vienna);
/// ```
pub fn field(name: &str) -> FieldPath {
    FieldPath(vec![name.to_owned()])
}

impl FieldPath {
    /// A field of this field.
    #[must_use]
    pub fn field(mut self, name: &str) -> Self {
        self.0.push(name.to_owned());
        self
    }

    /// The field is there.
    pub fn exists(self) -> When {
        When(Ok(Condition::Exists(Field(self.0))))
    }

    /// The field is not there.
    pub fn absent(self) -> When {
        When(Ok(Condition::Absent(Field(self.0))))
    }

    /// The field equals `value`.
    pub fn eq(self, value: impl Serialize) -> When {
        When(operand(&value).map(|value| Condition::Equals(Field(self.0), value)))
    }

    /// The field does not equal `value`, or is not there.
    pub fn ne(self, value: impl Serialize) -> When {
        !self.eq(value)
    }

    /// The field is less than `value`.
    pub fn lt(self, value: impl Serialize) -> When {
        self.compares(Compare::Less, &value)
    }

    /// The field is at most `value`.
    pub fn le(self, value: impl Serialize) -> When {
        self.compares(Compare::LessOrEqual, &value)
    }

    /// The field is greater than `value`.
    pub fn gt(self, value: impl Serialize) -> When {
        self.compares(Compare::Greater, &value)
    }

    /// The field is at least `value`.
    pub fn ge(self, value: impl Serialize) -> When {
        self.compares(Compare::GreaterOrEqual, &value)
    }

    fn compares(self, compare: Compare, value: &impl Serialize) -> When {
        When(operand(value).map(|value| Condition::Compares(Field(self.0), compare, value)))
    }
}

fn operand<T: Serialize + ?Sized>(value: &T) -> Result<Value, Reason> {
    encode(value, "the operand of a condition")
}
