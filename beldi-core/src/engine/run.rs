//! A root from its request to its one result: run, adopt and run again, finish, fail or park.
//!
//! An attempt that loses a slot is run again at once with the winner's log; such a turn finds at
//! least one slot more, or a registration, so it ends. One that loses a transaction is run again with its next try. A
//! registered run logs what it observed last before it replies; then every run must come to the same,
//! and it may be recorded after the reply, once all that was decided is in place.

use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, warn};

use super::attempt::{Begin, Registration};
use super::instance::other_code;
use super::locks::millis;
use super::txn::{Context, Retry, Transaction};
use super::{Attempt, Handler, Instance, Scope, Scoped, Service, Stop};
use crate::error::{Error, Reason};
use crate::limits::{LARGE_RESULT, MAX_INPUT, MAX_ITEMS};
use crate::path::Path;
use crate::protocol::callback::Callback;
use crate::protocol::intent::{self, Intent, Registered, State};
use crate::protocol::journal::{self, Journal, Loaded};
use crate::protocol::recycle;
use crate::protocol::txn::{self, Decisions as _, Outcome};
use crate::store::StoreError;
use crate::value::Value;

/// What someone outside asks for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) key: String,
    /// Whether the asker chose the key: then the reply is recorded even if nothing was changed.
    pub(crate) explicit: bool,
    /// The service that asks, if one does: it relies on the result even if the SSF only reads.
    pub(crate) caller: Option<String>,
    /// How many calls it is below the first one's root.
    pub(crate) depth: u32,
    /// Where that service wants the result, if it comes late.
    pub(crate) callback: Option<Callback>,
    pub(crate) ssf: String,
    pub(crate) input: Value,
}

/// What came of running a root.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It has its result, and after the reply there may be something left to do.
    Done { result: Value, rest: Option<Rest> },
    /// It is parked in the store.
    Parked(Reason),
    /// The attempt failed or halted. Registered, it goes on later.
    Unfinished { reason: Reason, registration: Registration },
    /// The key names another request.
    KeyReused,
}

/// Runs a request optimistically: nothing is read first, the first flush tells if it ran before.
pub(crate) async fn run_fresh(service: &Arc<Service>, request: &Request) -> Result<Ended, Error> {
    let handler = service.handler(&request.ssf)?;
    let intent = service.new_intent(request.key.clone(), handler, request.input.clone());
    let intent = intent.map_err(|reason| Error::BadRequest(reason.message))?;
    let (caller, callback) = (request.caller.clone(), request.callback.clone());
    let (kept, depth) = (caller.is_some(), request.depth);
    let intent = Intent { attempts: 1, next: service.lease(), caller, depth, callback, ..intent };
    let run = Run { service, handler, explicit: request.explicit, kept };
    let journal = Journal::default();
    Ok(run
        .until_ended(Begin { intent, registered: false, asked: false, resumed: false, journal })
        .await)
}

/// Begins the next attempt of a registered root; `None` if another host did, or it has ended.
pub(crate) async fn run_registered(
    service: &Arc<Service>,
    seen: &Intent,
) -> Result<Option<Ended>, Error> {
    let seen = match service.secured(seen).await {
        Ok(Some(seen)) => seen,
        Ok(None) => return Ok(None),
        Err(Stop::Park(reason)) => {
            intent::park(&service.store, seen, &reason).await?;
            return Ok(Some(Ended::Parked(reason)));
        }
        Err(Stop::Halt(error)) => return Err(error.into()),
        Err(_) => return Ok(None),
    };
    let handler = match service.handler(&seen.ssf) {
        Ok(handler) => handler,
        Err(error) => {
            let reason = Reason::new("unknown_ssf", error.to_string());
            intent::park(&service.store, &seen, &reason).await?;
            return Ok(Some(Ended::Parked(reason)));
        }
    };
    let by = service.nonce();
    let claim = intent::claim(&service.store, &seen, handler.code, service.lease(), &by);
    let (claimed, journal) = if seen.attempts == 0 {
        (claim.await?, Journal::default())
    } else {
        // The log may be read before the claim is through: what it lacks, a lost slot brings.
        let load = journal::load(&service.store, &seen.request_key);
        let (claimed, loaded) = futures_util::future::join(claim, load).await;
        (claimed?, loaded?.journal)
    };
    let Some(intent) = claimed else { return Ok(None) };
    let run = Run { service, handler, explicit: true, kept: true };
    let resumed = intent.attempts > 1;
    Ok(Some(
        run.until_ended(Begin { intent, registered: true, asked: true, resumed, journal }).await,
    ))
}

