//! Conditions and updates as DynamoDB's expressions.
//!
//! Names and values are never spelt in an expression: every one is a placeholder, so that none can be
//! a reserved word or be taken apart. What needs no look at the row is decided here: DynamoDB refuses
//! to compare what has no order, and has no constants.
//!
//! An update is folded until each attribute is named once: what is set and then added to is set to the
//! sum, and what is removed at last is only removed. What is left of `add` is DynamoDB's `ADD`, which
//! is stricter than [`Update::apply`](super::super::Update::apply): it refuses to add to what is not
//! a number, adds to fractions, and refuses a sum of more than 38 digits. beldi adds to counters only.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

use super::super::{Compare, Condition, Field, Key, Result, StoreError, Update};
use super::codec;
use super::schema::{Item, PARTITION};
use crate::value::Value;

/// The longest expression, in bytes.
const MAX_EXPRESSION: usize = 4096;
/// The most operators and functions of an expression.
const MAX_OPERATORS: usize = 300;

/// The expressions of a request, and what their placeholders stand for.
#[derive(Debug, Default)]
pub(super) struct Expressions {
    pub(super) condition: Option<String>,
    pub(super) update: Option<String>,
    names: Vec<String>,
    values: Vec<AttributeValue>,
    operators: usize,
}

impl Expressions {
    /// Those of an update of the row at `key`.
    pub(super) fn of_update(key: &Key, update: &Update) -> Result<Self> {
        let mut expressions = Self::of_condition(key, &update.when)?;
        let clauses = expressions.clauses(update).map_err(|why| unstorable(key, why))?;
        expressions.update = (!clauses.is_empty()).then_some(clauses);
        expressions.checked(key)
    }

    /// Those of a request that only has a condition.
    pub(super) fn of_condition(key: &Key, when: &Condition) -> Result<Self> {
        let mut expressions = Self::default();
        expressions.condition = match Folded::of(when) {
            Folded::Constant(true) => None,
            Folded::Constant(false) => Some(expressions.never()),
            folded => Some(expressions.spell(&folded).map_err(|why| unstorable(key, why))?),
        };
        expressions.checked(key)
    }

    /// What the placeholders of names stand for.
    pub(super) fn names(&self) -> Option<HashMap<String, String>> {
        let names = self.names.iter().enumerate();
        let names: HashMap<_, _> =
            names.map(|(nth, name)| (format!("#{nth}"), name.clone())).collect();
        (!names.is_empty()).then_some(names)
    }

    /// What the placeholders of values stand for.
    pub(super) fn values(&self) -> Option<Item> {
        let values = self.values.iter().enumerate();
        let values: Item = values.map(|(nth, value)| (format!(":{nth}"), value.clone())).collect();
        (!values.is_empty()).then_some(values)
    }

    fn checked(self, key: &Key) -> Result<Self> {
        let lengths =
            [&self.condition, &self.update].map(|text| text.as_ref().map_or(0, String::len));
        let longest = lengths.into_iter().max().unwrap_or(0);
        let why = if self.operators > MAX_OPERATORS {
            format!(
                "its condition has {} operators; DynamoDB takes {MAX_OPERATORS}",
                self.operators
            )
        } else if longest > MAX_EXPRESSION {
            format!("an expression of it has {longest} bytes; DynamoDB takes {MAX_EXPRESSION}")
        } else {
            return Ok(self);
        };
        Err(StoreError::TooComplex { key: key.clone(), why })
    }

    fn name(&mut self, name: &str) -> String {
        let name = codec::name(name);
        let known = self.names.iter().position(|known| *known == name);
        let nth = known.unwrap_or_else(|| {
            self.names.push(name);
            self.names.len() - 1
        });
        format!("#{nth}")
    }

    fn value(&mut self, value: &Value) -> Result<String, String> {
        self.values.push(codec::encode(value)?);
        Ok(format!(":{}", self.values.len() - 1))
    }

    fn path(&mut self, Field(path): &Field) -> String {
        path.iter().map(|name| self.name(name)).collect::<Vec<_>>().join(".")
    }

    /// What holds for no row: every row has its key.
    fn never(&mut self) -> String {
        self.operators += 3;
        let key = self.name(PARTITION);
        format!("attribute_exists({key}) AND attribute_not_exists({key})")
    }

    fn spell(&mut self, condition: &Folded<'_>) -> Result<String, String> {
        self.operators += 1;
        Ok(match condition {
            Folded::Constant(_) => return Err("a condition that was not folded".to_owned()),
            Folded::Exists(field) => format!("attribute_exists({})", self.path(field)),
            Folded::Absent(field) => format!("attribute_not_exists({})", self.path(field)),
            Folded::Compares(field, operator, value) => {
                format!("{} {operator} {}", self.path(field), self.value(value)?)
            }
            Folded::Not(condition) => format!("NOT ({})", self.spell(condition)?),
            Folded::All(conditions) => self.join(conditions, " AND ")?,
            Folded::Any(conditions) => self.join(conditions, " OR ")?,
        })
    }

