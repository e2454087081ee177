//! Whether the garbage collector knows of a root: only then nothing of it is taken away before its end.
//!
//! A root that was registered in time needs no look. One that was not, or that somebody goes on with
//! later, is confirmed; if it is lost, it gets a new epoch before anything is done for it
//! ([`horizon`]). Only a commit may have been decided for it, in a row whose key has no epoch: that
//! counts for the new one as well.
//!
//! Order of a renewal, and why a crash between any two is safe:
//!
//! 1. what the decisions of the old epoch committed is put in place, their sends among it, and the sends
//!    are struck from them: their keys name the old epoch, so nobody keeps them after this. A crash leaves
//!    a root that is still lost; the next attempt does the same again, and what is sent twice is one.
//! 2. the intent gets the new epoch, *if* it still has the old one: of two, one renews and the other goes
//!    on with it. A root for which only a decision stands is registered, put if absent.
//! 3. for that one, its decision gives the duty to finish the root over to the intent. A crash before:
//!    both are due, and lead to the same root.
//!
//! A lost root that has slots is parked instead: something may have been done for it, which happens only
//! if clocks differ by more than is allowed.

use super::locks::millis;
use super::{Service, Stop};
use crate::error::Reason;
use crate::id::Epoch;
use crate::protocol::intent::{self, Intent, State};
use crate::protocol::journal::{self, Loaded};
use crate::protocol::{horizon, layout, recycle, txn};
use crate::store::StoreError;
use crate::weakness::{self, Weakness};

impl Service {
    /// Whether the horizon stays below a root that was seen to stand, until it is finished.
    pub(crate) async fn is_secure(&self, epoch: Epoch) -> Result<bool, StoreError> {
        let age = self.outside.now().saturating_sub(epoch);
        let fresh = age.saturating_mul(2) <= millis(self.limits.lag);
        if fresh || weakness::is(Weakness::UnconfirmedRoots) {
            return Ok(true);
        }
        horizon::confirm(&self.store, epoch).await
    }

    /// A registered root with an epoch that counts; `None` if it has ended.
    pub(crate) async fn secured(&self, seen: &Intent) -> Result<Option<Intent>, Stop> {
        if self.is_secure(seen.epoch).await? {
            return Ok(Some(seen.clone()));
        }
        let loaded = self.load_secured(&seen.request_key).await?;
        Ok(loaded.intent.filter(|intent| intent.state == State::Running))
    }

    /// A root as its log shows it, with an epoch that counts.
    pub(crate) async fn load_secured(&self, request_key: &str) -> Result<Loaded, Stop> {
        for _ in 0..RENEWALS {
            let loaded = journal::load(&self.store, request_key).await?;
            let Some(intent) = &loaded.intent else {
                if self.keep_aborts(request_key, &loaded).await? {
                    return Ok(loaded);
                }
                continue;
            };
            if intent.state != State::Running || self.is_secure(intent.epoch).await? {
                return Ok(loaded);
            }
            self.renew(intent, &loaded).await?;
        }
        let (key, lag) = (request_key.escape_debug(), self.limits.lag);
        Err(Stop::Halt(StoreError::Unavailable(format!(
            "`{key}` is behind the horizon as often as it is registered: `Limits::lag` ({lag:?}) is \
             shorter than a few store requests take"
        ))))
    }

    async fn renew(&self, lost: &Intent, loaded: &Loaded) -> Result<(), Stop> {
        let key = &lost.request_key;
        if loaded.journal.has_slots_after(lost) {
            // It may have ended since it was read: then the horizon is right.
            let now = intent::read(&self.store, key).await?;
            let is_same = |now: &Intent| now.state == lost.state && now.epoch == lost.epoch;
            return match now.filter(is_same) {
                Some(_) => Err(Stop::Park(self.behind_the_horizon())),
                None => Ok(()),
            };
        }
        tracing::debug!(instance = %key, "registered behind the horizon; it gets a new epoch");
        for decision in &loaded.journal.committed {
            // What it sends has keys of the old epoch, of which nobody keeps what was sent.
            if !decision.sends.is_empty() && decision.txn.epoch() == lost.epoch {
                self.apply(key, decision).await?;
                txn::strip_sends(&self.store, key, decision).await?;
            }
        }
        let (now, by) = (self.outside.now(), self.nonce());
        if loaded.registered {
            intent::renew(&self.store, lost, now, &by).await?;
            return Ok(());
        }
        // Only a decision stands for it, which names the old epoch: the intent counts.
        let renewed = Intent { epoch: now, by, ..lost.clone() };
        intent::register(&self.store, &renewed, None).await?;
        if let Some((txn, retry)) = loaded.journal.carrier {
            txn::hand_over(&self.store, key, txn, retry).await?;
        }
        Ok(())
    }

    /// Keeps the aborts from which a root goes on that is not registered: if they went now, another
    /// run of it could begin before them. Tells whether they are still there.
    async fn keep_aborts(&self, request_key: &str, loaded: &Loaded) -> Result<bool, StoreError> {
        let until = self.window().until;
        let soon = self.outside.now() + millis(self.limits.redelivery) / 2;
        for (txn, retry, kept) in &loaded.journal.aborts {
            if *kept < soon {
                let key = layout::decision_row(request_key, *txn, *retry);
                if !recycle::postpone(&self.store, &key, request_key, *kept, until).await? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Why an instance is parked that the garbage collector has taken for finished.
    pub(super) fn behind_the_horizon(&self) -> Reason {
        let lag = self.limits.lag;
        Reason::new(
            "collected",
            format!(
                "the horizon of the garbage collector has passed this unfinished instance, so its \
                 writes are refused: the clock of the host that began it was behind by more than half \
                 of `Limits::lag` ({lag:?}). Correct the clocks, look what it has done, and ask under \
                 another key"
            ),
        )
    }
}

/// How often a root is given a new epoch before the attempt halts.
const RENEWALS: u32 = 8;