struct Run<'a> {
    service: &'a Arc<Service>,
    handler: &'a Handler,
    explicit: bool,
    kept: bool,
}

impl Run<'_> {
    async fn until_ended(&self, mut begin: Begin) -> Ended {
        let Intent { ssf, input, caller, .. } = &begin.intent;
        let (ssf, input, caller) = (ssf.clone(), input.clone(), caller.clone());
        let deadline = self.service.outside.now() + millis(self.service.limits.attempt_time);
        let mut fruitless = 0;
        loop {
            let attempt = Arc::new(Attempt::new(Arc::clone(self.service), begin.clone()));
            let again = match self.once(&attempt).await {
                Ok((result, rest)) => return Ended::Done { result, rest },
                Err(Stop::Adopt) if fruitless == FRUITLESS => Err(Stop::Fail(nothing_to_adopt())),
                Err(Stop::Adopt) => {
                    let adopted = self.adopt(&attempt).await;
                    let size = adopted.as_ref().map_or(0, |adopted| adopted.journal.size());
                    fruitless += u32::from(size <= begin.journal.size());
                    adopted
                }
                Err(Stop::Collected) => self.come_again(&attempt, &begin).await,
                Err(Stop::Retry(retry)) if self.service.outside.now() >= deadline => {
                    Err(Stop::Fail(out_of_time(&retry.reason)))
                }
                Err(Stop::Retry(retry)) => self.next_try(&attempt, &begin, &retry).await,
                Err(stop) => Err(stop),
            };
            begin = match again {
                // What was begun stands, or may still come to stand, whatever the next run knows of it.
                Ok(next) => Begin { asked: !attempt.is_a_trial(), ..next },
                Err(stop) => return self.settle(&attempt, stop).await,
            };
            if !begin.intent.is_of(&ssf, &input, caller.as_deref()) {
                return Ended::KeyReused;
            }
            match begin.intent.state {
                State::Done(result) => return Ended::Done { result, rest: None },
                State::Parked(reason) => return Ended::Parked(reason),
                State::Running => {}
            }
        }
    }

    /// Begins from what other attempts have logged.
    async fn adopt(&self, attempt: &Attempt) -> Result<Begin, Stop> {
        let key = &attempt.intent.request_key;
        debug!(instance = %key, "another attempt was faster; going on from its log");
        let loaded = self.service.load_secured(key).await?;
        let is_mine = |intent: &Intent| intent.epoch == attempt.intent.epoch;
        if attempt.is_a_trial() && !loaded.intent.as_ref().is_some_and(is_mine) {
            self.leave_try(attempt).await?;
        }
        self.go_on(loaded).ok_or(Stop::Collected)
    }

    /// Releases the locks of a run that goes on in the epoch of another: nobody else would know them.
    async fn leave_try(&self, attempt: &Attempt) -> Result<(), StoreError> {
        let Some(open) = attempt.holdings.take_undecided() else { return Ok(()) };
        let outcome = self.service.outcome(&open.txn, false).await?.unwrap_or_default();
        self.service.settle_all(&open.txn, &outcome, open.touched()).await
    }

    /// Begins again what was refused as collected: a root that was overtaken by its own end, or that
    /// the horizon has passed before anything stood for it.
    async fn come_again(&self, attempt: &Attempt, begin: &Begin) -> Result<Begin, Stop> {
        let loaded = self.service.load_secured(&attempt.intent.request_key).await?;
        if let Some(intent) = &loaded.intent {
            let is_same = intent.epoch == attempt.intent.epoch;
            if intent.state == State::Running && is_same {
                return Err(Stop::Park(self.service.behind_the_horizon()));
            }
            return self.go_on(loaded).ok_or(Stop::Collected);
        }
        if !attempt.is_a_trial() {
            return Err(Stop::Collected);
        }
        if let Some(open) = attempt.holdings.take_undecided() {
            attempt.abort(&open).await?;
        }
        let loaded = self.service.load_secured(&attempt.intent.request_key).await?;
        Ok(Begin { journal: loaded.journal, ..self.afresh(begin) })
    }

    /// Begins from a log, if the root is registered.
    fn go_on(&self, loaded: Loaded) -> Option<Begin> {
        let Loaded { intent, registered, journal } = loaded;
        // A late request of the run before must not pass for one of the next.
        let intent = Intent { by: self.service.nonce(), ..intent? };
        Some(Begin { intent, registered, asked: true, resumed: true, journal })
    }

    /// Begins from where a transaction was aborted, after a while.
    async fn next_try(
        &self,
        attempt: &Attempt,
        begin: &Begin,
        retry: &Retry,
    ) -> Result<Begin, Stop> {
        let key = &attempt.intent.request_key;
        let aborted_try = retry.transaction.as_ref().map(|open| open.txn.retry);
        debug!(instance = %key, aborted_try, reason = %retry.reason, "the transaction is tried again");
        let Some(transaction) = &retry.transaction else {
            return match attempt.stands() {
                true => self.adopt(attempt).await,
                false => Ok(Begin { resumed: true, ..self.anew(begin) }),
            };
        };
        if retry.is_taken_over && attempt.is_a_trial() && transaction.services().is_empty() {
            return self.come_after(begin, transaction, retry).await;
        }
        if !attempt.abort(transaction).await? {
            return self.adopt(attempt).await;
        }
        self.step_aside(transaction, retry).await?;
        let loaded = self.service.load_secured(key).await?;
        if loaded.intent.is_some() || attempt.stands() {
            return self.go_on(loaded).ok_or(Stop::Collected);
        }
        // The tries of earlier requests count too.
        Ok(Begin { journal: loaded.journal, ..self.anew(begin) })
    }

    /// Begins as before, under another name.
    fn anew(&self, begin: &Begin) -> Begin {
        // A late request of the run before must not pass for one of the next.
        let intent = Intent { by: self.service.nonce(), ..begin.intent.clone() };
        Begin { intent, ..begin.clone() }
    }

    /// Leaves the try to another run of the root, and begins again in an epoch of its own: its locks
    /// are not to be mistaken for those it has let go.
    async fn come_after(
        &self,
        begin: &Begin,
        transaction: &Transaction,
        retry: &Retry,
    ) -> Result<Begin, Stop> {
        let nothing = Outcome::default();
        self.service.settle_all(&transaction.txn, &nothing, transaction.touched()).await?;
        self.step_aside(transaction, retry).await?;
        Ok(self.afresh(begin))
    }

    /// Begins as before, under another name and in an epoch of its own.
    fn afresh(&self, begin: &Begin) -> Begin {
        let epoch = self.service.outside.now().max(begin.intent.epoch + 1);
        let intent = Intent { epoch, by: self.service.nonce(), ..begin.intent.clone() };
        Begin { intent, ..begin.clone() }
    }

    /// Waits before the next try: for the lock that was in the way, or a while that grows.
    async fn step_aside(&self, transaction: &Transaction, retry: &Retry) -> Result<(), StoreError> {
        if let Some(met) = &retry.met {
            return self.service.outlast(met, transaction.txn.id).await;
        }
        let outside = &self.service.outside;
        let longest = 2_u64 << transaction.txn.retry.min(7);
        let wait = outside.random() % (longest + 1);
        outside.sleep(Duration::from_millis(wait)).await;
        Ok(())
    }

    /// One run of the handler, and the record of its result where one is due before the reply.
    async fn once(&self, attempt: &Arc<Attempt>) -> Result<(Value, Option<Rest>), Stop> {
        let intent = &attempt.intent;
        // What nobody has begun is bound to no code: that of its logs is asked for beside.
        if intent.attempts > 0 && !self.service.may_replay(self.handler, intent.code) {
            return Err(Stop::Park(other_code(self.handler, intent.code, attempt)));
        }
        let id = intent.instance(&self.service.name);
        let root = Instance::new(Arc::clone(attempt), id, self.handler, intent.depth)?;
        let root = Arc::new(root);
        let scope = Scope::new(Arc::clone(&root), Path::default(), Context::Plain);
        let body = Scoped::new(Arc::clone(&scope), (self.handler.run)(intent.input.clone()));
        let result = attempt.drive(body).await?;
        if !attempt.stands() {
            return self.record(attempt, result).await;
        }
        root.before_reply(&scope.claim()).await?;
        let rest = Rest { attempt: Arc::clone(attempt), result: result.clone() };
        let fits = result.size() + intent.input.size() <= MAX_INPUT;
        if fits && result.size() <= LARGE_RESULT {
            return Ok((result, Some(rest)));
        }
        Ok((rest.finish().await?, None))
    }

    /// Nothing was changed: only an asker who chose the key relies on the reply.
    async fn record(
        &self,
        attempt: &Attempt,
        result: Value,
    ) -> Result<(Value, Option<Rest>), Stop> {
        let relied_on = self.kept || (self.explicit && !self.handler.read_only);
        if !relied_on {
            return Ok((result, None));
        }
        let (state, left) = (State::Done(result.clone()), attempt.left());
        let done = Intent { state, left, ..attempt.intent.clone() };
        attempt.send_registration(&done, None).await?;
        Ok((result, None))
    }

    /// Aborts what the run leaves undecided, if it can, and registers a root that only a decision
    /// stands for: then its end can be noted.
    async fn let_go(&self, attempt: &Attempt, stop: &Stop) {
        if matches!(stop, Stop::Halt(_) | Stop::Collected) {
            return;
        }
        let undecided = attempt.holdings.take_undecided();
        if let Some(transaction) = undecided.filter(|open| open.may_be_aborted(self.service))
            && let Err(error) = attempt.abort(&transaction).await
        {
            debug!(instance = %attempt.intent.request_key, %error, "could not abort a transaction; whoever meets its locks will");
        }
        if attempt.holdings.carrier().is_some() && !attempt.is_registered() {
            let _ = attempt.send_registration(&attempt.intent, None).await;
        }
    }

    /// Notes why a run ended without a result, where there may be a row to note it in.
    async fn settle(&self, attempt: &Attempt, stop: Stop) -> Ended {
        self.let_go(attempt, &stop).await;
        let (intent, registration) = (&attempt.intent, attempt.registration());
        let attempts = intent.counted_attempts();
        let (reason, excused, park) = match stop {
            Stop::Park(reason) => (reason, false, true),
            Stop::Fail(reason) if attempts >= self.service.limits.attempts => {
                (out_of_attempts(attempts, &reason), false, true)
            }
            Stop::Fail(reason) => (reason, false, false),
            Stop::Halt(error) => (Reason::new("store", error.to_string()), true, false),
            Stop::Adopt | Stop::Retry(_) | Stop::Collected => {
                let text = "this request was finished and collected long ago";
                return Ended::Unfinished { reason: Reason::new("collected", text), registration };
            }
        };
        let key = &intent.request_key;
        warn!(instance = %key, ssf = %intent.ssf, attempt = intent.attempts, code = %reason.code, %reason, "attempt ended without a result");
        if registration == Registration::None {
            return Ended::Unfinished { reason, registration };
        }
        let store = &self.service.store;
        let noted: Result<(), StoreError> = if park {
            intent::park(store, intent, &reason).await
        } else {
            let next = self.service.backoff(intent.attempts);
            intent::fail(store, intent, &reason, next, excused).await
        };
        if let Err(error) = noted {
            debug!(instance = %key, %error, "could not note the failure; the lease will end it");
        }
        if park && registration == Registration::Certain {
            return Ended::Parked(reason);
        }
        Ended::Unfinished { reason, registration }
    }
}

