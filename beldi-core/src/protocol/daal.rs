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
//! **A conditional write** adds the user's condition. When that is what failed, a second update
//! sets the mark with outcome `false`, without it a late delivery of the first could still succeed
//! (P5). A crash between the two leaves no mark, so the next attempt judges the condition anew:
//! nobody has acted on the first answer.
//!
//! **"No older row can hold my mark"**: nothing was ever spilled; or my epoch is above the largest
//! epoch ever spilled (my mark is no older than I am); or I have searched the older rows of this
//! very generation. Without the last, an attempt could write again what a spill moved out of sight.
//!
//! **Spill.** (s1) put row *g*, a copy of the log, if absent; (s2) if the head's generation is still
//! *g*, raise it, remove the marks that row *g* now holds, remember its largest epoch. A crash between
//! s1 and s2 leaves a head that is still full; the next writer repeats s1 (refused, the refusal shows
//! the row) and does s2. Any number of writers help: whoever copied first, all remove what is in the
//! copy, and a mark that a host with a larger capacity added after it stays. Whatever else removes
//! marks from a head must leave a full head alone.

use std::time::Duration;

use crate::error::Reason;
use crate::id::{Epoch, Id};
use crate::outside::Outside;
use crate::protocol::layout::{self, item};
use crate::store::{Compare, Condition, Key, Query, Row, Store, StoreError, Update, Updated};
use crate::value::Value;

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// One item, as a writer sees it.
pub(crate) struct Item<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) outside: &'a dyn Outside,
    pub(crate) table: &'a str,
    pub(crate) key: &'a str,
    /// Marks a head holds before it is spilled.
    pub(crate) capacity: u32,
}

/// What a write does to the value.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Put(Value),
    Delete,
    Keep,
}

/// Why a write did not happen and never will in this attempt.
#[derive(Debug)]
pub(crate) enum Refusal {
    Store(StoreError),
    /// The new value could not be made of the old one.
    Value(Reason),
    /// The item is fenced above this epoch: the instance was collected, this attempt is a ghost.
    Fenced,
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What stands between a mark and a head.
enum Verdict {
    /// The mark is there already, with this outcome.
    Marked(Value),
    Fenced,
    Full,
    /// The mark may be in an older row of this generation.
    Older(u64),
    /// Nothing: only the writer's own condition can refuse.
    Clear,
}

/// The value of an item.
pub(crate) async fn read(store: &dyn Store, table: &str, key: &str) -> Result<Option<Value>> {
    let row = store.get(&layout::head(table, key)).await?;
    Ok(row.and_then(value_of))
}

/// The values of a table whose keys begin with `prefix`, in key order. Each is current, the whole
/// is no snapshot.
pub(crate) async fn scan(
    store: &dyn Store,
    table: &str,
    prefix: &str,
) -> Result<Vec<(String, Value)>> {
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
        found.extend(
            page.rows.into_iter().filter_map(|(key, row)| Some((key.sort, value_of(row)?))),
        );
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(found),
        }
    }
}

fn value_of(mut row: Row) -> Option<Value> {
    row.0.remove(item::VALUE)
}

/// Makes the change once, if `when` holds on the value; returns the outcome every attempt agrees
/// on.
pub(crate) async fn write(
    item: &Item<'_>,
    mark: Id,
    change: Change,
    when: Option<&Condition>,
) -> Result<bool, Refusal> {
    let when = when.map(|condition| condition.inside(item::VALUE));
    let mut intended = (change, when.as_ref(), true);
    let mut searched = None;
    loop {
        let (change, when, outcome) = &intended;
        let update = item.marked(mark, searched, change, (*outcome).into(), *when);
        let row = match item.send(&update).await? {
            Updated::Applied(_) => return Ok(*outcome),
            Updated::Refused(row) => row.unwrap_or_default(),
        };
        match item.clear(&row, mark, &mut searched).await? {
            Cleared::Marked(outcome) => return Ok(outcome == Value::Bool(true)),
            Cleared::Nothing if when.is_some() => intended = (Change::Keep, None, false),
            Cleared::Nothing | Cleared::Spilled | Cleared::Searched => {}
        }
    }
}

