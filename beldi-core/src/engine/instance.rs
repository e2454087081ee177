//! One instance within a run: its log, what it has observed since, and the flush before effects.
//!
//! Log before effect: `pending` holds what was observed and done since the last slot; an effect
//! first waits until no *observation* is pending (outcomes of effects are in their rows already and
//! only ride along, unless there are very many). One flush is in flight at a time, so slots become
//! durable in order: a hole followed by a slot would be a history no single run could have had (k).
//! A flush carries what all branches observed: if it is lost or fails, none of them goes on.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::pending;

use super::{Attempt, Handler, Stop};
use crate::error::Reason;
use crate::id::Id;
use crate::limits::{LAST_STEP, MAX_UNLOGGED_OUTCOMES};
use crate::path::Path;
use crate::protocol::intent::code_text;
use crate::protocol::journal::{self, Appended, Entry, Fingerprint, Log, Slot};
use crate::value::Value;

/// An instance as one run of it sees it.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) attempt: Arc<Attempt>,
    pub(crate) id: Id,
    pub(crate) ssf: &'static str,
    pub(crate) read_only: bool,
    /// Calls between the root and this instance.
    pub(crate) depth: u32,
    pub(super) code: u64,
    log: Arc<Log>,
    pending: Mutex<Pending>,
    /// The number of the next slot; held while a flush is in flight.
    next_slot: tokio::sync::Mutex<u32>,
}

#[derive(Debug, Default)]
struct Pending {
    entries: Vec<Entry>,
    /// Whether one of them is an observation, which an effect must not overtake.
    observed: bool,
}

impl Instance {
    /// The instance with what earlier runs logged of it; refuses a log of other code.
    pub(crate) fn new(
        attempt: Arc<Attempt>,
        id: Id,
        handler: &Handler,
        depth: u32,
    ) -> Result<Self, Stop> {
        let log = attempt.journal.log(id);
        if let Some(code) = log.code.filter(|code| !attempt.service.may_replay(handler, *code)) {
            return Err(Stop::Park(other_code(handler, code, &attempt)));
        }
        Ok(Self {
            next_slot: tokio::sync::Mutex::new(log.slots),
            attempt,
            id,
            ssf: handler.name,
            read_only: handler.read_only,
            depth,
            code: handler.code,
            log,
            pending: Mutex::default(),
        })
    }

    /// What the log says of a step; a log of another step than this one parks the instance.
    pub(crate) fn recall(
        &self,
        path: &Path,
        now: Fingerprint,
        what: &impl fmt::Display,
    ) -> Result<Option<Value>, Stop> {
        match self.log.entries.get(path) {
            None => Ok(None),
            Some(entry) if entry.fingerprint == now => Ok(Some(entry.value.clone())),
            Some(entry) => Err(Stop::Park(other_way(entry, now, what).at(path))),
        }
    }

    /// Whether a step at or inside `path` is logged: then user code up to it ran before.
    pub(crate) fn is_logged(&self, path: &Path) -> bool {
        self.log.reaches(path)
    }

    /// Notes an observation: it has to be durable before the next effect.
    pub(crate) fn observed(&self, entry: Entry) {
        let mut pending = self.pending();
        pending.entries.push(entry);
        pending.observed = true;
    }

    /// Notes the outcome of an effect: it saves a replay from issuing the effect again.
    pub(crate) fn effected(&self, entry: Entry) {
        self.pending().entries.push(entry);
    }

    /// Makes way for an effect that changes a row or leaves the service: everything observed is
    /// logged, the root is registered.
    pub(crate) async fn before_effect(&self, at: &Path) -> Result<(), Stop> {
        self.flush(at, true).await
    }

    /// Makes way for a call of an SSF that may have effects: everything observed is logged.
    pub(crate) async fn before_call(&self, at: &Path) -> Result<(), Stop> {
        self.flush(at, false).await
    }

    /// Makes way for the reply: with everything observed logged, every attempt comes to the same.
    /// Without, one could end on what it saw last while another goes on from what it saw.
    pub(crate) async fn before_reply(&self, end: &Path) -> Result<(), Stop> {
        self.flush(end, false).await
    }

    async fn flush(&self, at: &Path, register: bool) -> Result<(), Stop> {
        if self.attempt.takes_part() {
            return Ok(());
        }
        let mut next_slot = self.next_slot.lock().await;
        if self.attempt.is_stopped() {
            return pending().await;
        }
        if self.attempt.service.time_left().is_some_and(|left| left < LAST_STEP) {
            return Err(self.attempt.out_of_time());
        }
        let entries = self.take_unlogged();
        let register = register && !self.attempt.is_registered();
        if entries.is_empty() && !register {
            return Ok(());
        }
        let slot = Slot {
            instance: self.id,
            number: *next_slot,
            code: self.code,
            by: self.attempt.by.clone(),
            reached: at.clone(),
            entries,
        };
        let went_along = !self.attempt.is_registered() && self.attempt.register(&slot).await?;
        if went_along {
            *next_slot += 1;
        } else if !slot.entries.is_empty() {
            self.attempt.puts_a_row();
            let Attempt { service, intent, .. } = &*self.attempt;
            match journal::append(&service.store, &intent.request_key, &slot).await? {
                Appended::Mine => *next_slot += 1,
                Appended::Theirs => return Err(Stop::Adopt),
            }
        }
        Ok(())
    }

    /// Everything pending, if an observation is among it, or so many outcomes that a replay should
    /// not have to issue all those effects again (before the registration there were none).
    fn take_unlogged(&self) -> Vec<Entry> {
        let mut pending = self.pending();
        let many = pending.entries.len() >= MAX_UNLOGGED_OUTCOMES && self.attempt.is_registered();
        if !pending.observed && !many {
            return Vec::new();
        }
        pending.observed = false;
        std::mem::take(&mut pending.entries)
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a replay by this build is refused.
pub(crate) fn other_code(handler: &Handler, logged: u64, attempt: &Attempt) -> Reason {
    let (name, was, is) = (handler.name, code_text(logged), code_text(handler.code));
    let (old, new) = (&attempt.intent.version, &attempt.service.version);
    Reason::new(
        "other_code",
        format!(
            "`{name}` ran with code {was} (version {old}) and this build has {is} (version {new}): \
             finish it with the old build, or, if the new code takes the same steps up to here, \
             declare it with `App::compatible({name}, 0x{was})` and resume it"
        ),
    )
}

fn other_way(logged: &Entry, now: Fingerprint, what: &impl fmt::Display) -> Reason {
    let was = logged.fingerprint.kind.word();
    let difference = if logged.fingerprint.kind == now.kind {
        format!("a `{was}` of something else is logged here")
    } else {
        format!("a `{was}` is logged here")
    };
    Reason::new(
        "other_way",
        format!(
            "the handler took another way than before: it asks for {what}, but {difference}. \
             Its steps must depend on its input and on what its steps return, and on nothing else"
        ),
    )
}
