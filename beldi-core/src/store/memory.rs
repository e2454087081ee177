//! A store in memory: for tests, and the reference every other store is compared with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;

use super::page::Place;
use super::{Condition, DuePage, DueQuery, Key, Page, Query, Result, Row, Store, Update, Updated};

/// Rows in a map, gone with the process.
///
/// ```
/// use beldi_core::store::{Condition, Key, MemoryStore, Store, Update};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// let key = Key::new("hotels", "ritz");
/// store.update(&key, &Update::when(Condition::always()).set("free", 3)).await.unwrap();
/// assert_eq!(store.get(&key).await.unwrap().unwrap().int("free"), Some(3));
/// # });
/// ```
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<Key, Row>,
    due: BTreeSet<Place>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every row, in key order: what a test compares.
    pub fn rows(&self) -> Vec<(Key, Row)> {
        self.lock().rows.iter().map(|(key, row)| (key.clone(), row.clone())).collect()
    }

    /// No code that holds the lock panics half-way, so a poisoned lock guards sound state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, key: &Key, new: Option<Row>) {
        if let Some((shard, order)) = self.rows.get(key).and_then(Row::due) {
            self.due.remove(&(shard.to_owned(), order, key.clone()));
        }
        if let Some((shard, order)) = new.as_ref().and_then(Row::due) {
            self.due.insert((shard.to_owned(), order, key.clone()));
        }
        match new {
            Some(row) => self.rows.insert(key.clone(), row),
            None => self.rows.remove(key),
        };
    }

    fn update(&mut self, key: &Key, update: &Update) -> Result<Updated> {
        let updated = update.apply(key, self.rows.get(key))?;
        if let Updated::Applied(row) = &updated {
            self.write(key, Some(row.clone()));
        }
        Ok(updated)
    }

    fn query(&self, query: &Query) -> Result<Page> {
        let Some(range) = query.range() else { return Ok(Page::default()) };
        let rows = self.rows.range(range).map(|(key, row)| Ok((key.clone(), row.clone())));
        if query.descending {
            Page::cut(rows.rev(), query.limit)
        } else {
            Page::cut(rows, query.limit)
        }
    }

    fn due(&self, query: &DueQuery) -> Result<DuePage> {
        let rows = self.due.range(query.range()).filter_map(|(_, order, key)| {
            let row = self.rows.get(key)?;
            Some(Ok((*order, key.clone(), row.clone())))
        });
        DuePage::cut(rows, query.limit)
    }
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Row>>> {
        Box::pin(async move {
            key.check()?;
            Ok(self.lock().rows.get(key).cloned())
        })
    }

    fn update<'a>(&'a self, key: &'a Key, update: &'a Update) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move { self.lock().update(key, update) })
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page>> {
        Box::pin(async move { self.lock().query(query) })
    }

    fn due<'a>(&'a self, query: &'a DueQuery) -> BoxFuture<'a, Result<DuePage>> {
        Box::pin(async move { self.lock().due(query) })
    }

    fn delete<'a>(&'a self, key: &'a Key, when: &'a Condition) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            key.check()?;
            let mut state = self.lock();
            let holds = when.holds(state.rows.get(key));
            if holds {
                state.write(key, None);
            }
            Ok(holds)
        })
    }
}
