//! The tables of the file: the rows by key, and the due index, always changed together.

use redb::{Error, ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};

use super::record;
use crate::store::page::Place;
use crate::store::{DuePage, DueQuery, Key, Page, Query, Result, Row};

/// Partition and sort key, compared part by part, as bytes.
type RowKey = (&'static str, &'static str);
/// Shard and order, then the key of the row.
type DueKey = (&'static str, u64, &'static str, &'static str);

const ROWS: TableDefinition<'static, RowKey, &[u8]> = TableDefinition::new("rows");
const DUE: TableDefinition<'static, DueKey, ()> = TableDefinition::new("due");

/// The tables as the last commit left them.
pub(super) struct Snapshot(pub(super) ReadTransaction);

impl Snapshot {
    pub(super) fn get(&self, key: &Key) -> Result<Option<Row>, Error> {
        row(&self.0.open_table(ROWS)?, key)
    }

    pub(super) fn query(&self, query: &Query) -> Result<Page, Error> {
        let Some(range) = query.range() else { return Ok(Page::default()) };
        let range = parts(&range.start)..parts(&range.end);
        let table = self.0.open_table(ROWS)?;
        let rows = table.range::<(&str, &str)>(range)?.map(|entry| {
            let (place, record) = entry?;
            let (partition, sort) = place.value();
            let key = Key::new(partition, sort);
            let row = record::decode(&key, record.value())?;
            Ok((key, row))
        });
        if query.descending {
            Page::cut(rows.rev(), query.limit)
        } else {
            Page::cut(rows, query.limit)
        }
    }

    pub(super) fn due(&self, query: &DueQuery) -> Result<DuePage, Error> {
        let range = query.range();
        let range = place_parts(&range.start)..place_parts(&range.end);
        let (table, places) = (self.0.open_table(ROWS)?, self.0.open_table(DUE)?);
        let rows = places.range::<(&str, u64, &str, &str)>(range)?.filter_map(|entry| {
            let found = entry.map_err(Error::from).and_then(|(place, _)| {
                let (_, order, partition, sort) = place.value();
                let key = Key::new(partition, sort);
                Ok(row(&table, &key)?.map(|row| (order, key, row)))
            });
            found.transpose()
        });
        DuePage::cut(rows, query.limit)
    }
}

/// The tables as the next commit will leave them.
pub(super) struct Draft<'t> {
    rows: Table<'t, RowKey, &'static [u8]>,
    due: Table<'t, DueKey, ()>,
    changed: bool,
}

impl<'t> Draft<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, Error> {
        let (rows, due) = (transaction.open_table(ROWS)?, transaction.open_table(DUE)?);
        Ok(Self { rows, due, changed: false })
    }

    /// Whether there is anything to commit.
    pub(super) fn is_changed(&self) -> bool {
        self.changed
    }

    pub(super) fn get(&self, key: &Key) -> Result<Option<Row>, Error> {
        row(&self.rows, key)
    }

    /// Puts `new` in the place of `old`, the row that is there.
    pub(super) fn replace(
        &mut self,
        key: &Key,
        old: Option<&Row>,
        new: Option<&Row>,
    ) -> Result<(), Error> {
        self.changed = true;
        match new {
            Some(row) => self.rows.insert(parts(key), &*record::encode(key, row)?)?,
            None => self.rows.remove(parts(key))?,
        };
        let (old, new) = (old.and_then(Row::due), new.and_then(Row::due));
        if old == new {
            return Ok(());
        }
        if let Some((shard, order)) = old {
            self.due.remove(due_place(shard, order, key))?;
        }
        if let Some((shard, order)) = new {
            self.due.insert(due_place(shard, order, key), ())?;
        }
        Ok(())
    }
}

fn row(rows: &impl ReadableTable<RowKey, &'static [u8]>, key: &Key) -> Result<Option<Row>, Error> {
    let record = rows.get(parts(key))?;
    record.map(|record| record::decode(key, record.value())).transpose()
}

fn parts(key: &Key) -> (&str, &str) {
    (&key.partition, &key.sort)
}

fn place_parts((shard, order, key): &Place) -> (&str, u64, &str, &str) {
    due_place(shard, *order, key)
}

fn due_place<'a>(shard: &'a str, order: u64, key: &'a Key) -> (&'a str, u64, &'a str, &'a str) {
    (shard, order, &key.partition, &key.sort)
}
