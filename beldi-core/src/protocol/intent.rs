//! The intent of a root: the stored promise that it will finish, with one result.
//!
//! One row per root, at its request key. Who writes it, each time in one conditional update:
//!
//! 1. **register**, put if absent, before the root's first effect (or before a sender goes on, or
//!    before a request is acknowledged). It may carry the first journal slot. The loser adopts the
//!    winner's row: its epoch, its input, its first slot, its result if there is one. A crash before
//!    it leaves nothing, and nothing was visible; a crash after it leaves work for the collector.
//!    Where a decision carries the registration ([`txn`](super::txn)), that stands for the root until it is
//!    registered, at its end or by a collector; what changed nothing is registered as done.
//! 2. **claim**, by a collector or a follower that begins an attempt of a registered root: raises the
//!    attempt counter and moves the lease *before* user code runs, so a crash that leaves no other trace is
//!    counted. Conditional on the lease it saw; of two collectors one wins. A crash after it: the lease ends.
//!    A request that finds its root registered joins in without: its client waits, and asks again.
//! 3. **finish**: state and result, unless already done. All the result depends on is logged by
//!    then (this row could not decide it: a slot of another attempt stands in another row), so a
//!    crash before it is harmless: another attempt comes to the same result.
//! 4. **fail**, **park**, **resume**: bookkeeping on a row that is not done, and in which nothing of the
//!    kind has happened since the attempt that it is about began; losing one costs a wait.
//! 5. **renew**, of a root that registered too late to hold the [`horizon`](super::horizon): a new
//!    epoch, if it still has the one that is lost. Nothing was done under that, so nothing is lost.
//! 6. **called back**: what a callee in another service returned ([`callback`]), while it runs.
//! 7. **empty**, by the garbage collector, once it is done and behind the horizon: what is left is a
//!    tombstone, which answers a late duplicate with the first result. Then **note over**, **postpone** and
//!    **forget**, when nothing can come any more that it would have to answer ([`recycle`](super::recycle)).

mod row;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use metrics::counter;
use tracing::error;

use self::row::{corrupt, reason_value};
use crate::error::Reason;
use crate::id::{Epoch, Id};
use crate::protocol::callback::Callback;
use crate::protocol::journal::{self, Slot};
use crate::protocol::layout::{self, intent as attr};
use crate::protocol::recycle::Tombstone;
use crate::protocol::txn::ItemKey;
use crate::store::{Condition, DUE_ORDER, DUE_SHARD, Result, Store, Update, Updated};
use crate::value::Value;

/// How far a root is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    Running,
    Done(Value),
    Parked(Reason),
}

/// The row of a root.
#[derive(Clone, Debug)]
pub(crate) struct Intent {
    pub(crate) request_key: String,
    pub(crate) ssf: String,
    pub(crate) input: Value,
    pub(crate) code: u64,
    pub(crate) version: String,
    pub(crate) epoch: Epoch,
    pub(crate) attempts: u32,
    pub(crate) excused: u32,
    /// When the next attempt may begin, in milliseconds since 1970.
    pub(crate) next: u64,
    pub(crate) state: State,
    /// Why the last attempt failed.
    pub(crate) reason: Option<Reason>,
    /// The first slot, where it was written with the registration.
    pub(crate) first: Option<Slot>,
    /// The run that wrote the row last.
    pub(crate) by: String,
    /// The service whose root called it or sent it, if that is another one.
    pub(crate) caller: Option<String>,
    /// How many calls it is below the root of the first service that called, 0 if it is nobody's callee.
    pub(crate) depth: u32,
    /// Where that service wants the result, if it comes late.
    pub(crate) callback: Option<Callback>,
    /// What callees in other services have returned; nothing where that was too large to be kept.
    pub(crate) called_back: BTreeMap<Id, Option<Value>>,
    /// When done: what it left elsewhere.
    pub(crate) left: Left,
    /// Of a collected root, whose input is gone: its digest.
    pub(crate) asked: Option<Vec<u8>>,
    /// Of a collected root: whether it is known that nobody is left who could send or call it again.
    pub(crate) is_over: bool,
}

