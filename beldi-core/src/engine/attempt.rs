//! One run of a root's handler: what its whole tree shares, and how it is stopped.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, poll_fn, select, try_join_all};

use super::Service;
use super::holdings::Holdings;
use super::txn::Retry;
use crate::error::Reason;
use crate::id::Id;
use crate::limits::{LAST_STEP, MAX_FIRST_SLOT};
use crate::protocol::daal::Refusal;
use crate::protocol::intent::{self, Intent, Left, Registered, State};
use crate::protocol::journal::{Journal, Slot, encoded_size};
use crate::protocol::lock::{self, Hold};
use crate::protocol::txn::{Decision, ItemKey};
use crate::store::StoreError;
use crate::value::Value;

/// Why a run ends before its handler does. The handler never learns: its step does not resolve.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Another attempt's observations stand in the log: run again with them.
    Adopt,
    /// A transaction lost a race: run again, with its next try.
    Retry(Box<Retry>),
    /// The store does not answer: leave the rest to the collector.
    Halt(StoreError),
    /// A bug or a limit.
    Park(Reason),
    /// The root was collected long ago; this attempt is a ghost and must not touch anything.
    Collected,
    /// The handler panicked or took too long.
    Fail(Reason),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_)
            | StoreError::Io(_)
            | StoreError::InUse { .. }
            | StoreError::Foreign { .. }
            | StoreError::TooNew { .. }
            | StoreError::NoTable { .. }
            | StoreError::WrongTable { .. }
            | StoreError::Denied { .. } => Self::Halt(error),
            StoreError::RowTooLarge { .. } => Self::park("row_too_large", error),
            StoreError::InvalidKey { .. } => Self::park("invalid_key", error),
            StoreError::Unstorable { .. } => Self::park("unstorable_value", error),
            StoreError::TooComplex { .. } => Self::park("too_complex", error),
            StoreError::Rejected { .. } => Self::park("rejected", error),
            StoreError::Corrupt(_) => Self::park("corrupt_row", error),
        }
    }
}

impl Stop {
    fn park(code: &str, error: StoreError) -> Self {
        Self::Park(Reason::new(code, error.to_string()))
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Store(error) => error.into(),
            Refusal::Value(reason) => Self::Park(reason),
            Refusal::Fenced => Self::Collected,
            // Who may meet a lock waits; no attempt ends for it.
            Refusal::Locked(lock) => Self::Halt(StoreError::Unavailable(format!("{lock:?}"))),
        }
    }
}

/// Whether there is an intent of the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Registration {
    /// None was asked for: nothing has happened.
    None,
    /// It was asked for, and nobody knows whether it was or will be written.
    InDoubt,
    Certain,
}

/// What a run begins with.
#[derive(Clone, Debug)]
pub(crate) struct Begin {
    /// The root as it is registered, or as this run would register it.
    pub(crate) intent: Intent,
    pub(crate) registered: bool,
    /// Whether a run before this one may have registered it, or decided something.
    pub(crate) asked: bool,
    /// Whether an attempt before this one may have left locks.
    pub(crate) resumed: bool,
    pub(crate) journal: Journal,
}

/// What all instances of one run of a root share.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) service: Arc<Service>,
    /// The root as it is registered, or as this run would register it.
    pub(crate) intent: Intent,
    /// Names this run in what it writes.
    pub(crate) by: String,
    /// What earlier runs logged.
    pub(crate) journal: Journal,
    /// Runs without any guarantee, for comparison.
    pub(super) raw: bool,
    takes_part: bool,
    /// Whether it was looked for a root of the same key.
    has_looked: AtomicBool,
    /// Whether an attempt before this one may have left locks.
    resumed: bool,
    pub(crate) holdings: Holdings,
    /// When it began, in milliseconds since 1970, and how long it may take.
    began: u64,
    time: Duration,
    registered: AtomicBool,
    /// Whether a registration was sent, whatever came of it.
    asked: AtomicBool,
    /// Whether one went along with a decision of which nothing is known yet.
    carries: AtomicBool,
    /// Whether there may be rows beside the intent.
    has_rows: AtomicBool,
    registering: tokio::sync::Mutex<()>,
    stopped: Mutex<Option<Stop>>,
}

