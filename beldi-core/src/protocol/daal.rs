//! The linked DAAL: an item's value and the log of who wrote it, in rows that change one at a time.
//!
//! The head sits at a fixed key and holds the value and the newest **marks**; when it is full, its
//! log is spilled to an immutable older row. A read is one get, a write one conditional update.
//!
//! **A write** sends one update of the head:
//! *if* my mark is absent, the head has room, its fence is not above my epoch, and no older row can
//! hold my mark, *then* set the value, my mark with the outcome, and count both. A crash before it
//! leaves nothing, a crash after it leaves everything: value and log entry are one row. A second
//! delivery finds the mark and is refused, for ever (P1).
//!
//! **A conditional write** adds the user's condition. When that is what failed, by the row that the
//! refusal shows, a second update sets the mark with outcome `false`, without it a late delivery of the first could still succeed
//! (P5). A crash between the two leaves no mark, so the next attempt judges the condition anew:
//! nobody has acted on the first answer.
//!
//! **A lock** of somebody else's ([`lock`](super::lock)) refuses a write like a condition of its own;
//! the refusal shows who holds the item.
//!
//! **"No older row can hold my mark"**: nothing was ever spilled; or my epoch is above the largest
//! epoch ever spilled (my mark is no older than I am); or I have searched the older rows of this
//! very generation. Without the last, an attempt could write again what a spill moved out of sight.
//!
//! A full head is [spilled](super::spill), unless it can be [pruned](super::prune).

use std::time::Duration;

use crate::error::Reason;
use crate::id::{Epoch, Id};
use crate::outside::Outside;
use crate::protocol::horizon::Horizons;
use crate::protocol::layout::{self, item};
use crate::protocol::lock::{self, Holder, Lock};
use crate::protocol::prune::{self, Pruning};
use crate::store::{Compare, Condition, Key, Query, Row, Store, StoreError, Update, Updated};
use crate::value::Value;
use crate::weakness::{self, Weakness};

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// One item, as a writer sees it.
pub(crate) struct Item<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) outside: &'a dyn Outside,
    /// The service whose item it is.
    pub(crate) service: &'a str,
    pub(crate) horizons: &'a Horizons,
    pub(crate) table: &'a str,
    pub(crate) key: &'a str,
    /// Marks a head holds before it is spilled.
    pub(crate) capacity: u32,
    /// The locks on it that the writer's own root has taken, as far as the writer knows: one of them may stand.
    pub(crate) own_locks: Vec<Holder>,
}

/// What a write does to the value.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Put(Value),
    Delete,
    Keep,
}

/// What came of a write.
#[derive(Debug)]
pub(crate) struct Written<T> {
    pub(crate) outcome: T,
    /// Whether the head holds nothing to be pruned later but, at most, the mark of this write.
    pub(crate) is_tidy: bool,
}

impl<T> Written<T> {
    fn now(outcome: T, row: &Row) -> Self {
        Self { outcome, is_tidy: row.get(item::VALUE).is_some() && prune::marks(row) <= 1 }
    }

    fn before(outcome: T) -> Self {
        Self { outcome, is_tidy: false }
    }
}

/// Why a write did not happen and never will in this attempt.
#[derive(Debug)]
pub(crate) enum Refusal {
    Store(StoreError),
    /// The new value could not be made of the old one.
    Value(Reason),
    /// The item is fenced above this epoch: the instance was collected, this attempt is a ghost.
    Fenced,
    /// Somebody else holds the item. Unlike the others, this passes.
    Locked(Box<Lock>),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What stands between a mark that is not in the head and the head.
pub(super) enum Obstacle {
    Full,
    /// The mark may be in an older row of this generation.
    Older(u64),
    /// Nothing: only the writer's own condition can refuse.
    None,
}

/// The head of an item.
pub(crate) async fn read(store: &dyn Store, table: &str, key: &str) -> Result<Row> {
    Ok(store.get(&layout::head(table, key)).await?.unwrap_or_default())
}

/// The heads of a table whose keys begin with `prefix`, in key order. Each is current, the whole is
/// no snapshot.
pub(crate) async fn scan(
    store: &dyn Store,
    table: &str,
    prefix: &str,
) -> Result<Vec<(String, Row)>> {
    let mut query = Query {
        partition: layout::table_partition(table),
        prefix: prefix.to_owned(),
        descending: false,
        limit: usize::MAX,
        after: None,
    };
    let mut found = Vec::new();
    loop {
        let page = store.query(&query).await?;
        found.extend(page.rows.into_iter().map(|(key, row)| (key.sort, row)));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(found),
        }
    }
}

/// The value in a head; if the item is locked, the one before the holder changes it.
pub(crate) fn value_of(mut row: Row) -> Option<Value> {
    row.0.remove(item::VALUE)
}

/// How often the value in a head has changed.
pub(crate) fn version_of(row: &Row) -> u64 {
    number(row, item::VERSION).unwrap_or(0)
}

pub(super) fn number(row: &Row, name: &str) -> Option<u64> {
    row.int(name).and_then(|n| u64::try_from(n).ok())
}

