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
//! behind, so the fence of the own service is not for them. Such a tombstone goes once the coordinator
//! has told that it is swept above its epoch, behind a fence of that service's own, which only its
//! transactions are asked for.

use std::collections::BTreeMap;

use crate::id::{Epoch, Id};
use crate::protocol::daal::{Item, absent_or};
use crate::protocol::layout::{self, item as attr};
use crate::protocol::recycle::Tombstone;
use crate::store::{Compare, Condition, Result, Row, Update, Updated};
use crate::value::Value;
use crate::weakness::{self, Weakness};

/// Marks that can go from a head as it was seen.
#[derive(Debug)]
pub(crate) struct Pruning {
    marks: Vec<String>,
    fences: Fences,
}

/// A mark in a row: of this service's own, or the tombstone of another's transaction.
pub(crate) enum Mark<'a> {
    Own(Id),
    Foreign { txn: Id, service: &'a str },
}

impl<'a> Mark<'a> {
    /// The mark that an attribute holds, if it is one.
    pub(crate) fn of(attribute: &'a str) -> Option<Self> {
        if let Some(mark) = layout::parse_mark(attribute) {
            return Some(Self::Own(mark));
        }
        let (txn, service) = layout::parse_foreign_mark(attribute)?;
        Some(Self::Foreign { txn, service })
    }

    /// The epoch it was born in.
    pub(crate) fn epoch(&self) -> Epoch {
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
        let expired = |name: &&String| Mark::of(name).is_some_and(|mark| self.has_expired(&mark));
        let expired = || row.0.keys().filter(expired).take(AT_ONCE);
        let marks: Vec<_> = expired().cloned().collect();
        let gone = expired().filter_map(|name| Mark::of(name));
        let fences = Fences::for_marks(self, gone, row);
        (!marks.is_empty()).then_some(Pruning { marks, fences })
    }

    /// The same for the writer of a mark, who must not be behind the fence it sets.
    pub(super) fn prunable_for(&self, row: &Row, mark: Id) -> Option<Pruning> {
        self.prunable(row).filter(|pruning| pruning.fences.own() <= mark.epoch())
    }

    /// Prunes a head, which was just read; leaves the only mark of a value alone, since the next write
    /// prunes it too. A head without a value is listed until then in the same update: were that done
    /// after it, whoever finds it empty, and listed long ago, could delete it with its new fence.
    /// Returns how many marks went, and the head as it is now.
    pub(crate) async fn prune(&self, mut row: Row, until: Epoch) -> Result<(usize, Row)> {
        loop {
            let alone = row.get(attr::VALUE).is_some() && marks(&row) <= 1;
            let Some(pruning) = self.prunable(&row).filter(|_| !alone) else {
                return Ok((0, row));
            };
            let count = pruning.count();
            let unused = [attr::VALUE, attr::LOCK];
            let update = if unused.iter().all(|name| row.get(name).is_none()) {
                let when = Condition::All(unused.map(Condition::absent).into());
                Tombstone { until, by_store: false }.onto(Update::when(when), self.key)
            } else {
                // Who takes the value or the lock away lists it.
                Update::when(Condition::always())
            };
            let update = pruning.onto(update, 0);
            row = match self.send(&update).await? {
                Updated::Applied(row) => return Ok((count, row)),
                Updated::Refused(row) => row.unwrap_or_default(),
            };
        }
    }
}

/// How many marks a row holds.
pub(crate) fn marks(row: &Row) -> usize {
    row.0.keys().filter(|name| Mark::of(name).is_some()).count()
}

impl Pruning {
    /// How many marks go.
    pub(super) fn count(&self) -> usize {
        self.marks.len()
    }

    /// The same within an update that adds as many marks.
    pub(super) fn onto(self, update: Update, added: i64) -> Update {
        let Update { when, set, mut add, mut remove } = update;
        let mut conditions = vec![when];
        if !weakness::is(Weakness::MarksTakenTwice) {
            conditions.extend(self.marks.iter().map(Condition::exists));
        }
        let when = Condition::All(conditions);
        let fewer = i64::try_from(self.marks.len()).unwrap_or(i64::MAX);
        add.push((attr::MARKS.to_owned(), added - fewer));
        remove.extend(self.marks);
        let update = Update { when, set, add, remove };
        if weakness::is(Weakness::PruneWithoutFence) {
            return update;
        }
        self.fences.onto(update)
    }
}

/// What takes the place of marks: the attributes, and the epochs below which they refuse.
#[derive(Debug)]
pub(super) struct Fences(BTreeMap<String, Epoch>);

impl Fences {
    /// The fences for these marks of an item, no lower than those in its head.
    pub(super) fn for_marks<'a>(
        item: &Item<'_>,
        marks: impl Iterator<Item = Mark<'a>>,
        head: &Row,
    ) -> Self {
        let mut fences = BTreeMap::new();
        for mark in marks {
            let (name, epoch) = match mark {
                Mark::Own(_) => (attr::FENCE.to_owned(), item.horizons.own()),
                Mark::Foreign { service, .. } => {
                    (layout::foreign_fence(service), item.horizons.swept(service))
                }
            };
            let standing = fence(head, &name).unwrap_or(0);
            fences.insert(name, epoch.max(standing));
        }
        Self(fences)
    }

    /// That of the own service; 0 if there is none.
    fn own(&self) -> Epoch {
        self.0.get(attr::FENCE).copied().unwrap_or(0)
    }

    /// Adds them to an update, which must not lower one.
    pub(super) fn onto(&self, update: Update) -> Update {
        let Update { when, mut set, add, remove } = update;
        let lower =
            |(name, epoch): (&String, &Epoch)| absent_or(name, Compare::LessOrEqual, *epoch);
        let when = Condition::All(std::iter::once(when).chain(self.0.iter().map(lower)).collect());
        set.extend(self.0.iter().map(|(name, epoch)| (name.clone(), Value::from(*epoch))));
        Update { when, set, add, remove }
    }

    /// Whether the head of an item has them all.
    pub(super) fn stand_in(&self, head: &Row) -> bool {
        self.0.iter().all(|(name, epoch)| fence(head, name).is_some_and(|fence| fence >= *epoch))
    }
}

/// A fence in a head.
pub(super) fn fence(head: &Row, name: &str) -> Option<Epoch> {
    Epoch::try_from(head.int(name)?).ok()
}

/// The most marks that one update takes away: a condition has its limits.
const AT_ONCE: usize = 64;