/// Reads the value, lets `change` decide, and writes the answer if the value is still the same;
/// else once more. Returns what `change` returned in the write that happened.
pub(crate) async fn update(
    item: &Item<'_>,
    mark: Id,
    change: &mut (dyn FnMut(Option<Value>) -> Result<(Change, Value), Reason> + Send),
) -> Result<Value, Refusal> {
    let mut row = item.read_head().await?;
    let mut searched = None;
    let mut conflicts = 0;
    loop {
        match item.clear(&row, mark, &mut searched).await? {
            Cleared::Marked(outcome) => return Ok(outcome),
            Cleared::Spilled => {
                row = item.read_head().await?;
                continue;
            }
            Cleared::Searched => continue,
            Cleared::Nothing => {}
        }
        let unchanged = match row.get(item::VERSION) {
            Some(version) => Condition::equals(item::VERSION, version.clone()),
            None => Condition::absent(item::VERSION),
        };
        let (change, outcome) = change(row.0.get(item::VALUE).cloned()).map_err(Refusal::Value)?;
        let update = item.marked(mark, searched, &change, outcome.clone(), Some(&unchanged));
        row = match item.send(&update).await? {
            Updated::Applied(_) => return Ok(outcome),
            Updated::Refused(now) => now.unwrap_or_default(),
        };
        conflicts += 1;
        if conflicts > PATIENCE {
            item.step_aside(conflicts).await;
            row = item.read_head().await?;
        }
    }
}

/// How the obstacle a head put up was dealt with.
enum Cleared {
    /// The write happened before, with this outcome.
    Marked(Value),
    /// The head has room again, and has changed.
    Spilled,
    /// The older rows of this generation do not have the mark.
    Searched,
    /// There was none.
    Nothing,
}