impl Change {
    /// Adds the change to an update.
    pub(super) fn onto(self, update: Update) -> Update {
        match self {
            Self::Put(value) => update.set(item::VALUE, value).add(item::VERSION, 1),
            Self::Delete => update.remove(item::VALUE).add(item::VERSION, 1),
            Self::Keep => update,
        }
    }
}

/// Makes the change once, if `when` holds on the value; returns the outcome every attempt agrees
/// on.
pub(crate) async fn write(
    item: &Item<'_>,
    mark: Id,
    change: Change,
    when: Option<&Condition>,
) -> Result<Written<bool>, Refusal> {
    let when = when.map(|condition| condition.inside(item::VALUE));
    let mut intended = (change, when.as_ref(), true);
    let mut searched = None;
    let mut pruning = None;
    loop {
        let (change, when, outcome) = &intended;
        let pruned = pruning.is_some();
        let update = item.marked(mark, searched, change.clone(), (*outcome).into(), *when, pruning);
        let row = match item.send(&update).await? {
            Updated::Applied(row) => return Ok(Written::now(*outcome, &row)),
            Updated::Refused(row) => row.unwrap_or_default(),
        };
        pruning = item.prunable_for(&row, mark);
        match item.clear(&row, mark, &mut searched).await? {
            Cleared::Marked(outcome) => return Ok(Written::before(outcome == Value::Bool(true))),
            // What was to be pruned is gone: that refuses too.
            Cleared::Nothing if pruned && when.is_some_and(|when| when.holds(Some(&row))) => {
                pruning = None;
            }
            Cleared::Nothing if when.is_some() => intended = (Change::Keep, None, false),
            Cleared::Spilled => pruning = None,
            Cleared::Nothing | Cleared::Prunable | Cleared::Searched => {}
        }
    }
}

/// Reads the value, lets `change` decide, and writes the answer if the value is still the same;
/// else once more. Returns what `change` returned in the write that happened.
pub(crate) async fn update(
    item: &Item<'_>,
    mark: Id,
    change: &mut (dyn FnMut(Option<Value>) -> Result<(Change, Value), Reason> + Send),
) -> Result<Written<Value>, Refusal> {
    let mut row = item.read_head().await?;
    let mut searched = None;
    let mut conflicts = 0;
    loop {
        match item.clear(&row, mark, &mut searched).await? {
            Cleared::Marked(outcome) => return Ok(Written::before(outcome)),
            Cleared::Spilled => {
                row = item.read_head().await?;
                continue;
            }
            Cleared::Searched => continue,
            Cleared::Nothing | Cleared::Prunable => {}
        }
        let unchanged = unchanged(&row);
        let (change, outcome) = change(row.0.get(item::VALUE).cloned()).map_err(Refusal::Value)?;
        let pruning = item.prunable_for(&row, mark);
        let update =
            item.marked(mark, searched, change, outcome.clone(), Some(&unchanged), pruning);
        row = match item.send(&update).await? {
            Updated::Applied(row) => return Ok(Written::now(outcome, &row)),
            Updated::Refused(now) => now.unwrap_or_default(),
        };
        conflicts += 1;
        if conflicts > PATIENCE {
            item.step_aside(conflicts).await;
            row = item.read_head().await?;
        }
    }
}

/// The value is the one that was read. A head without a value may be deleted, and versions begin anew in the
/// next.
fn unchanged(row: &Row) -> Condition {
    let same = match row.get(item::VERSION) {
        Some(version) => Condition::equals(item::VERSION, version.clone()),
        None => Condition::absent(item::VERSION),
    };
    match row.get(item::VALUE) {
        Some(_) => same,
        None => Condition::All(vec![same, Condition::absent(item::VALUE)]),
    }
}

/// How the obstacle a head put up was dealt with.
pub(super) enum Cleared {
    /// The write happened before, with this outcome.
    Marked(Value),
    /// The head has room again, and has changed.
    Spilled,
    /// The head is full, and what can be pruned of it makes room.
    Prunable,
    /// The older rows of this generation do not have the mark.
    Searched,
    /// There was none.
    Nothing,
}

