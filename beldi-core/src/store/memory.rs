//! A store in memory: for tests, and the reference every other store is compared with.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;

use super::{
    Condition, DuePage, DueQuery, Key, MAX_PAGE, Page, Query, Result, Row, Store, Update, Updated,
};

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
    due: BTreeSet<(String, u64, Key)>,
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

    fn query(&self, query: &Query) -> Page {
        let start = Key::new(&*query.partition, &*query.prefix);
        let after = query.after.as_ref().map(|sort| Key::new(&*query.partition, &**sort));
        let low = match &after {
            Some(key) if !query.descending => Bound::Excluded(key),
            _ => Bound::Included(&start),
        };
        let rows = self.rows.range((low, Bound::Unbounded)).take_while(|(key, _)| {
            key.partition == query.partition && key.sort.starts_with(&query.prefix)
        });
        if query.descending {
            let mut rows: Vec<_> =
                rows.filter(|(key, _)| after.as_ref().is_none_or(|after| *key < after)).collect();
            rows.reverse();
            page(rows.into_iter(), query.limit)
        } else {
            page(rows, query.limit)
        }
    }

    fn due(&self, query: &DueQuery) -> DuePage {
        let floor = (query.shard.clone(), 0, Key::new("", ""));
        let after =
            query.after.as_ref().map(|(order, key)| (query.shard.clone(), *order, key.clone()));
        let low = after.as_ref().map_or(Bound::Included(&floor), Bound::Excluded);
        let places: Vec<_> = self
            .due
            .range((low, Bound::Unbounded))
            .take_while(|(shard, ..)| *shard == query.shard)
            .take(query.limit)
            .collect();
        let next = (places.len() == query.limit)
            .then(|| places.last().map(|(_, order, key)| (*order, key.clone())))
            .flatten();
        let rows = places
            .into_iter()
            .filter_map(|(_, _, key)| Some((key.clone(), self.rows.get(key)?.clone())))
            .collect();
        DuePage { rows, next }
    }
}

/// Cuts at `limit` rows or [`MAX_PAGE`] bytes, whichever comes first.
fn page<'a>(rows: impl Iterator<Item = (&'a Key, &'a Row)>, limit: usize) -> Page {
    let mut page = Page::default();
    let mut bytes = 0;
    for (key, row) in rows {
        bytes += key.sort.len() + row.size();
        page.rows.push((key.clone(), row.clone()));
        if page.rows.len() == limit || bytes >= MAX_PAGE {
            page.next = Some(key.sort.clone());
            break;
        }
    }
    page
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Row>>> {
        Box::pin(async move { Ok(self.lock().rows.get(key).cloned()) })
    }

    fn update<'a>(&'a self, key: &'a Key, update: &'a Update) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move { self.lock().update(key, update) })
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page>> {
        Box::pin(async move { Ok(self.lock().query(query)) })
    }

    fn due<'a>(&'a self, query: &'a DueQuery) -> BoxFuture<'a, Result<DuePage>> {
        Box::pin(async move { Ok(self.lock().due(query)) })
    }

    fn delete<'a>(&'a self, key: &'a Key, when: &'a Condition) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let mut state = self.lock();
            let holds = when.holds(state.rows.get(key));
            if holds {
                state.write(key, None);
            }
            Ok(holds)
        })
    }
}