/// Why an instance is parked that would otherwise be tried for ever.
pub(crate) fn out_of_attempts(attempts: u32, last: &Reason) -> Reason {
    let message = format!("{attempts} attempts did not finish; the last one: {}", last.message);
    Reason { message, ..last.clone() }
}

/// How often an attempt may adopt a log that has nothing new. Some turns bring something else, such as a
/// registration; without end there are none unless a row is damaged.
const FRUITLESS: u32 = 32;

/// Why an attempt fails that loses to a log which it has.
fn nothing_to_adopt() -> Reason {
    let text =
        "another attempt was faster, but its log has nothing new: a row of it may be damaged";
    Reason::new("contention", text)
}

/// Why an attempt fails whose transaction was aborted again and again.
fn out_of_time(last: &Reason) -> Reason {
    let message = format!("the transaction lost every race; the last time {}", last.message);
    Reason::new("contention", message)
}

/// What is left to do after the reply.
#[derive(Debug)]
pub(crate) struct Rest {
    attempt: Arc<Attempt>,
    result: Value,
}

impl Rest {
    /// Does it, beside the requests to come; if it fails, another attempt will.
    pub(crate) async fn complete(self) {
        let Err(error) = self.finish().await else { return };
        let Attempt { service, intent, .. } = &*self.attempt;
        debug!(instance = %intent.request_key, %error, "could not record the finish");
        let why = error.to_string();
        let _ = if let Stop::Park(reason) = Stop::from(error) {
            intent::park(&service.store, intent, &reason).await
        } else {
            // The handler has done its part: this must not count as a crash.
            let (reason, next) = (Reason::new("store", why), service.backoff(intent.attempts));
            intent::fail(&service.store, intent, &reason, next, true).await
        };
    }