/// What a finished root has left elsewhere than in its intent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Left {
    /// Items whose heads hold more than its own mark, as far as it is known.
    pub(crate) items: Vec<ItemKey>,
    /// Whether there may be other rows in its partition.
    pub(crate) rows: bool,
}

/// What is left of an input.
fn digest(input: &Value) -> Vec<u8> {
    let bytes = postcard::to_extend(input, Vec::new()).unwrap_or_default();
    blake3::hash(&bytes).as_bytes().iter().take(16).copied().collect()
}

/// Who registered the root.
#[derive(Debug)]
pub(crate) enum Registered {
    Mine,
    Theirs(Box<Intent>),
}

/// Registers the root unless it is; with `first`, the first journal slot goes along.
pub(crate) async fn register(
    store: &dyn Store,
    intent: &Intent,
    first: Option<&Slot>,
) -> Result<Registered> {
    let key = layout::intent_row(&intent.request_key);
    let mut update = Update::when(Condition::absent(attr::STATE));
    update.set = intent.attributes();
    update = due(update, intent);
    if let Some(slot) = first {
        update = update.set(attr::FIRST, journal::to_value(slot)?);
    }
    match store.update(&key, &update).await? {
        Updated::Applied(_) => Ok(Registered::Mine),
        Updated::Refused(row) => {
            let theirs = Intent::read(&intent.request_key, &row.unwrap_or_default())?;
            // A collector that takes over a decision registers in the name of the run that decided.
            let is_same = theirs.first.as_ref() == first && theirs.state == intent.state;
            if is_same && theirs.by == intent.by && theirs.attempts == intent.attempts {
                return Ok(Registered::Mine);
            }
            Ok(Registered::Theirs(Box::new(theirs)))
        }
    }
}

/// Begins an attempt of a registered root: `None` when another did, or there is nothing to do.
pub(crate) async fn claim(
    store: &dyn Store,
    seen: &Intent,
    code: u64,
    next: u64,
    by: &str,
) -> Result<Option<Intent>> {
    let key = layout::intent_row(&seen.request_key);
    let when = Condition::All(vec![
        Condition::equals(attr::STATE, RUNNING),
        Condition::equals(attr::NEXT, seen.next),
        Condition::equals(attr::ATTEMPTS, seen.attempts),
    ]);
    let mut update = Update::when(when)
        .set(attr::ATTEMPTS, seen.attempts + 1)
        .set(attr::NEXT, next)
        .set(attr::BY, by);
    if seen.attempts == 0 {
        // Nothing was run yet, so nothing is bound to the code that was deployed at the send.
        update = update.set(attr::CODE, code_text(code));
    }
    let row = match store.update(&key, &update).await? {
        Updated::Applied(row) => row,
        Updated::Refused(Some(row)) if row.text(attr::BY) == Some(by) => row,
        Updated::Refused(_) => return Ok(None),
    };
    Intent::read(&seen.request_key, &row).map(Some)
}

/// Records the result if there is none, with what the garbage collector has to know; returns the
/// result that stands.
pub(crate) async fn finish(
    store: &dyn Store,
    intent: &Intent,
    result: &Value,
    left: &Left,
) -> Result<Value> {
    let request_key = &*intent.request_key;
    let unfinished = Condition::Any(vec![is(RUNNING), is(PARKED)]);
    let mut update = Update::when(unfinished)
        .set(attr::STATE, DONE)
        .set(attr::RESULT, result.clone())
        .set(DUE_SHARD, layout::garbage_shard(request_key))
        .set(DUE_ORDER, intent.epoch)
        .remove(attr::REASON);
    update.set.extend(left.attributes());
    update.remove.extend(intent.called_back.keys().copied().map(layout::called_back));
    let refused = match store.update(&layout::intent_row(request_key), &update).await? {
        Updated::Applied(_) => return Ok(result.clone()),
        Updated::Refused(row) => row.unwrap_or_default(),
    };
    match Intent::read(request_key, &refused)?.state {
        State::Done(first) => Ok(first),
        _ => Err(corrupt(request_key, "a finish was refused though the intent is not done")),
    }
}

