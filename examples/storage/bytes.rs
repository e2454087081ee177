//! What the stored bytes are there for: keys and attributes of all rows, counted as in
//! `docs/stored-form.md`, which says what the names mean.

use beldi::store::{Key, Row};

/// Bytes, by what they are there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bytes {
    /// Users' values, with their keys.
    pub(crate) values: usize,
    /// Marks in the heads of items.
    pub(crate) marks: usize,
    /// The rest of the heads, and all of those without a value.
    pub(crate) heads: usize,
    /// Older log rows.
    pub(crate) older_rows: usize,
    /// Intents, slots and decisions.
    pub(crate) requests: usize,
    /// What is left of those once they are collected.
    pub(crate) tombstones: usize,
    /// The service row and prepare records.
    pub(crate) others: usize,
    /// How many rows there are.
    pub(crate) rows: usize,
}

impl Bytes {
    /// Counts rows.
    pub(crate) fn of<'a>(rows: impl IntoIterator<Item = &'a (Key, Row)>) -> Self {
        let mut bytes = Self::default();
        for (key, row) in rows {
            bytes.count(key, row);
        }
        bytes
    }

    /// Everything.
    pub(crate) fn total(&self) -> usize {
        let Self { values, marks, heads, older_rows, requests, tombstones, others, .. } = self;
        values + marks + heads + older_rows + requests + tombstones + others
    }

    fn count(&mut self, key: &Key, row: &Row) {
        let key_size = key.partition.len() + key.sort.len();
        let size = key_size + row.size();
        self.rows += 1;
        match key.partition.split('/').next() {
            Some("table") => {
                let value = row.get("v").map_or(0, |value| key_size + "v".len() + value.size());
                let marks = marks(row);
                self.values += value;
                self.marks += marks;
                self.heads += size - value - marks;
            }
            Some("older") => self.older_rows += size,
            Some("root") if is_tombstone(row) => self.tombstones += size,
            Some("root") => self.requests += size,
            _ => self.others += size,
        }
    }
}

/// The bytes of all marks of a head.
fn marks(row: &Row) -> usize {
    let marks = row.0.iter().filter(|(name, _)| name.starts_with(['m', 'x']));
    marks.map(|(name, outcome)| name.len() + outcome.size()).sum()
}

/// Whether this row of a root was emptied.
fn is_tombstone(row: &Row) -> bool {
    let collected = Some("collected");
    row.get("asked").is_some() || row.text("by") == collected || row.text("outcome") == collected
}