    /// Once everything decided is in place and no lock is left, records the result.
    async fn finish(&self) -> Result<Value, StoreError> {
        let Self { attempt, result } = self;
        let (store, intent) = (&attempt.service.store, &attempt.intent);
        attempt.holdings.applied().await?;
        attempt.release_all(None).await?;
        let mut left = attempt.left();
        let items = &mut left.items;
        if items.iter().map(|(table, key)| table.len() + key.len() + 16).sum::<usize>() > MAX_ITEMS
        {
            recycle::put_items(store, &intent.request_key, &attempt.by, items).await?;
            items.clear();
            left.rows = true;
        }
        let first = if attempt.is_registered() {
            intent::finish(store, intent, result, &left).await?
        } else {
            let state = State::Done(result.clone());
            let done = Intent { state, left: left.clone(), ..intent.clone() };
            match intent::register(store, &done, None).await? {
                Registered::Mine => result.clone(),
                // Not one of another request, or of other code, which was registered at the same time.
                Registered::Theirs(theirs) if !intent.is_the_same_as(&theirs) => result.clone(),
                Registered::Theirs(_) => intent::finish(store, intent, result, &left).await?,
            }
        };
        if let Some((txn, retry)) = attempt.holdings.carrier() {
            txn::hand_over(store, &intent.request_key, txn, retry).await?;
        }
        Ok(first)
    }
}