impl Attempt {
    pub(crate) fn new(service: Arc<Service>, begin: Begin) -> Self {
        let Begin { intent, registered, asked, resumed, journal } = begin;
        let has_rows = AtomicBool::new(resumed || !journal.is_empty());
        let asked = AtomicBool::new(asked || registered || journal.carrier.is_some());
        let time = service.limits.attempt_time;
        let attempt = Self {
            by: intent.by.clone(),
            time: service
                .time_left()
                .map_or(time, |left| left.saturating_sub(LAST_STEP * 2).min(time)),
            began: service.outside.now(),
            service,
            holdings: Holdings::new(journal.carrier),
            intent,
            journal,
            raw: false,
            takes_part: false,
            has_looked: AtomicBool::new(false),
            resumed,
            registered: AtomicBool::new(registered),
            asked,
            carries: AtomicBool::default(),
            has_rows,
            registering: tokio::sync::Mutex::default(),
            stopped: Mutex::default(),
        };
        for decision in &attempt.journal.committed {
            attempt.apply(decision.clone());
        }
        attempt
    }

    /// Whether this run goes without any guarantee; only tests and benchmarks can ask for it.
    pub(crate) fn is_raw(&self) -> bool {
        self.raw
    }

    pub(crate) fn is_registered(&self) -> bool {
        self.registered.load(Ordering::Acquire)
    }

    /// Whether something in the store stands for this run: its intent, or a decision.
    pub(crate) fn stands(&self) -> bool {
        self.is_registered() || self.holdings.carrier().is_some()
    }

    /// Whether nothing in the store stands for this run, and nothing on its way there can.
    pub(crate) fn is_a_trial(&self) -> bool {
        self.registration() == Registration::None && self.holdings.carrier().is_none()
    }

    /// What is certain of the registration now.
    pub(crate) fn registration(&self) -> Registration {
        let carries = self.carries.load(Ordering::Acquire);
        match (self.is_registered(), carries || self.asked.load(Ordering::Acquire)) {
            (true, _) => Registration::Certain,
            (false, true) => Registration::InDoubt,
            (false, false) => Registration::None,
        }
    }

    /// Notes that a row beside the intent is on its way.
    pub(crate) fn puts_a_row(&self) {
        self.has_rows.store(true, Ordering::Release);
    }

    /// What the run leaves for the garbage collector to see to.
    pub(crate) fn left(&self) -> Left {
        Left { items: self.holdings.untidy(), rows: self.has_rows.load(Ordering::Acquire) }
    }

    /// Notes that a registration is on its way in a decision, or what came of that is known.
    pub(crate) fn carries(&self, is_on_its_way: bool) {
        self.carries.store(is_on_its_way, Ordering::Release);
    }

    /// Registers the root, in whatever state the intent has.
    pub(crate) async fn send_registration(
        &self,
        intent: &Intent,
        first: Option<&Slot>,
    ) -> Result<(), Stop> {
        let asked_before = self.asked.swap(true, Ordering::AcqRel);
        let registered = intent::register(&self.service.store, intent, first).await;
        if registered.as_ref().is_err_and(StoreError::is_of_the_row) {
            // No delivery of it can have been applied.
            self.asked.store(asked_before, Ordering::Release);
        }
        match registered? {
            Registered::Mine => {
                let is_done = matches!(intent.state, State::Done(_));
                if is_done || self.service.is_secure(intent.epoch).await? {
                    // Not before: to other branches it means that they may have effects.
                    self.registered.store(true, Ordering::Release);
                    return Ok(());
                }
                Err(Stop::Adopt)
            }
            Registered::Theirs(_) => Err(Stop::Adopt),
        }
    }

    /// Registers the root if it is not, with the slot if there is room for it; tells whether the
    /// slot went along.
    pub(crate) async fn register(&self, slot: &Slot) -> Result<bool, Stop> {
        let _one_at_a_time = self.registering.lock().await;
        if self.is_registered() {
            return Ok(false);
        }
        let size = encoded_size(slot)? + self.intent.input.size();
        let first = (size < MAX_FIRST_SLOT).then_some(slot);
        let intent = Intent { next: self.service.lease(), ..self.intent.clone() };
        self.send_registration(&intent, first).await?;
        Ok(first.is_some())
    }

