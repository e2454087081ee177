//! What no collector may ever do, checked on the rows from one look to the next.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{Epoch, Id};
use crate::protocol::intent::{Intent, State};
use crate::protocol::layout::{self, item as attr, service};
use crate::protocol::prune::{Mark, marks};
use crate::protocol::txn::Decision;
use crate::store::{EXPIRES, Key, Row};

/// Looks at the rows of a service again and again.
#[derive(Debug, Default)]
pub(super) struct Audit {
    last: Look,
}

/// What one look found.
#[derive(Debug, Default)]
struct Look {
    horizon: Epoch,
    /// Marks by item, in its head and its older rows, each with its epoch.
    marks: BTreeMap<(String, String, String), Epoch>,
    /// Tombstones of other services' transactions, in the same way, with the service.
    foreign: BTreeMap<(String, String, String), (String, Epoch)>,
    intents: BTreeMap<String, Intent>,
    /// When the tombstone of a root goes.
    until: BTreeMap<String, Epoch>,
    /// Slots that are whole, by root.
    slots: BTreeSet<(String, Id, u32)>,
    /// Decisions that are whole, by root, with the epoch of the transaction.
    decisions: BTreeMap<(String, String), Epoch>,
    /// Prepare records that are whole, with the service that coordinates and the epoch of the transaction.
    prepared: BTreeMap<Key, (String, Epoch)>,
}

impl Audit {
    /// Compares the rows with what they were, and says what is wrong. `swept` is how far other
    /// services are.
    pub(super) fn look(
        &mut self,
        rows: &[(Key, Row)],
        swept: impl Fn(&str) -> Epoch,
    ) -> Result<(), String> {
        let now = Look::at(rows)?;
        let last = std::mem::replace(&mut self.last, now);
        let now = &self.last;
        if now.horizon < last.horizon {
            return Err(format!("the horizon fell from {} to {}", last.horizon, now.horizon));
        }
        now.no_live_root_is_behind()?;
        for (item, epoch) in &last.marks {
            if !now.marks.contains_key(item) && *epoch >= now.horizon {
                return Err(format!("the mark {item:?} went before the horizon, {}", now.horizon));
            }
        }
        for (item, (service, epoch)) in &last.foreign {
            if !now.foreign.contains_key(item) && *epoch >= swept(service) {
                return Err(format!("the tombstone {item:?} went before `{service}` was swept"));
            }
        }
        for (key, (service, epoch)) in &last.prepared {
            if !now.prepared.contains_key(key) && *epoch >= swept(service) {
                return Err(format!("the prepare record {key} went before `{service}` was swept"));
            }
        }
        last.slots.iter().try_for_each(|slot| now.may_miss(slot))?;
        for ((root, sort), epoch) in &last.decisions {
            let stays = now.decisions.contains_key(&(root.clone(), sort.clone()));
            if !stays && !now.is_over(root) && *epoch >= now.horizon {
                return Err(format!("the decision {sort} of `{root}` went before its root ended"));
            }
        }
        last.intents.iter().try_for_each(|(key, intent)| now.may_follow(key, intent, &last))
    }
}

impl Look {
    fn at(rows: &[(Key, Row)]) -> Result<Self, String> {
        let mut look = Self::default();
        for (key, row) in rows {
            look.add(key, row)?;
        }
        let ahead = |fence: i128| fence > i128::from(look.horizon);
        match rows.iter().find(|(_, row)| row.int(attr::FENCE).is_some_and(ahead)) {
            Some((key, _)) => Err(format!("the fence of {key} is above the horizon")),
            None => Ok(look),
        }
    }