/// Notes why an attempt ended and when the next may begin.
pub(crate) async fn fail(
    store: &dyn Store,
    attempt: &Intent,
    reason: &Reason,
    next: u64,
    excused: bool,
) -> Result<()> {
    let update = Update::when(attempt.is_latest())
        .set(attr::REASON, reason_value(reason))
        .set(attr::NEXT, next)
        .add(attr::EXCUSED, i64::from(excused));
    store.update(&layout::intent_row(&attempt.request_key), &update).await.map(drop)
}

/// Takes the root out of the intent collector's hands until someone resumes it. It stays in its place
/// in the due index, where it holds the horizon: no look at the index may miss it on its way.
pub(crate) async fn park(store: &dyn Store, attempt: &Intent, reason: &Reason) -> Result<()> {
    let update = Update::when(attempt.is_latest())
        .set(attr::STATE, PARKED)
        .set(attr::REASON, reason_value(reason));
    let updated = store.update(&layout::intent_row(&attempt.request_key), &update).await?;
    // A refusal by what an update of ours has done, whose reply was lost, counts too.
    if let Updated::Applied(row) | Updated::Refused(Some(row)) = updated
        && row.text(attr::STATE) == Some(PARKED)
    {
        counter!("beldi_parked_total").increment(1);
        error!(instance = %attempt.request_key, code = %reason.code, "parked: a person has to resume it");
    }
    Ok(())
}

/// Gives a parked root a fresh set of attempts; tells whether it was parked.
pub(crate) async fn resume(store: &dyn Store, intent: &Intent, now: u64) -> Result<bool> {
    let update = Update::when(is(PARKED))
        .set(attr::STATE, RUNNING)
        .set(attr::EXCUSED, intent.attempts)
        .set(attr::NEXT, now);
    Ok(match store.update(&layout::intent_row(&intent.request_key), &update).await? {
        Updated::Applied(_) => true,
        // It may be what an earlier delivery of this has left.
        Updated::Refused(row) => row.is_some_and(|row| {
            row.text(attr::STATE) == Some(RUNNING) && row.int(attr::NEXT) == Some(now.into())
        }),
    })
}

/// Gives an unfinished root an epoch of now, in place of one that was lost; tells whether it still
/// had that. What was logged with the registration belongs to the old one.
pub(crate) async fn renew(store: &dyn Store, lost: &Intent, now: Epoch, by: &str) -> Result<bool> {
    let when = Condition::All(vec![is(RUNNING), is_of(lost.epoch)]);
    let update = Update::when(when)
        .set(attr::EPOCH, now)
        .set(attr::BY, by)
        .set(DUE_ORDER, now)
        .remove(attr::FIRST);
    let updated = store.update(&layout::intent_row(&lost.request_key), &update).await?;
    Ok(matches!(updated, Updated::Applied(_)))
}

/// Leaves of a finished root what answers a late duplicate; notes whether whoever sent or called it
/// is over.
pub(crate) async fn empty(
    store: &dyn Store,
    intent: &Intent,
    left: &Tombstone,
    is_over: bool,
) -> Result<()> {
    let whole = vec![is(DONE), is_of(intent.epoch), Condition::absent(attr::ASKED)];
    let mut update = Update::when(Condition::All(whole)).set(attr::ASKED, digest(&intent.input));
    update.remove = GONE.map(str::to_owned).into();
    update.remove.extend(intent.called_back.keys().copied().map(layout::called_back));
    if !is_over {
        update = update.set(attr::KEPT, true);
    }
    let key = layout::intent_row(&intent.request_key);
    store.update(&key, &left.onto(update, &intent.request_key)).await.map(drop)
}

/// What is not left of a collected root.
const GONE: [&str; 11] = [
    attr::CALLBACK,
    attr::INPUT,
    attr::CODE,
    attr::VERSION,
    attr::EXCUSED,
    attr::NEXT,
    attr::BY,
    attr::FIRST,
    attr::REASON,
    attr::ITEMS,
    attr::MORE,
];

