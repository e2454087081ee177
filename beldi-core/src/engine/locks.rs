//! Locks in the way, and locks of an instance's own.
//!
//! Whoever meets a lock asks how its transaction ended and settles it; if it has not ended and is
//! overdue, aborts it; if it is alive, waits, polling with reads. A transaction that holds something
//! itself and meets an older one does not wait but gives way (wait-die: the older waits, so no circle
//! can close), and comes back with its age. Only one of several runs of a try waits nevertheless, until the
//! try is overdue, and what waits for `Table::lock` or writes outside of a transaction until
//! `Limits::lock_wait`.
//!
//! Waiting writes nothing that anything rests on: a [`turn`] is a hint. Settling is one update after the
//! look at the decision, *if* that very lock still stands; a crash between the two leaves the lock for the
//! next who meets it. An instance's own lock is logged by the mark that it leaves in the item's head, not
//! by a slot: another attempt that comes to the step finds the lock, or that it was declined.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;

use super::ops::{bug, list};
use super::txn::{Retry, Transaction, refuse};
use super::what::What;
use super::{Context, Service, Step, Stop};
use crate::error::Reason;
use crate::id::Id;
use crate::protocol::daal::{self, Item};
use crate::protocol::intent::{self, State};
use crate::protocol::journal::Kind;
use crate::protocol::lock::{self, Hold, Holder, Lock, Taken};
use crate::protocol::turn;
use crate::protocol::txn::Decisions;
use crate::store::{Row, StoreError};
use crate::value::Value;
use crate::weakness::{self, Weakness};

impl Service {
    /// Settles a lock if its holder has ended, or has to end now; tells whether it did.
    pub(crate) async fn settle(&self, item: &Item<'_>, lock: &Lock) -> Result<bool, StoreError> {
        match &lock.holder {
            Holder::Txn(txn) => {
                let overdue = self.is_overdue(lock);
                let Some(outcome) = self.outcome(txn, overdue).await? else { return Ok(false) };
                // A run in another epoch learns of the decision when it decides itself; till then
                // what it sees has to stay.
                if outcome.txn != Some(txn.id) && !overdue {
                    return Ok(false);
                }
                lock::settle(item, txn, &outcome.fate(txn.id, item.table, item.key)).await?;
                Ok(true)
            }
            Holder::Instance(hold) => {
                let root = intent::read(&self.store, &hold.root).await?;
                let ended = root.is_none_or(|root| matches!(root.state, State::Done(_)));
                if ended {
                    lock::release(item, hold).await?;
                }
                Ok(ended)
            }
        }
    }

    /// Whether whoever holds the lock has had the time of a transaction.
    pub(crate) fn is_overdue(&self, lock: &Lock) -> bool {
        self.outside.now() >= self.overdue_at(lock)
    }

    /// When that is, in milliseconds since 1970.
    pub(crate) fn overdue_at(&self, lock: &Lock) -> u64 {
        lock.since + millis(self.limits.txn_time)
    }

    /// An item of this service, for somebody who holds no lock on it.
    pub(crate) fn item<'a>(&'a self, table: &'a str, key: &'a str) -> Item<'a> {
        Item {
            store: &self.store,
            outside: &*self.outside,
            service: &self.name,
            horizons: &self.horizons,
            table,
            key,
            capacity: self.limits.marks,
            own_locks: Vec::new(),
        }
    }
}

/// Looks at an item again and again, ever less often, with jitter.
struct Looks<'a> {
    service: &'a Service,
    count: u32,
    /// The lock it found last, and how often.
    found: Option<(Lock, u32)>,
}

impl<'a> Looks<'a> {
    fn of(service: &'a Service, found: Option<Lock>) -> Self {
        Self { service, count: 0, found: found.map(|lock| (lock, 1)) }
    }

    /// Looks once more, after a while that is short for who has the next turn.
    async fn look(&mut self, item: &Item<'_>, is_next: bool) -> Result<Row, StoreError> {
        let outside = &self.service.outside;
        let longest = if is_next { 2 } else { LONGEST_PAUSE.min(2 << self.count.min(16)) };
        self.count += 1;
        let pause = longest / 2 + outside.random() % (longest / 2 + 1);
        outside.sleep(Duration::from_millis(pause)).await;
        let row = daal::read(&self.service.store, item.table, item.key).await?;
        let before = self.found.take();
        self.found = Lock::of(&row)?.map(|lock| match before {
            Some((held, times)) if held.holder == lock.holder => (lock, times + 1),
            _ => (lock, 2),
        });
        Ok(row)
    }

    /// Settles the lock it found if that can be done; asks about the first lock at once, for its
    /// holder may be dead, and leaves it to a live holder to unlock.
    async fn settle(&self, item: &Item<'_>) -> Result<bool, StoreError> {
        let Some((lock, times)) = &self.found else { return Ok(false) };
        let ask = *times == 1 || times % 8 == 0 || self.service.is_overdue(lock);
        Ok(ask && self.service.settle(item, lock).await?)
    }
}

