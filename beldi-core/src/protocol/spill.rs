//! Spills: the marks of a full head move to an immutable older row.
//!
//! (s1) put row *g*, a copy of the log, if absent; (s2) if the head's generation is still
//! *g*, raise it, remove the marks that row *g* now holds, remember its largest epoch. A crash between
//! s1 and s2 leaves a head that is still full; the next writer repeats s1 (refused, the refusal shows
//! the row) and does s2. Any number of writers help: whoever copied first, all remove what is in the
//! copy, and a mark that a host with a larger capacity added after it stays. s2 also asks that what
//! it removes is still as it was copied: a head can be [pruned](super::prune) meanwhile, and a tombstone
//! can grow.
//!
//! An older row is in the garbage from the beginning: it goes once the horizon is above its largest
//! epoch, and what it holds of other services' transactions is behind theirs ([`recycle`](super::recycle)).

use crate::id::Epoch;
use crate::protocol::daal::{Item, number};
use crate::protocol::layout::{self, item as attr};
use crate::protocol::prune::Mark;
use crate::store::{Condition, DUE_ORDER, DUE_SHARD, Query, Result, Row, Update, Updated};
use crate::value::Value;
use crate::weakness::{self, Weakness};

impl Item<'_> {
    /// Looks for the mark from the newest older row back to the first that ends before its epoch,
    /// or that an earlier search has seen: older rows do not change.
    pub(super) async fn find_in_older_rows(
        &self,
        name: &str,
        epoch: Epoch,
        searched: Option<u64>,
    ) -> Result<Option<Value>> {
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
                if let Some(outcome) = row.get(name) {
                    return Ok(Some(outcome.clone()));
                }
                let ends_before =
                    row.int(attr::SPILLED).is_some_and(|spilled| spilled < i128::from(epoch));
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

    /// Makes room in a full head.
    pub(super) async fn make_room(&self, row: &Row) -> Result<()> {
        match self.prunable(row) {
            Some(pruning) => {
                self.send(&pruning.onto(Update::when(Condition::always()), 0)).await.map(drop)
            }
            None => self.spill(row).await,
        }
    }

    /// Moves the log of a full head to an older row; any writer may, several at once do no harm.
    pub(super) async fn spill(&self, row: &Row) -> Result<()> {
        let generation = number(row, attr::GENERATION).unwrap_or(0);
        let copy = self.copy(row, generation).await?;
        let still = match row.get(attr::GENERATION) {
            Some(generation) => Condition::equals(attr::GENERATION, generation.clone()),
            None => Condition::absent(attr::GENERATION),
        };
        let copied: Vec<_> = marks(&copy)
            .filter(|(name, outcome)| row.get(name) == Some(*outcome))
            .map(|(name, outcome)| (name.clone(), outcome.clone()))
            .collect();
        let fewer = i64::try_from(copied.len()).unwrap_or(i64::MAX);
        // A tombstone is not immutable: a later try may have been settled since it was copied.
        let same = |(name, outcome): &(String, Value)| Condition::equals(&**name, outcome.clone());
        let mut still = vec![still];
        if !weakness::is(Weakness::MarksTakenTwice) {
            still.extend(copied.iter().map(same));
        }
        let mut swing = Update::when(Condition::All(still))
            .set(attr::GENERATION, generation + 1)
            .set(attr::SPILLED, copy.get(attr::SPILLED).cloned().unwrap_or(Value::Int(0)))
            .add(attr::MARKS, -fewer);
        swing.remove = copied.into_iter().map(|(name, _)| name).collect();
        self.send(&swing).await?;
        Ok(())
    }

    /// The older row of this generation: put here, or found as another helper put it.
    async fn copy(&self, row: &Row, generation: u64) -> Result<Row> {
        let before = number(row, attr::SPILLED).unwrap_or(0);
        let newest = marks(row)
            .filter_map(|(name, _)| Some(Mark::of(name)?.epoch()))
            .fold(before, Epoch::max);
        let mut copy = Update::when(Condition::absent(attr::SPILLED))
            .set(attr::SPILLED, newest)
            .set(DUE_SHARD, layout::garbage_shard(self.key))
            .set(DUE_ORDER, newest);
        copy.set.extend(marks(row).map(|(name, outcome)| (name.clone(), outcome.clone())));
        let key = layout::older(self.table, self.key, generation);
        Ok(match self.store.update(&key, &copy).await? {
            Updated::Applied(copy) => copy,
            Updated::Refused(theirs) => theirs.unwrap_or_default(),
        })
    }
}

/// The marks in a row, with their outcomes.
fn marks(row: &Row) -> impl Iterator<Item = (&String, &Value)> {
    row.0.iter().filter(|(name, _)| Mark::of(name).is_some())
}

const OLDER_ROWS_PAGE: usize = 4;
