//! Conditions a store can judge on one row, with DynamoDB's meaning of an absent attribute.

use std::cmp::Ordering;

use super::Row;
use crate::value::Value;

/// A path into a row: an attribute, then the names of nested map fields. See [`Condition`].
#[derive(Clone, Debug, PartialEq)]
pub struct Field(pub Vec<String>);

impl Field {
    /// A top-level attribute.
    pub fn attribute(name: impl Into<String>) -> Self {
        Self(vec![name.into()])
    }

    fn inside(&self, attribute: &str) -> Self {
        Self(std::iter::once(attribute.to_owned()).chain(self.0.iter().cloned()).collect())
    }

    fn find<'a>(&self, row: Option<&'a Row>) -> Option<&'a Value> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(row?.get(first)?, |value, name| value.field(name))
    }
}

/// An ordering test. See [`Condition`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Compare {
    fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// A condition on one row. A test of an absent attribute, or of one of another kind, is false.
///
/// ```
/// use beldi::Value;
/// use beldi::store::{Compare, Condition, Field, Row};
///
/// let room = Value::map([("free", Value::from(3))]);
/// let row = Row([("v".to_owned(), room)].into());
/// let free = Field(vec!["v".into(), "free".into()]);
///
/// let some = Condition::Compares(free.clone(), Compare::GreaterOrEqual, Value::from(1));
/// assert!(some.holds(Some(&row)) && !some.holds(None));
/// assert!(Condition::All(vec![some, Condition::absent("fence")]).holds(Some(&row)));
/// assert!(Condition::Not(Box::new(Condition::Exists(free))).holds(None));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// The attribute is there.
    Exists(Field),
    /// The attribute is not there (nor, then, is an absent row's).
    Absent(Field),
    /// The attribute equals the value.
    Equals(Field, Value),
    /// The attribute compares with the value.
    Compares(Field, Compare, Value),
    /// All hold; the empty list always does.
    All(Vec<Self>),
    /// At least one holds; the empty list never does.
    Any(Vec<Self>),
    /// The other way round.
    Not(Box<Self>),
}

impl Condition {
    /// The condition that always holds.
    pub const fn always() -> Self {
        Self::All(Vec::new())
    }

    /// The top-level attribute is there.
    pub fn exists(name: impl Into<String>) -> Self {
        Self::Exists(Field::attribute(name))
    }

    /// The top-level attribute is not there.
    pub fn absent(name: impl Into<String>) -> Self {
        Self::Absent(Field::attribute(name))
    }

    /// The top-level attribute equals the value.
    pub fn equals(name: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Equals(Field::attribute(name), value.into())
    }

    /// The top-level attribute compares with the value.
    pub fn compares(name: impl Into<String>, compare: Compare, value: impl Into<Value>) -> Self {
        Self::Compares(Field::attribute(name), compare, value.into())
    }

    /// The same condition, on the fields inside an attribute.
    #[must_use]
    pub fn inside(&self, attribute: &str) -> Self {
        let inner = |conditions: &[Self]| conditions.iter().map(|c| c.inside(attribute)).collect();
        match self {
            Self::Exists(field) => Self::Exists(field.inside(attribute)),
            Self::Absent(field) => Self::Absent(field.inside(attribute)),
            Self::Equals(field, value) => Self::Equals(field.inside(attribute), value.clone()),
            Self::Compares(field, compare, value) => {
                Self::Compares(field.inside(attribute), *compare, value.clone())
            }
            Self::All(conditions) => Self::All(inner(conditions)),
            Self::Any(conditions) => Self::Any(inner(conditions)),
            Self::Not(condition) => Self::Not(Box::new(condition.inside(attribute))),
        }
    }

    /// Whether the condition holds on the row; `None` is a row that is not there.
    pub fn holds(&self, row: Option<&Row>) -> bool {
        match self {
            Self::Exists(field) => field.find(row).is_some(),
            Self::Absent(field) => field.find(row).is_none(),
            Self::Equals(field, value) => field.find(row).is_some_and(|found| equal(found, value)),
            Self::Compares(field, compare, value) => field
                .find(row)
                .and_then(|found| found.compare(value))
                .is_some_and(|ordering| compare.accepts(ordering)),
            Self::All(conditions) => conditions.iter().all(|c| c.holds(row)),
            Self::Any(conditions) => conditions.iter().any(|c| c.holds(row)),
            Self::Not(condition) => !condition.holds(row),
        }
    }
}

/// Numbers are equal when they compare so, whatever their spelling.
fn equal(a: &Value, b: &Value) -> bool {
    a.compare(b).map_or_else(|| a == b, Ordering::is_eq)
}
