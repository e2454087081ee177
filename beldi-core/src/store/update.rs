//! A change of one row, and its one meaning for every store that computes it itself.

use super::{Condition, Key, MAX_ROW, Result, Row, StoreError, Updated};
use crate::value::Value;

/// A conditional change of one row: `set`, then `add`, then `remove`, all or none.
///
/// ```
/// use beldi::store::{Condition, Key, Update, Updated};
///
/// let first_visit = Update::when(Condition::absent("seen")).set("seen", true).add("visits", 1);
/// let updated = first_visit.apply(&Key::new("guests", "ann"), None)?;
/// assert!(matches!(updated, Updated::Applied(row) if row.int("visits") == Some(1)));
/// # Ok::<(), beldi::store::StoreError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// Judged on the row as it is.
    pub when: Condition,
    /// Attributes to overwrite.
    pub set: Vec<(String, Value)>,
    /// Whole numbers to add to; an absent one counts as zero.
    pub add: Vec<(String, i64)>,
    /// Attributes to remove; absent ones are no error.
    pub remove: Vec<String>,
}

impl Update {
    /// An update under a condition, changing nothing yet.
    pub fn when(when: Condition) -> Self {
        Self { when, set: Vec::new(), add: Vec::new(), remove: Vec::new() }
    }

    /// Overwrites an attribute.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.set.push((name.into(), value.into()));
        self
    }

    /// Adds to a whole number.
    #[must_use]
    pub fn add(mut self, name: impl Into<String>, amount: i64) -> Self {
        self.add.push((name.into(), amount));
        self
    }

    /// Removes an attribute.
    #[must_use]
    pub fn remove(mut self, name: impl Into<String>) -> Self {
        self.remove.push(name.into());
        self
    }

    /// What this update makes of a row; for stores that evaluate it themselves.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidKey`], [`StoreError::RowTooLarge`].
    pub fn apply(&self, key: &Key, row: Option<&Row>) -> Result<Updated> {
        key.check()?;
        if !self.when.holds(row) {
            return Ok(Updated::Refused(row.cloned()));
        }
        let mut new = row.cloned().unwrap_or_default();
        for (name, value) in &self.set {
            new.0.insert(name.clone(), value.clone());
        }
        for (name, amount) in &self.add {
            let sum = new.int(name).unwrap_or(0).saturating_add(i128::from(*amount));
            new.0.insert(name.clone(), Value::Int(sum));
        }
        for name in &self.remove {
            new.0.remove(name);
        }
        let size = key.partition.len() + key.sort.len() + new.size();
        if size > MAX_ROW {
            return Err(StoreError::RowTooLarge { key: key.clone(), size: Some(size) });
        }
        Ok(Updated::Applied(new))
    }
}
