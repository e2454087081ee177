//! A root from its request to its one result: run, adopt and run again, finish, fail or park.
//!
//! An attempt that loses a slot is run again at once with the winner's log; each such turn finds at
//! least one slot more, so it ends. A registered run logs what it observed last before it replies;
//! then every run must come to the same, and [`intent::finish`] may record it after the reply.

use std::sync::Arc;

use tracing::{debug, warn};

use super::attempt::Registration;
use super::instance::other_code;
use super::{Attempt, Handler, Instance, Scope, Scoped, Service, Stop};
use crate::error::{Error, Reason};
use crate::limits::LARGE_RESULT;
use crate::path::Path;
use crate::protocol::intent::{self, Intent, State};
use crate::protocol::journal::{self, Journal};
use crate::store::StoreError;
use crate::value::Value;

/// What someone outside asks for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) key: String,
    /// Whether the asker chose the key: then the reply is recorded even if nothing was changed.
    pub(crate) explicit: bool,
    pub(crate) ssf: String,
    pub(crate) input: Value,
}

/// What came of running a root.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It has its result; `unrecorded` if the finish is still to be written, after the reply.
    Done { result: Value, unrecorded: bool },
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
    let intent = Intent { attempts: 1, next: service.lease(), ..intent };
    let run = Run { service, handler, explicit: request.explicit };
    Ok(run.until_ended(intent, false, Journal::new()).await)
}

/// Begins the next attempt of a registered root; `None` if another host did, or it has ended.
pub(crate) async fn run_registered(
    service: &Arc<Service>,
    seen: &Intent,
) -> Result<Option<Ended>, Error> {
    let handler = match service.handler(&seen.ssf) {
        Ok(handler) => handler,
        Err(error) => {
            let reason = Reason::new("unknown_ssf", error.to_string());
            intent::park(&service.store, &seen.request_key, &reason).await?;
            return Ok(Some(Ended::Parked(reason)));
        }
    };
    let by = service.nonce();
    let claim = intent::claim(&service.store, seen, handler.code, service.lease(), &by);
    let (claimed, journal) = if seen.attempts == 0 {
        (claim.await?, Journal::new())
    } else {
        // The log may be read before the claim is through: what it lacks, a lost slot brings.
        let load = journal::load(&service.store, &seen.request_key);
        let (claimed, loaded) = futures_util::future::join(claim, load).await;
        (claimed?, loaded?.1)
    };
    let Some(claimed) = claimed else { return Ok(None) };
    let run = Run { service, handler, explicit: true };
    Ok(Some(run.until_ended(claimed, true, journal).await))
}

struct Run<'a> {
    service: &'a Arc<Service>,
    handler: &'a Handler,
    explicit: bool,
}

impl Run<'_> {
    async fn until_ended(&self, intent: Intent, registered: bool, journal: Journal) -> Ended {
        let asked = (intent.ssf.clone(), intent.input.clone());
        let (mut intent, mut registered, mut journal) = (intent, registered, journal);
        loop {
            let attempt =
                Attempt::new(Arc::clone(self.service), intent.clone(), registered, journal);
            let attempt = Arc::new(attempt);
            let stop = match self.once(&attempt).await {
                Ok((result, unrecorded)) => return Ended::Done { result, unrecorded },
                Err(stop) => stop,
            };
            if !matches!(stop, Stop::Adopt) {
                return self.settle(&attempt, stop).await;
            }
            debug!(instance = %intent.request_key, "another attempt was faster; going on from its log");
            let loaded = match journal::load(&self.service.store, &intent.request_key).await {
                Ok(loaded) => loaded,
                Err(error) => return self.settle(&attempt, error.into()).await,
            };
            let Some(standing) = loaded.0 else {
                return self.settle(&attempt, Stop::Collected).await;
            };
            if (&standing.ssf, &standing.input) != (&asked.0, &asked.1) {
                return Ended::KeyReused;
            }
            match standing.state {
                State::Done(result) => return Ended::Done { result, unrecorded: false },
                State::Parked(reason) => return Ended::Parked(reason),
                State::Running => {}
            }
            // A late request of the run before must not pass for one of the next.
            let by = self.service.nonce();
            (intent, registered, journal) = (Intent { by, ..standing }, true, loaded.1);
        }
    }

    /// One run of the handler, and the record of its result where one is due before the reply.
    async fn once(&self, attempt: &Arc<Attempt>) -> Result<(Value, bool), Stop> {
        let intent = &attempt.intent;
        if !self.service.may_replay(self.handler, intent.code) {
            return Err(Stop::Park(other_code(self.handler, intent.code, attempt)));
        }
        let id = intent.instance(&self.service.name);
        let root = Arc::new(Instance::new(Arc::clone(attempt), id, self.handler, 0)?);
        let scope = Scope::new(Arc::clone(&root), Path::default());
        let body = Scoped::new(Arc::clone(&scope), (self.handler.run)(intent.input.clone()));
        let result = attempt.drive(body).await?;
        if !attempt.is_registered() {
            return self.record(attempt, result).await;
        }
        root.before_reply(&scope.claim()).await?;
        if result.size() <= LARGE_RESULT {
            return Ok((result, true));
        }
        let first = intent::finish(&self.service.store, &intent.request_key, &result).await?;
        Ok((first, false))
    }

    /// Nothing was changed: only an asker who chose the key relies on the reply.
    async fn record(&self, attempt: &Attempt, result: Value) -> Result<(Value, bool), Stop> {
        if self.handler.read_only || !self.explicit {
            return Ok((result, false));
        }
        let done = Intent { state: State::Done(result.clone()), ..attempt.intent.clone() };
        attempt.send_registration(&done, None).await?;
        Ok((result, false))
    }

    /// Notes why a run ended without a result, where there may be a row to note it in.
    async fn settle(&self, attempt: &Attempt, stop: Stop) -> Ended {
        let (intent, registration) = (&attempt.intent, attempt.registration());
        let attempts = intent.counted_attempts();
        let (reason, excused, park) = match stop {
            Stop::Park(reason) => (reason, false, true),
            Stop::Fail(reason) if attempts >= self.service.limits.attempts => {
                (out_of_attempts(attempts, &reason), false, true)
            }
            Stop::Fail(reason) => (reason, false, false),
            Stop::Halt(error) => (Reason::new("store", error.to_string()), true, false),
            Stop::Adopt | Stop::Collected => {
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
            intent::park(store, key, &reason).await
        } else {
            let next = self.service.backoff(attempts);
            intent::fail(store, key, &reason, next, excused).await
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

/// Writes the finish that a reply did not have to wait for.
pub(crate) async fn record_finish(service: &Service, request_key: &str, result: &Value) {
    if let Err(error) = intent::finish(&service.store, request_key, result).await {
        debug!(instance = %request_key, %error, "could not record the finish; another attempt will");
    }
}