    fn add(&mut self, key: &Key, row: &Row) -> Result<(), String> {
        if *key == layout::service_row() {
            let horizon = row.int(service::HORIZON).and_then(|h| Epoch::try_from(h).ok());
            self.horizon = horizon.unwrap_or(0);
        } else if let Some(item) = layout::parse_head(key) {
            let (counted, stand) = (row.int(attr::MARKS).unwrap_or(0), marks(row));
            if i128::try_from(stand) != Ok(counted) {
                return Err(format!("{key} counts {counted} marks and holds {stand}"));
            }
            self.add_marks(item, row);
        } else if let Some(item) = layout::parse_older(key) {
            self.add_marks(item, row);
        } else if let Some(root) = layout::parse_root(key) {
            self.add_root_row(root, key, row);
        } else if let Some((txn, service)) = layout::parse_prepare(key)
            && row.get(layout::prepare::WRITES).is_some()
        {
            self.prepared.insert(key.clone(), (service.to_owned(), txn.epoch()));
        }
        Ok(())
    }

    fn add_marks(&mut self, (table, name): (&str, &str), row: &Row) {
        for mark in row.0.keys() {
            let place = (table.to_owned(), name.to_owned(), mark.clone());
            match Mark::of(mark) {
                Some(Mark::Own(id)) => drop(self.marks.insert(place, id.epoch())),
                Some(Mark::Foreign { txn, service }) => {
                    self.foreign.insert(place, (service.to_owned(), txn.epoch()));
                }
                None => {}
            }
        }
    }

    fn add_root_row(&mut self, root: &str, key: &Key, row: &Row) {
        if let Some((instance, number)) = layout::parse_slot(&key.sort) {
            if row.get(layout::slot::ENTRIES).is_some() {
                self.slots.insert((root.to_owned(), instance, number));
            }
        } else if let Some((_, retry)) = layout::parse_decision(&key.sort) {
            let whole = row.get(layout::decision::BY).is_some();
            if let Some(decision) = Decision::read(root, retry, row).ok().filter(|_| whole) {
                let place = (root.to_owned(), key.sort.clone());
                self.decisions.insert(place, decision.txn.epoch());
            }
        } else if let Ok(intent) = Intent::read(root, row) {
            if intent.is_collected() {
                // When the store itself removes a row is its own business.
                let until = row.due().map(|(_, until)| until);
                let until = until.or(row.get(EXPIRES).map(|_| 0));
                self.until.extend(until.map(|until| (root.to_owned(), until)));
            }
            self.intents.insert(root.to_owned(), intent);
        }
    }

    /// An unfinished root that has logged something holds the horizon.
    fn no_live_root_is_behind(&self) -> Result<(), String> {
        let behind = |(root, instance, _): &&(String, Id, u32)| {
            let live = self.intents.get(root).filter(|intent| !is_done(intent));
            live.is_some_and(|intent| intent.epoch == instance.epoch())
                && instance.epoch() < self.horizon
        };
        match self.slots.iter().find(behind) {
            Some((root, ..)) => Err(format!("the horizon, {}, has passed `{root}`", self.horizon)),
            None => Ok(()),
        }
    }

    /// Whether nothing of the root can be needed any more.
    fn is_over(&self, root: &str) -> bool {
        self.intents.get(root).is_some_and(is_done)
    }

    fn may_miss(&self, slot: &(String, Id, u32)) -> Result<(), String> {
        let (root, instance, number) = slot;
        let gone = !self.intents.contains_key(root) && instance.epoch() < self.horizon;
        if self.slots.contains(slot) || self.is_over(root) || gone {
            return Ok(());
        }
        Err(format!("slot {number} of {instance} of `{root}` went before its root ended"))
    }

    /// Whether a root may stand as it does now, after it stood like that.
    fn may_follow(&self, key: &str, before: &Intent, last: &Self) -> Result<(), String> {
        match self.intents.get(key) {
            Some(now) if !is_done(before) || now.state == before.state => Ok(()),
            // Nothing stands, or a new request that came since.
            _ if last.until.get(key).is_some_and(|until| *until < self.horizon) => Ok(()),
            now => Err(format!("`{key}` was {:?}, and is {now:?}", before.state)),
        }
    }
}

fn is_done(intent: &Intent) -> bool {
    matches!(intent.state, State::Done(_))
}