/// The longest wait between two looks at a lock, in milliseconds.
const LONGEST_PAUSE: u64 = 64;

/// A lock that somebody had to give way to.
#[derive(Clone, Debug)]
pub(crate) struct Met {
    pub(crate) table: String,
    pub(crate) key: String,
    pub(crate) lock: Lock,
}

impl Service {
    /// Waits until no older transaction has an item any more, nor the next turn, on behalf of one
    /// that gave way and holds nothing now: it would only have to give way again.
    pub(crate) async fn outlast(&self, met: &Met, own: Id) -> Result<(), StoreError> {
        let item = self.item(&met.table, &met.key);
        let deadline = self.outside.now() + millis(self.limits.lock_wait);
        let mut looks = Looks::of(self, Some(met.lock.clone()));
        let mut is_anothers = false;
        loop {
            let older = looks.found.as_ref().is_some_and(|(lock, _)| lock.holder.age() < own);
            let in_the_way = older || is_anothers;
            if !in_the_way || self.outside.now() >= deadline || looks.settle(&item).await? {
                return Ok(());
            }
            let row = looks.look(&item, false).await?;
            is_anothers = turn::is_anothers(&row, own, self.outside.now());
        }
    }
}

/// A step that waits for an item, since when.
pub(super) struct Waiting<'a> {
    step: &'a Step,
    since: u64,
    looks: Looks<'a>,
}

impl Waiting<'_> {
    /// Waits until the item can be asked for again: it is free, and for a transaction also not an
    /// older one's turn. `met` is the lock in the way, if it is one.
    pub(super) async fn out(
        &mut self,
        item: &Item<'_>,
        met: Option<Lock>,
        transaction: Option<&Arc<Transaction>>,
    ) -> Result<(), Stop> {
        let (outside, waiter) = (&self.step.service().outside, transaction.map(|own| own.txn.id));
        self.looks.found = met.map(|lock| (lock, 1));
        let (mut row, mut is_next) = (None, false);
        loop {
            if self.looks.settle(item).await? {
                return Ok(());
            }
            if let Some((lock, _)) = &self.looks.found {
                self.may_wait(item, lock, transaction)?;
                if let Some((row, txn)) = row.as_ref().zip(waiter) {
                    is_next = turn::ask(item, lock, row, txn, outside.now()).await?;
                }
            }
            let seen = row.insert(self.looks.look(item, is_next).await?);
            let is_others = waiter.is_some_and(|txn| turn::is_anothers(seen, txn, outside.now()));
            if self.looks.found.is_none() && !is_others {
                return Ok(());
            }
        }
    }

    /// Whether it makes sense to wait for this lock, and there is time.
    fn may_wait(
        &self,
        item: &Item<'_>,
        lock: &Lock,
        transaction: Option<&Arc<Transaction>>,
    ) -> Result<(), Stop> {
        self.not_my_own(item, lock, transaction)?;
        if let Some(own) = transaction {
            self.give_way(item, lock, own)?;
        }
        self.check_time(item, lock, transaction)
    }

    /// A root that waits for itself would wait for ever.
    fn not_my_own(
        &self,
        item: &Item<'_>,
        lock: &Lock,
        transaction: Option<&Arc<Transaction>>,
    ) -> Result<(), Stop> {
        let root = &self.step.instance.attempt.intent.request_key;
        if transaction.is_none() || lock.holder.root() != root {
            return Ok(());
        }
        match &lock.holder {
            Holder::Txn(_) => Ok(()),
            Holder::Instance(_) => {
                let (table, key) = (item.table, item.key.escape_debug());
                let why =
                    "this root holds a lock on it; unlock it first, or do all in the transaction";
                Err(refuse(&format!("`{key}` in table `{table}` is asked for"), why))
            }
        }
    }

    /// Wait-die. An older run of the same root is no rival, but goes on with the try.
    fn give_way(&self, item: &Item<'_>, lock: &Lock, own: &Arc<Transaction>) -> Result<(), Stop> {
        let (age, id) = (lock.holder.age(), own.txn.id);
        let has_to = age < id && own.may_hold_beside(item.table, item.key);
        let at_once = weakness::is(Weakness::NoWait);
        if !(has_to || at_once) || !own.may_be_aborted(self.step.service()) {
            return Ok(());
        }
        let (table, key) = (item.table.to_owned(), item.key.to_owned());
        Err(Stop::Retry(Box::new(Retry {
            transaction: Some(Arc::clone(own)),
            is_taken_over: age.stem() == id.stem(),
            met: (!at_once).then(|| Met { table, key, lock: lock.clone() }),
            reason: Reason::new("txn_gave_way", format!("{}, which is older", held(item, lock))),
        })))
    }

    fn check_time(
        &self,
        item: &Item<'_>,
        lock: &Lock,
        transaction: Option<&Arc<Transaction>>,
    ) -> Result<(), Stop> {
        let service = self.step.service();
        let (now, limits) = (service.outside.now(), &service.limits);
        if now.saturating_sub(self.since) >= millis(limits.lock_wait) {
            let waited = format!(
                "{}; gave up after `Limits::lock_wait` ({:?})",
                held(item, lock),
                limits.lock_wait
            );
            return Err(Stop::Fail(Reason::new("lock_wait", waited)));
        }
        let late = |own: &&Arc<Transaction>| {
            own.is_overdue(service) && own.may_hold_beside(item.table, item.key)
        };
        if let Some(own) = transaction.filter(late) {
            let took = format!(
                "{}; the transaction has taken `Limits::txn_time` ({:?}), so others may abort it",
                held(item, lock),
                limits.txn_time
            );
            return Err(Retry::stop(own, Reason::new("txn_time", took)));
        }
        Ok(())
    }
}

