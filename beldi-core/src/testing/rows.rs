//! Where a world keeps its rows: in memory, or in the DynamoDB that a variable names.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;

#[cfg(feature = "testing-dynamodb")]
use super::dynamodb::WorldTable;
use crate::outside::Outside;
use crate::store::{Key, MemoryStore, Row, Store};

/// The rows of a world.
#[derive(Clone)]
pub(super) enum Rows {
    Memory(Arc<MemoryStore>),
    #[cfg(feature = "testing-dynamodb")]
    Table(Arc<WorldTable>),
}

impl Rows {
    /// No rows yet. What waits, waits with the world's clock.
    pub(super) fn new(outside: Arc<dyn Outside>) -> Self {
        #[cfg(feature = "testing-dynamodb")]
        if let Some(table) = WorldTable::asked_for(outside) {
            return Self::Table(Arc::new(table));
        }
        #[cfg(not(feature = "testing-dynamodb"))]
        drop(outside);
        Self::in_memory()
    }

    pub(super) fn in_memory() -> Self {
        Self::Memory(Arc::default())
    }

    /// The store that hosts use.
    pub(super) fn for_hosts(&self) -> Arc<dyn Store> {
        match self {
            Self::Memory(rows) => Arc::clone(rows) as Arc<dyn Store>,
            #[cfg(feature = "testing-dynamodb")]
            Self::Table(rows) => rows.for_hosts(),
        }
    }

    /// The store that the test itself looks through: nothing goes wrong, nothing is counted.
    pub(super) fn store(&self) -> &dyn Store {
        match self {
            Self::Memory(rows) => rows,
            #[cfg(feature = "testing-dynamodb")]
            Self::Table(rows) => rows.for_the_test(),
        }
    }

    /// Does something with that store, without awaiting.
    ///
    /// # Panics
    ///
    /// If it waits for more than the store.
    pub(super) fn at_once<F>(&self, doing: F) -> F::Output
    where
        F: Future<Output: Send> + Send,
    {
        let done = match self {
            Self::Memory(_) => doing.now_or_never(),
            #[cfg(feature = "testing-dynamodb")]
            Self::Table(_) => Some(super::dynamodb::aside(doing)),
        };
        #[expect(clippy::expect_used, reason = "a test cannot go on without")]
        done.expect("rows that answer at once")
    }

    /// How long to wait before they are looked at again, by what the last look has shown: how long nothing is
    /// due, if something is to come. `None` if all is over.
    pub(super) fn pause(&self, looks_in_vain: u32, wait: Option<Duration>) -> Option<Duration> {
        #[cfg(not(feature = "testing-dynamodb"))]
        let _ = looks_in_vain;
        match self {
            Self::Memory(_) => wait,
            #[cfg(feature = "testing-dynamodb")]
            Self::Table(rows) => rows.pause(looks_in_vain, wait),
        }
    }

    /// Whether requests take time on a world's clock: over a bad wire they are repeated.
    pub(super) fn takes_time(&self) -> bool {
        match self {
            Self::Memory(_) => false,
            #[cfg(feature = "testing-dynamodb")]
            Self::Table(rows) => rows.takes_time(),
        }
    }

    /// Every row, in key order.
    pub(super) fn all(&self) -> Vec<(Key, Row)> {
        match self {
            Self::Memory(rows) => rows.rows(),
            #[cfg(feature = "testing-dynamodb")]
            Self::Table(rows) => rows.all(),
        }
    }
}