    /// A run of a callee that takes part in another service's transaction: it has no journal, for
    /// its prepare record says all.
    pub(crate) fn taking_part(service: Arc<Service>, begin: Begin) -> Self {
        Self { takes_part: true, ..Self::new(service, begin) }
    }

    pub(crate) fn takes_part(&self) -> bool {
        self.takes_part
    }

    /// Notes why the run has to end. The first reason stays.
    pub(crate) fn stop(&self, stop: Stop) {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(stop);
    }

    /// Whether the run has to end: then none of its branches may have another effect.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Whether an attempt before this one may have left locks.
    pub(crate) fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// The registration that a decision has to carry because nothing else does.
    pub(crate) fn registration_to_carry(&self) -> Option<Intent> {
        let needed = !self.is_registered() && self.holdings.carrier().is_none();
        needed.then(|| Intent { next: self.service.lease(), ..self.intent.clone() })
    }

    /// Makes sure that no root stands under the key of a run which only a decision may register: its row is
    /// named by the step, so what other code, or another request, did at another step does not meet it.
    pub(crate) async fn meets_no_root(&self) -> Result<(), Stop> {
        let must_look = !self.takes_part && self.registration_to_carry().is_some();
        if !must_look || self.has_looked.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        match intent::read(&self.service.store, &self.intent.request_key).await? {
            None => Ok(()),
            Some(_) => Err(Stop::Adopt),
        }
    }

    /// Notes a decision of this run and puts it in place, beside what comes next.
    pub(crate) fn decided(&self, decision: Decision) {
        self.holdings.decided(&decision);
        self.apply(decision);
    }

    fn apply(&self, decision: Decision) {
        let (service, root) = (Arc::clone(&self.service), self.intent.request_key.clone());
        let apply = async move { service.apply(&root, &decision).await };
        self.holdings.apply(self.service.tasks.spawn(apply));
    }

    /// Releases the locks that an instance still holds, or all.
    pub(crate) async fn release_all(&self, of: Option<Id>) -> Result<(), StoreError> {
        let release = async |((table, key), hold): (ItemKey, Hold)| {
            lock::release(&self.service.item(&table, &key), &hold).await
        };
        try_join_all(self.holdings.take_holds(of).into_iter().map(release)).await.map(drop)
    }

    fn take_stop(&self) -> Option<Stop> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Runs a handler until it returns, a step of it stops the run, it panics, or time is up.
    pub(crate) async fn drive(
        &self,
        handler: impl Future<Output = Result<Value, Reason>>,
    ) -> Result<Value, Stop> {
        let mut handler = pin!(AssertUnwindSafe(handler).catch_unwind());
        let watched = poll_fn(|cx| {
            let polled = handler.as_mut().poll(cx);
            match self.take_stop() {
                Some(stop) => Poll::Ready(Err(stop)),
                None => polled.map(|ended| match ended {
                    Ok(Ok(result)) => Ok(result),
                    Ok(Err(reason)) => Err(Stop::Park(reason)),
                    Err(panic) => Err(Stop::Fail(panicked(&*panic))),
                }),
            }
        });
        match select(watched, self.service.outside.sleep(self.time)).await {
            Either::Left((ended, _)) => ended,
            Either::Right(_) => Err(self.out_of_time()),
        }
    }

    /// How long it may wait for another service: it has to end before its own time does, to be excused.
    pub(super) fn patience(&self) -> Duration {
        let gone = Duration::from_millis(self.service.outside.now().saturating_sub(self.began));
        self.time.saturating_sub(gone + self.time / 10)
    }

    /// Why an attempt ends whose time is over: no fault of the handler if its process had not much left.
    pub(super) fn out_of_time(&self) -> Stop {
        let (time, limit) = (self.time, self.service.limits.attempt_time);
        if time < limit / 4 * 3 {
            let why =
                format!("the process had {time:?} left for the attempt, which was not enough");
            return Stop::Halt(StoreError::Unavailable(why));
        }
        Stop::Fail(Reason::new(
            "attempt_time",
            format!(
                "the attempt did not end within {time:?}; shorten the handler, or give it more with \
                 `Limits::attempt_time` or, on demand, longer invocations"
            ),
        ))
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Reason {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Reason::new("panic", format!("the handler panicked: {}", text.unwrap_or("(no message)")))
}