impl Item<'_> {
    fn head(&self) -> Key {
        layout::head(self.table, self.key)
    }

    async fn read_head(&self) -> Result<Row> {
        Ok(self.store.get(&self.head()).await?.unwrap_or_default())
    }

    /// Waits a random while, longer the more conflicts there were, so that one of many writers
    /// gets through.
    async fn step_aside(&self, conflicts: u32) {
        let longest = 1 << conflicts.saturating_sub(PATIENCE).min(5);
        let wait = self.outside.random() % (longest + 1);
        self.outside.sleep(Duration::from_millis(wait)).await;
    }

    async fn send(&self, update: &Update) -> Result<Updated> {
        self.store.update(&self.head(), update).await
    }

    /// The update that carries a mark.
    fn marked(
        &self,
        mark: Id,
        searched: Option<u64>,
        change: &Change,
        outcome: Value,
        when: Option<&Condition>,
    ) -> Update {
        let name = layout::mark(mark);
        let mut conditions = vec![
            Condition::absent(&*name),
            absent_or(item::MARKS, Compare::Less, u64::from(self.capacity)),
            absent_or(item::FENCE, Compare::LessOrEqual, mark.epoch()),
            not_in_older_rows(mark.epoch(), searched),
        ];
        conditions.extend(when.cloned());
        let update =
            Update::when(Condition::All(conditions)).set(name, outcome).add(item::MARKS, 1);
        match change {
            Change::Put(value) => update.set(item::VALUE, value.clone()).add(item::VERSION, 1),
            Change::Delete => update.remove(item::VALUE).add(item::VERSION, 1),
            Change::Keep => update,
        }
    }

    /// Judges the head and removes what can be removed from the way.
    async fn clear(
        &self,
        row: &Row,
        mark: Id,
        searched: &mut Option<u64>,
    ) -> Result<Cleared, Refusal> {
        match self.judge(row, mark, *searched) {
            Verdict::Marked(outcome) => Ok(Cleared::Marked(outcome)),
            Verdict::Fenced => Err(Refusal::Fenced),
            Verdict::Full => {
                self.spill(row).await?;
                Ok(Cleared::Spilled)
            }
            Verdict::Older(generation) => match self.find_in_older_rows(mark, *searched).await? {
                Some(outcome) => Ok(Cleared::Marked(outcome)),
                None => {
                    *searched = Some(generation);
                    Ok(Cleared::Searched)
                }
            },
            Verdict::Clear => Ok(Cleared::Nothing),
        }
    }

    fn judge(&self, row: &Row, mark: Id, searched: Option<u64>) -> Verdict {
        let number = |name| row.int(name).and_then(|n| u64::try_from(n).ok());
        let generation = number(item::GENERATION).unwrap_or(0);
        if let Some(outcome) = row.get(&layout::mark(mark)) {
            Verdict::Marked(outcome.clone())
        } else if number(item::FENCE).is_some_and(|fence| fence > mark.epoch()) {
            Verdict::Fenced
        } else if number(item::MARKS).is_some_and(|marks| marks >= u64::from(self.capacity)) {
            Verdict::Full
        } else if number(item::SPILLED).is_some_and(|epoch| epoch >= mark.epoch())
            && searched != Some(generation)
        {
            Verdict::Older(generation)
        } else {
            Verdict::Clear
        }
    }

    /// Looks for the mark from the newest older row back to the first that ends before its epoch,
    /// or that an earlier search has seen: older rows do not change.
    async fn find_in_older_rows(&self, mark: Id, searched: Option<u64>) -> Result<Option<Value>> {
        let name = layout::mark(mark);
        let seen = searched.map(|generation| layout::older(self.table, self.key, generation).sort);
        let mut query = Query {
            partition: layout::older_partition(self.table, self.key),
            prefix: String::new(),
            descending: true,
            limit: OLDER_ROWS_PAGE,
            after: None,
        };
        loop {
            let page = self.store.query(&query).await?;
            for (key, row) in &page.rows {
                if let Some(outcome) = row.get(&name) {
                    return Ok(Some(outcome.clone()));
                }
                let ends_before =
                    row.int(item::SPILLED).is_some_and(|epoch| epoch < i128::from(mark.epoch()));
                if ends_before || seen.as_ref().is_some_and(|seen| key.sort <= *seen) {
                    return Ok(None);
                }
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(None),
            }
        }
    }

    /// Moves the log of a full head to an older row; any writer may, several at once do no harm.
    async fn spill(&self, row: &Row) -> Result<()> {
        let generation = row.int(item::GENERATION).and_then(|g| u64::try_from(g).ok()).unwrap_or(0);
        let copy = self.copy(row, generation).await?;
        let still = match row.get(item::GENERATION) {
            Some(generation) => Condition::equals(item::GENERATION, generation.clone()),
            None => Condition::absent(item::GENERATION),
        };
        let copied: Vec<_> = marks(&copy).map(|(name, _, _)| name.clone()).collect();
        let fewer = i64::try_from(copied.len()).unwrap_or(i64::MAX);
        let mut swing = Update::when(still)
            .set(item::GENERATION, generation + 1)
            .set(item::SPILLED, copy.get(item::SPILLED).cloned().unwrap_or(Value::Int(0)))
            .add(item::MARKS, -fewer);
        swing.remove = copied;
        self.send(&swing).await?;
        Ok(())
    }

    /// The older row of this generation: put here, or found as another helper put it.
    async fn copy(&self, row: &Row, generation: u64) -> Result<Row> {
        let before = row.int(item::SPILLED).and_then(|e| u64::try_from(e).ok()).unwrap_or(0);
        let newest = marks(row).map(|(_, mark, _)| mark.epoch()).fold(before, Epoch::max);
        let mut copy = Update::when(Condition::absent(item::SPILLED)).set(item::SPILLED, newest);
        copy.set.extend(marks(row).map(|(name, _, outcome)| (name.clone(), outcome.clone())));
        let key = layout::older(self.table, self.key, generation);
        Ok(match self.store.update(&key, &copy).await? {
            Updated::Applied(copy) => copy,
            Updated::Refused(theirs) => theirs.unwrap_or_default(),
        })
    }
}

/// The marks in a row: attribute, mark, outcome.
fn marks(row: &Row) -> impl Iterator<Item = (&String, Id, &Value)> {
    row.0.iter().filter_map(|(name, outcome)| Some((name, layout::parse_mark(name)?, outcome)))
}

const OLDER_ROWS_PAGE: usize = 4;
/// Conflicts an `update` answers at once, with the row the refusal brought, before it steps aside.
const PATIENCE: u32 = 3;

fn absent_or(name: &str, compare: Compare, value: u64) -> Condition {
    Condition::Any(vec![Condition::absent(name), Condition::compares(name, compare, value)])
}

fn not_in_older_rows(epoch: Epoch, searched: Option<u64>) -> Condition {
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