    fn join(&mut self, conditions: &[Folded<'_>], between: &str) -> Result<String, String> {
        // One operator fewer than there are conditions, of which one is counted.
        self.operators += conditions.len().saturating_sub(2);
        let spelt = conditions.iter().map(|condition| match condition {
            Folded::All(_) | Folded::Any(_) => Ok(format!("({})", self.spell(condition)?)),
            condition => self.spell(condition),
        });
        Ok(spelt.collect::<Result<Vec<_>, String>>()?.join(between))
    }

    fn clauses(&mut self, update: &Update) -> Result<String, String> {
        let (mut set, mut add, mut remove) = (Vec::new(), Vec::new(), Vec::new());
        for (name, change) in changes(update) {
            let name = self.name(name);
            match change {
                Change::Set(value) => set.push(format!("{name}={}", self.value(value)?)),
                Change::SetSum(sum) => {
                    set.push(format!("{name}={}", self.value(&Value::Int(sum))?));
                }
                Change::Add(sum) => add.push(format!("{name} {}", self.value(&Value::Int(sum))?)),
                Change::Remove => remove.push(name),
            }
        }
        let clauses = [("SET", set), ("ADD", add), ("REMOVE", remove)];
        let clauses = clauses.into_iter().filter(|(_, changes)| !changes.is_empty());
        let clauses = clauses.map(|(word, changes)| format!("{word} {}", changes.join(",")));
        Ok(clauses.collect::<Vec<_>>().join(" "))
    }
}

fn unstorable(key: &Key, why: String) -> StoreError {
    StoreError::Unstorable { key: key.clone(), why }
}

/// What becomes of one attribute.
enum Change<'a> {
    Set(&'a Value),
    SetSum(i128),
    Add(i128),
    Remove,
}

/// What an update does, each attribute once.
fn changes(update: &Update) -> BTreeMap<&str, Change<'_>> {
    let mut changes = BTreeMap::new();
    for (name, value) in &update.set {
        changes.insert(&**name, Change::Set(value));
    }
    for (name, amount) in &update.add {
        let amount = i128::from(*amount);
        let change = match changes.get(&**name) {
            Some(Change::Set(value)) => {
                Change::SetSum(value.as_int().unwrap_or(0).saturating_add(amount))
            }
            Some(Change::SetSum(sum)) => Change::SetSum(sum.saturating_add(amount)),
            Some(Change::Add(sum)) => Change::Add(sum.saturating_add(amount)),
            Some(Change::Remove) | None => Change::Add(amount),
        };
        changes.insert(name, change);
    }
    for name in &update.remove {
        changes.insert(name, Change::Remove);
    }
    changes
}

/// The bytes that a row has at least after an update: its key and what is set.
pub(super) fn least_size(key: &Key, update: &Update) -> usize {
    let size = |(name, change): (&str, Change<'_>)| match change {
        Change::Set(value) => name.len() + value.size(),
        Change::SetSum(sum) => name.len() + Value::Int(sum).size(),
        Change::Add(_) => name.len() + Value::Int(0).size(),
        Change::Remove => 0,
    };
    key.partition.len() + key.sort.len() + changes(update).into_iter().map(size).sum::<usize>()
}

/// A condition whose constant parts are gone, except where it is nothing else.
#[derive(Debug, PartialEq)]
enum Folded<'a> {
    Constant(bool),
    Exists(&'a Field),
    Absent(&'a Field),
    Compares(&'a Field, &'static str, &'a Value),
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
}

impl<'a> Folded<'a> {
    fn of(condition: &'a Condition) -> Self {
        match condition {
            Condition::Exists(Field(path)) if path.is_empty() => Self::Constant(false),
            Condition::Absent(Field(path)) if path.is_empty() => Self::Constant(true),
            Condition::Exists(field) => Self::Exists(field),
            Condition::Absent(field) => Self::Absent(field),
            Condition::Equals(Field(path), value) if path.is_empty() || is_nan(value) => {
                Self::Constant(false)
            }
            Condition::Equals(field, value) => Self::Compares(field, "=", value),
            Condition::Compares(Field(path), _, value) if path.is_empty() || !is_ordered(value) => {
                Self::Constant(false)
            }
            Condition::Compares(field, compare, value) => {
                Self::Compares(field, operator(*compare), value)
            }
            Condition::All(conditions) => Self::all(conditions),
            Condition::Any(conditions) => Self::any(conditions),
            Condition::Not(condition) => match Self::of(condition) {
                Self::Constant(constant) => Self::Constant(!constant),
                Self::Not(condition) => *condition,
                condition => Self::Not(Box::new(condition)),
            },
        }
    }

    fn all(conditions: &'a [Condition]) -> Self {
        match Self::several(conditions, true) {
            Some(mut several) if several.len() == 1 => several.remove(0),
            Some(several) if several.is_empty() => Self::Constant(true),
            Some(several) => Self::All(several),
            None => Self::Constant(false),
        }
    }

    fn any(conditions: &'a [Condition]) -> Self {
        match Self::several(conditions, false) {
            Some(mut several) if several.len() == 1 => several.remove(0),
            Some(several) if several.is_empty() => Self::Constant(false),
            Some(several) => Self::Any(several),
            None => Self::Constant(true),
        }
    }

    /// Those that are not the neutral constant; `None` if one is the other constant.
    fn several(conditions: &'a [Condition], neutral: bool) -> Option<Vec<Self>> {
        let folded: Vec<_> = conditions
            .iter()
            .map(Self::of)
            .filter(|folded| *folded != Self::Constant(neutral))
            .collect();
        (!folded.contains(&Self::Constant(!neutral))).then_some(folded)
    }
}

fn operator(compare: Compare) -> &'static str {
    match compare {
        Compare::Less => "<",
        Compare::LessOrEqual => "<=",
        Compare::Greater => ">",
        Compare::GreaterOrEqual => ">=",
    }
}

/// Whether a value compares with any other.
fn is_ordered(value: &Value) -> bool {
    value.compare(value).is_some()
}

fn is_nan(value: &Value) -> bool {
    matches!(value, Value::Float(float) if float.is_nan())
}