/// Who holds what, for people.
fn held(item: &Item<'_>, lock: &Lock) -> String {
    let (table, key) = (item.table, item.key.escape_debug());
    let root = lock.holder.root().escape_debug();
    let who = match &lock.holder {
        Holder::Txn(txn) => format!("a transaction of `{root}` in service `{}`", txn.service),
        Holder::Instance(_) => format!("`{root}`"),
    };
    format!("`{key}` in table `{table}` is locked by {who} since {} ms", lock.since)
}

impl Step {
    pub(super) fn waiting(&self) -> Waiting<'_> {
        let looks = Looks::of(self.service(), None);
        Waiting { step: self, since: self.service().outside.now(), looks }
    }

    /// Takes a lock outside of transactions: the value, or `None` if this instance is to give up
    /// what it holds first.
    pub(crate) async fn lock(&self, table: &str, key: &str) -> Option<Option<Value>> {
        let what = What::new(Kind::Lock, &[table, key]);
        let hold = self.hold(&what);
        let take = async {
            if !matches!(self.context, Context::Plain) {
                return Err(refuse("`lock`", "what a transaction reads is locked already"));
            }
            self.make_way(&what).await?;
            Ok(match self.take(table, key, &hold).await? {
                Some(value) => list([true.into(), list(value.into_iter())].into_iter()),
                None => list([false.into()].into_iter()),
            })
        };
        let Value::List(mut taken) = self.observe(&what, take).await else { return None };
        self.instance.attempt.holdings.is_untidy(table, key);
        if taken.first() != Some(&Value::Bool(true)) {
            return None;
        }
        self.instance.attempt.holdings.hold(table, key, hold);
        match taken.pop() {
            Some(Value::List(mut value)) => Some(value.pop()),
            _ => Some(None),
        }
    }

    fn hold(&self, what: &What) -> Hold {
        let Self { instance, path, .. } = self;
        Hold {
            instance: instance.id,
            step: instance.id.mark(path, what.kind.word(), &what.text),
            root: instance.attempt.intent.request_key.clone(),
        }
    }

    async fn take(
        &self,
        table: &str,
        key: &str,
        hold: &Hold,
    ) -> Result<Option<Option<Value>>, Stop> {
        let service = self.service();
        if self.is_raw() {
            return Ok(Some(daal::value_of(daal::read(&service.store, table, key).await?)));
        }
        let item = service.item(table, key);
        let mut waiting = self.waiting();
        loop {
            let theirs = match lock::take(&item, hold, service.outside.now()).await? {
                Taken::Mine(value) => return Ok(Some(value)),
                Taken::Declined => return Ok(None),
                Taken::Theirs(lock) => lock,
            };
            if theirs.holder.root() == hold.root && matches!(theirs.holder, Holder::Instance(_)) {
                let key = key.escape_debug();
                let text = format!(
                    "`{key}` in table `{table}` is locked by another instance of the same root, \
                     which would wait for itself: unlock it before the call"
                );
                return Err(bug("locked_by_itself", text));
            }
            let must_not_wait =
                self.instance.attempt.holdings.holds_any() && theirs.holder.age() < hold.instance;
            if !must_not_wait {
                Box::pin(waiting.out(&item, Some(theirs), None)).await?;
            } else if !service.settle(&item, &theirs).await? {
                // Without a mark a late delivery of the request could still take the lock.
                lock::decline(service.item(table, key), hold, &theirs).await?;
            }
        }
    }

    /// Gives a lock back.
    pub(crate) async fn unlock(&self, table: &str, key: &str) {
        let what = What::new(Kind::Unlock, &[table, key]);
        let attempt = &self.instance.attempt;
        let holds = attempt.holdings.let_go(table, key);
        let release = async {
            if !matches!(self.context, Context::Plain) {
                return Err(refuse("`unlock`", "its locks go when it is decided"));
            }
            let item = self.service().item(table, key);
            try_join_all(holds.iter().map(|hold| lock::release(&item, hold))).await?;
            Ok(Value::Null)
        };
        self.effect_on_row(&what, release).await;
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 4)
}