/// Notes that whoever sent or called the root is over: what is left of it goes after one window more.
pub(crate) async fn note_over(store: &dyn Store, left: &Intent, until: &Tombstone) -> Result<()> {
    let when = vec![is_of(left.epoch), Condition::exists(attr::ASKED)];
    let update = Update::when(Condition::All(when)).remove(attr::KEPT);
    let key = layout::intent_row(&left.request_key);
    store.update(&key, &until.onto(update, &left.request_key)).await.map(drop)
}

/// Takes away what was left of a root.
pub(crate) async fn forget(store: &dyn Store, left: &Intent) -> Result<bool> {
    let when = vec![is(DONE), is_of(left.epoch), Condition::exists(attr::ASKED)];
    store.delete(&layout::intent_row(&left.request_key), &Condition::All(when)).await
}

fn is_of(epoch: Epoch) -> Condition {
    Condition::equals(attr::EPOCH, epoch)
}

/// Puts a row into the due index for the collector whose business the intent is.
fn due(update: Update, intent: &Intent) -> Update {
    let key = &intent.request_key;
    let shard = match intent.state {
        State::Running | State::Parked(_) => layout::intent_shard(key),
        State::Done(_) => layout::garbage_shard(key),
    };
    update.set(DUE_SHARD, shard).set(DUE_ORDER, intent.epoch)
}

/// The intent as it stands.
pub(crate) async fn read(store: &dyn Store, request_key: &str) -> Result<Option<Intent>> {
    let row = store.get(&layout::intent_row(request_key)).await?;
    row.map(|row| Intent::read(request_key, &row)).transpose()
}

const RUNNING: &str = "running";
const DONE: &str = "done";
const PARKED: &str = "parked";

pub(super) fn is_running() -> Condition {
    is(RUNNING)
}

fn is(state: &str) -> Condition {
    Condition::equals(attr::STATE, state)
}

impl Intent {
    /// The registration of a root that nobody has begun.
    pub(crate) fn new(request_key: String, ssf: &str, input: Value, epoch: Epoch) -> Self {
        Self {
            request_key,
            ssf: ssf.to_owned(),
            input,
            code: 0,
            version: String::new(),
            epoch,
            attempts: 0,
            excused: 0,
            next: epoch,
            state: State::Running,
            reason: None,
            first: None,
            by: String::new(),
            caller: None,
            depth: 0,
            callback: None,
            called_back: BTreeMap::new(),
            left: Left::default(),
            asked: None,
            is_over: true,
        }
    }

    /// That no attempt has begun after this one: what became of it is old news then.
    fn is_latest(&self) -> Condition {
        let is_same = |name, count: u32| Condition::equals(name, count);
        let same = is_same(attr::ATTEMPTS, self.attempts);
        Condition::All(vec![is(RUNNING), same, is_same(attr::EXCUSED, self.excused)])
    }

    /// Whether it is what somebody asks for: what a service has called is nobody else's to see.
    pub(crate) fn is_of(&self, ssf: &str, input: &Value, caller: Option<&str>) -> bool {
        let same = match &self.asked {
            Some(asked) => *asked == digest(input),
            None => self.input == *input,
        };
        self.ssf == ssf && same && self.caller.as_deref() == caller
    }

    /// Whether two registrations are of one request, and bound to the same code.
    pub(crate) fn is_the_same_as(&self, other: &Self) -> bool {
        self.code == other.code && other.is_of(&self.ssf, &self.input, self.caller.as_deref())
    }

    /// Whether it is a tombstone.
    pub(crate) fn is_collected(&self) -> bool {
        self.asked.is_some()
    }

    /// The id of the root instance.
    pub(crate) fn instance(&self, service: &str) -> Id {
        Id::root(self.epoch, service, &self.request_key)
    }

    /// Attempts that count against the limit.
    pub(crate) fn counted_attempts(&self) -> u32 {
        self.attempts.saturating_sub(self.excused)
    }
}

/// Code hashes as people see them.
pub(crate) fn code_text(code: u64) -> String {
    format!("{code:016x}")
}
