//! Pruning: the marks of finished roots go from a head, behind a fence.
//!
//! A mark is there to refuse a late delivery of its write. Once the [`horizon`](super::horizon) is
//! above its epoch, the **fence** does that for it: one update takes the marks away and raises the
//! fence to the horizon, *if* each of these marks is still there and the fence is not higher. Every
//! write asks that the fence is not above its own epoch, so what a mark would have refused is refused
//! for ever, whatever the clocks say (P6). Live writers are never refused: no unfinished root is below
//! the horizon. A crash before the update leaves all marks, after it none; two that prune at once
//! cannot count a mark twice.
//!
//! Who writes an item and has seen its head prunes it in the same update; that also makes room in a
//! full head. What nobody writes any more is left to the garbage collector.
//!
//! **Tombstones of other services' transactions** have epochs of another horizon, which may be far
//! behind, so no fence is set for them. Such a tombstone goes when the coordinator has told that it is
//! swept above its epoch: then the decision is gone there, and a late lock of that transaction is
//! released by whoever meets it and asks.

use crate::id::Id;
use crate::protocol::daal::{Item, absent_or};
use crate::protocol::layout::{self, item as attr, tombstone};
use crate::store::{Compare, Condition, Result, Row, Update, Updated};
use crate::value::Value;
use crate::weakness::{self, Weakness};

/// Marks that can go from a head as it was seen.
#[derive(Debug)]
pub(crate) struct Pruning {
    marks: Vec<String>,
    fence: u64,
}

/// A mark in a row: of this service's own, or the tombstone of another's transaction.
pub(crate) enum Mark<'a> {
    Own(Id),
    Foreign { txn: Id, service: &'a str },
}

impl<'a> Mark<'a> {
    /// The mark that an attribute holds, if it is one.
    pub(crate) fn of(name: &str, value: &'a Value) -> Option<Self> {
        if let Some(mark) = layout::parse_mark(name) {
            return Some(Self::Own(mark));
        }
        let txn = layout::parse_foreign_mark(name)?;
        let service = value.field(tombstone::SERVICE)?.as_text()?;
        Some(Self::Foreign { txn, service })
    }

    /// The epoch it was born in.
    pub(crate) fn epoch(&self) -> u64 {
        match self {
            Self::Own(id) | Self::Foreign { txn: id, .. } => id.epoch(),
        }
    }
}

impl Item<'_> {
    /// Whether nothing can come any more that this mark would have to refuse.
    pub(crate) fn has_expired(&self, mark: &Mark<'_>) -> bool {
        match mark {
            Mark::Foreign { service, .. } if !weakness::is(Weakness::ForeignMarksAsOwn) => {
                mark.epoch() < self.horizons.swept(service)
            }
            _ => mark.epoch() < self.horizons.own(),
        }
    }

    /// What can be pruned of a head.
    pub(super) fn prunable(&self, row: &Row) -> Option<Pruning> {
        let expired = |(name, value): (&String, &Value)| {
            Mark::of(name, value).filter(|mark| self.has_expired(mark)).map(|_| name.clone())
        };
        let marks: Vec<_> = row.0.iter().filter_map(expired).collect();
        let fence = row.int(attr::FENCE).and_then(|fence| u64::try_from(fence).ok()).unwrap_or(0);
        (!marks.is_empty()).then(|| Pruning { marks, fence: self.horizons.own().max(fence) })
    }

    /// The same for the writer of a mark, who must not be behind the fence it sets.
    pub(super) fn prunable_for(&self, row: &Row, mark: Id) -> Option<Pruning> {
        self.prunable(row).filter(|pruning| pruning.fence <= mark.epoch())
    }

    /// Prunes a head, which was just read; leaves the only mark of a value alone, since the next write
    /// prunes it too. Returns how many marks went, and the head as it is now.
    pub(crate) async fn prune(&self, mut row: Row) -> Result<(usize, Row)> {
        loop {
            let alone = row.get(attr::VALUE).is_some() && marks(&row) <= 1;
            let Some(pruning) = self.prunable(&row).filter(|_| !alone) else {
                return Ok((0, row));
            };
            let count = pruning.count();
            let update = pruning.onto(Update::when(Condition::always()), 0);
            row = match self.send(&update).await? {
                Updated::Applied(row) => return Ok((count, row)),
                Updated::Refused(row) => row.unwrap_or_default(),
            };
        }
    }
}

/// How many marks a row holds.
pub(crate) fn marks(row: &Row) -> usize {
    row.0.iter().filter(|(name, value)| Mark::of(name, value).is_some()).count()
}

impl Pruning {
    /// How many marks go.
    pub(super) fn count(&self) -> usize {
        self.marks.len()
    }

    /// The same within an update that adds as many marks.
    pub(super) fn onto(self, update: Update, added: i64) -> Update {
        let Update { when, set, mut add, mut remove } = update;
        let mut conditions = vec![when, absent_or(attr::FENCE, Compare::LessOrEqual, self.fence)];
        conditions.extend(self.marks.iter().map(Condition::exists));
        let fewer = i64::try_from(self.marks.len()).unwrap_or(i64::MAX);
        add.push((attr::MARKS.to_owned(), added - fewer));
        remove.extend(self.marks);
        let update = Update { when: Condition::All(conditions), set, add, remove };
        if weakness::is(Weakness::PruneWithoutFence) {
            return update;
        }
        update.set(attr::FENCE, self.fence)
    }
}
