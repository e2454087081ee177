//! One world's part of a table.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::Value;
use crate::store::{
    Condition, DUE_SHARD, DuePage, DueQuery, DynamoStore, Field, Key, Page, Query, Result, Row,
    Store, StoreError, Update, Updated,
};

/// The partitions where something was written, each with its rows if they were read since.
type Known = BTreeMap<String, Option<Vec<(Key, Row)>>>;

/// Puts a prefix before every partition and every due shard, and takes it away again.
pub(super) struct Prefixed {
    inner: DynamoStore,
    prefix: String,
    known: Arc<Mutex<Known>>,
    due_lag: Duration,
}

impl Prefixed {
    pub(super) fn new(inner: DynamoStore, prefix: String) -> Self {
        Self { inner, prefix, known: Arc::default(), due_lag: Duration::ZERO }
    }

    /// The same part through another store for the table.
    pub(super) fn over(&self, inner: DynamoStore, due_lag: Duration) -> Self {
        let (prefix, known) = (self.prefix.clone(), Arc::clone(&self.known));
        Self { inner, prefix, known, due_lag }
    }

    /// Every row that was written through one of the stores, and is still there. A partition that nobody
    /// wrote since is not read again.
    pub(super) async fn all(&self) -> Result<Vec<(Key, Row)>> {
        let unread = |(name, rows): (&String, &Option<_>)| rows.is_none().then(|| name.clone());
        let unread: Vec<_> = self.known().iter().filter_map(unread).collect();
        for partition in unread {
            let rows = self.whole(&partition).await?;
            self.known().insert(partition, Some(rows));
        }
        Ok(self.known().values().flatten().flatten().cloned().collect())
    }

    /// Lets everything be read again: something may have arrived late.
    pub(super) fn forget(&self) {
        self.known().values_mut().for_each(|rows| *rows = None);
    }

    async fn whole(&self, partition: &str) -> Result<Vec<(Key, Row)>> {
        let (partition, prefix) = (partition.to_owned(), String::new());
        let mut query = Query { partition, prefix, descending: false, limit: 1000, after: None };
        let mut rows = Vec::new();
        loop {
            let page = self.range(&query).await?;
            rows.extend(page.rows);
            query.after = page.next;
            if query.after.is_none() {
                return Ok(rows);
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A partition is to be read again from now on, and after this was dropped, however a write ends.
    fn writes(&self, partition: &str) -> impl Drop {
        self.known().insert(partition.to_owned(), None);
        Writes { known: Arc::clone(&self.known), partition: partition.to_owned() }
    }

    fn prefixed(&self, text: &str) -> String {
        format!("{}{text}", self.prefix)
    }

    fn there(&self, key: &Key) -> Result<Key> {
        key.check()?;
        Ok(Key::new(self.prefixed(&key.partition), &*key.sort))
    }

    fn here(&self, key: Key) -> Key {
        match key.partition.strip_prefix(&self.prefix) {
            Some(partition) => Key::new(partition, key.sort),
            None => key,
        }
    }

    fn value(&self, name: &str, value: &Value) -> Value {
        match value {
            Value::Text(shard) if name == DUE_SHARD => Value::Text(self.prefixed(shard)),
            value => value.clone(),
        }
    }

    fn condition(&self, condition: &Condition) -> Condition {
        let all = |conditions: &[Condition]| conditions.iter().map(|c| self.condition(c)).collect();
        match condition {
            Condition::Equals(field, value) if is_shard(field) => {
                Condition::Equals(field.clone(), self.value(DUE_SHARD, value))
            }
            Condition::Compares(field, compare, value) if is_shard(field) => {
                Condition::Compares(field.clone(), *compare, self.value(DUE_SHARD, value))
            }
            Condition::All(conditions) => Condition::All(all(conditions)),
            Condition::Any(conditions) => Condition::Any(all(conditions)),
            Condition::Not(condition) => Condition::Not(Box::new(self.condition(condition))),
            condition => condition.clone(),
        }
    }

    fn row(&self, mut row: Row) -> Row {
        if let Some(Value::Text(shard)) = row.0.get_mut(DUE_SHARD)
            && let Some(own) = shard.strip_prefix(&self.prefix)
        {
            *shard = own.to_owned();
        }
        row
    }

    fn rows(&self, rows: Vec<(Key, Row)>) -> Vec<(Key, Row)> {
        rows.into_iter().map(|(key, row)| (self.here(key), self.row(row))).collect()
    }

    /// Speaks of the key that was asked for.
    fn error(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::RowTooLarge { key, size } => {
                StoreError::RowTooLarge { key: self.here(key), size }
            }
            StoreError::Unstorable { key, why } => {
                StoreError::Unstorable { key: self.here(key), why }
            }
            StoreError::TooComplex { key, why } => {
                StoreError::TooComplex { key: self.here(key), why }
            }
            error => error,
        }
    }

    async fn change(&self, key: &Key, update: &Update) -> Result<Updated> {
        let there = self.there(key)?;
        let _writes = self.writes(&key.partition);
        let set = update.set.iter().map(|(name, value)| (name.clone(), self.value(name, value)));
        let update =
            Update { when: self.condition(&update.when), set: set.collect(), ..update.clone() };
        let updated =
            self.inner.update(&there, &update).await.map_err(|error| self.error(error))?;
        Ok(match updated {
            Updated::Applied(row) => Updated::Applied(self.row(row)),
            Updated::Refused(row) => Updated::Refused(row.map(|row| self.row(row))),
        })
    }

    async fn range(&self, query: &Query) -> Result<Page> {
        let there = Query { partition: self.prefixed(&query.partition), ..query.clone() };
        let Page { rows, next } = self.inner.query(&there).await?;
        Ok(Page { rows: self.rows(rows), next })
    }

    async fn due_range(&self, query: &DueQuery) -> Result<DuePage> {
        let after = query.after.as_ref();
        let after = after.map(|(order, key)| Ok((*order, self.there(key)?))).transpose()?;
        let there = DueQuery { shard: self.prefixed(&query.shard), after, ..query.clone() };
        let DuePage { rows, next } = self.inner.due(&there).await?;
        let next = next.map(|(order, key)| (order, self.here(key)));
        Ok(DuePage { rows: self.rows(rows), next })
    }
}

struct Writes {
    known: Arc<Mutex<Known>>,
    partition: String,
}

impl Drop for Writes {
    fn drop(&mut self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(std::mem::take(&mut self.partition), None);
    }
}

fn is_shard(Field(path): &Field) -> bool {
    path.len() == 1 && path.first().is_some_and(|name| name == DUE_SHARD)
}

impl Store for Prefixed {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Row>>> {
        Box::pin(async move {
            let row = self.inner.get(&self.there(key)?).await?;
            Ok(row.map(|row| self.row(row)))
        })
    }

    fn update<'a>(&'a self, key: &'a Key, update: &'a Update) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(self.change(key, update))
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page>> {
        Box::pin(self.range(query))
    }

    fn due<'a>(&'a self, query: &'a DueQuery) -> BoxFuture<'a, Result<DuePage>> {
        Box::pin(self.due_range(query))
    }

    fn delete<'a>(&'a self, key: &'a Key, when: &'a Condition) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let _writes = self.writes(&key.partition);
            self.inner.delete(&self.there(key)?, &self.condition(when)).await
        })
    }

    fn due_lag(&self) -> Duration {
        self.due_lag
    }
}