impl Item<'_> {
    fn head(&self) -> Key {
        layout::head(self.table, self.key)
    }

    pub(super) async fn read_head(&self) -> Result<Row> {
        read(self.store, self.table, self.key).await
    }

    /// Waits a random while, longer the more conflicts there were, so that one of many writers
    /// gets through.
    async fn step_aside(&self, conflicts: u32) {
        let longest = 1 << conflicts.saturating_sub(PATIENCE).min(5);
        let wait = self.outside.random() % (longest + 1);
        self.outside.sleep(Duration::from_millis(wait)).await;
    }

    pub(super) async fn send(&self, update: &Update) -> Result<Updated> {
        self.store.update(&self.head(), update).await
    }

    /// The update that carries a mark, and takes away what can be pruned.
    fn marked(
        &self,
        mark: Id,
        searched: Option<u64>,
        change: Change,
        outcome: Value,
        when: Option<&Condition>,
        pruning: Option<Pruning>,
    ) -> Update {
        let pruned = pruning.as_ref().map_or(0, Pruning::count);
        let mut conditions = self.may_mark(mark, searched, pruned);
        if !weakness::is(Weakness::PlainWriteIgnoresLock) {
            conditions.push(self.not_locked());
        }
        conditions.extend(when.cloned());
        let update = Update::when(Condition::All(conditions)).set(layout::mark(mark), outcome);
        let update = change.onto(update);
        match pruning {
            Some(pruning) => pruning.onto(update, 1),
            None => update.add(item::MARKS, 1),
        }
    }

    /// Nobody holds the item but, perhaps, the writer's own root.
    fn not_locked(&self) -> Condition {
        if self.own_locks.is_empty() {
            return lock::free();
        }
        let own = self.own_locks.iter().map(lock::held_by);
        Condition::Any(std::iter::once(lock::free()).chain(own).collect())
    }

    /// The conditions on which a head takes a mark, while it loses so many.
    pub(super) fn may_mark(
        &self,
        mark: Id,
        searched: Option<u64>,
        pruned: usize,
    ) -> Vec<Condition> {
        vec![
            Condition::absent(layout::mark(mark)),
            self.has_room(pruned),
            absent_or(item::FENCE, Compare::LessOrEqual, mark.epoch()),
            not_in_older_rows(mark.epoch(), searched),
        ]
    }

    /// Whether there is room for a mark once so many are pruned.
    pub(super) fn has_room(&self, pruned: usize) -> Condition {
        absent_or(item::MARKS, Compare::Less, u64::from(self.capacity) + pruned as u64)
    }

    pub(super) fn is_full(&self, row: &Row) -> bool {
        number(row, item::MARKS).is_some_and(|marks| marks >= u64::from(self.capacity))
    }

    /// Judges the head and removes what can be removed from the way.
    pub(super) async fn clear(
        &self,
        row: &Row,
        mark: Id,
        searched: &mut Option<u64>,
    ) -> Result<Cleared, Refusal> {
        if let Some(outcome) = row.get(&layout::mark(mark)) {
            return Ok(Cleared::Marked(outcome.clone()));
        }
        if self.is_fenced(row, mark.epoch()) {
            return Err(Refusal::Fenced);
        }
        match self.obstacle(row, mark.epoch(), *searched) {
            Obstacle::Older(generation) => {
                let (name, epoch) = (layout::mark(mark), mark.epoch());
                match Box::pin(self.find_in_older_rows(&name, epoch, *searched)).await? {
                    Some(outcome) => Ok(Cleared::Marked(outcome)),
                    None => {
                        *searched = Some(generation);
                        Ok(Cleared::Searched)
                    }
                }
            }
            Obstacle::Full | Obstacle::None => {
                if let Some(lock) = self.lock_of_others(row)? {
                    return Err(Refusal::Locked(Box::new(lock)));
                }
                if !self.is_full(row) {
                    return Ok(Cleared::Nothing);
                }
                if self.prunable(row).is_some() {
                    return Ok(Cleared::Prunable);
                }
                Box::pin(self.spill(row)).await?;
                Ok(Cleared::Spilled)
            }
        }
    }

    fn lock_of_others(&self, row: &Row) -> Result<Option<Lock>> {
        if weakness::is(Weakness::PlainWriteIgnoresLock) {
            return Ok(None);
        }
        Ok(Lock::of(row)?.filter(|lock| !self.own_locks.contains(&lock.holder)))
    }

    /// Whether a mark of this epoch is behind the fence, or would be if there were one.
    fn is_fenced(&self, row: &Row, epoch: Epoch) -> bool {
        let fence = prune::fence(row, item::FENCE).unwrap_or(0);
        fence.max(self.horizons.own()) > epoch
    }

    pub(super) fn obstacle(&self, row: &Row, epoch: Epoch, searched: Option<u64>) -> Obstacle {
        let generation = number(row, item::GENERATION).unwrap_or(0);
        let spilled = number(row, item::SPILLED);
        if spilled.is_some_and(|spilled| spilled >= epoch) && searched != Some(generation) {
            Obstacle::Older(generation)
        } else if self.is_full(row) {
            Obstacle::Full
        } else {
            Obstacle::None
        }
    }
}

/// Conflicts an `update` answers at once, with the row the refusal brought, before it steps aside.
const PATIENCE: u32 = 3;

pub(super) fn absent_or(name: &str, compare: Compare, value: u64) -> Condition {
    Condition::Any(vec![Condition::absent(name), Condition::compares(name, compare, value)])
}

pub(super) fn not_in_older_rows(epoch: Epoch, searched: Option<u64>) -> Condition {
    let mut any = vec![
        Condition::absent(item::SPILLED),
        Condition::compares(item::SPILLED, Compare::Less, epoch),
    ];
    any.extend(searched.map(|generation| match generation {
        0 => Condition::absent(item::GENERATION),
        _ => Condition::equals(item::GENERATION, generation),
    }));
    Condition::Any(any)
}
