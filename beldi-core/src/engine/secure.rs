//! Whether the garbage collector knows of a root: only then nothing of it is taken away before its end.
//!
//! A root that was registered in time needs no look. One that was not, or that somebody goes on with
//! later, is confirmed; if it is lost, it gets a new epoch before anything is done for it
//! ([`horizon`]).

use super::Service;
use super::locks::millis;
use crate::id::Epoch;
use crate::protocol::horizon;
use crate::protocol::intent::{self, Intent, State};
use crate::protocol::journal::{self, Loaded};
use crate::protocol::txn;
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

    /// A root as its log shows it, with an epoch that counts.
    pub(crate) async fn load_secured(&self, request_key: &str) -> Result<Loaded, StoreError> {
        for _ in 0..RENEWALS {
            let loaded = journal::load(&self.store, request_key).await?;
            let Some(intent) = &loaded.intent else { return Ok(loaded) };
            if intent.state != State::Running || self.is_secure(intent.epoch).await? {
                return Ok(loaded);
            }
            self.renew(intent, loaded.registered, loaded.journal.carrier).await?;
        }
        Err(self.too_slow(request_key))
    }

    /// The same of a registered root alone.
    pub(crate) async fn secured(&self, seen: &Intent) -> Result<Option<Intent>, StoreError> {
        let mut standing = Some(seen.clone());
        for _ in 0..RENEWALS {
            let Some(intent) = standing.filter(|intent| intent.state == State::Running) else {
                return Ok(None);
            };
            if self.is_secure(intent.epoch).await? {
                return Ok(Some(intent));
            }
            self.renew(&intent, true, None).await?;
            standing = intent::read(&self.store, &intent.request_key).await?;
        }
        Err(self.too_slow(&seen.request_key))
    }

    async fn renew(
        &self,
        lost: &Intent,
        registered: bool,
        carrier: Option<(crate::id::Id, u32)>,
    ) -> Result<(), StoreError> {
        let (now, by) = (self.outside.now(), self.nonce());
        tracing::debug!(instance = %lost.request_key, "registered behind the horizon; it gets a new epoch");
        if registered {
            return intent::renew(&self.store, lost, now, &by).await.map(drop);
        }
        // Only a decision stands for it, which names the old epoch: the intent counts.
        let renewed = Intent { epoch: now, by, ..lost.clone() };
        intent::register(&self.store, &renewed, None).await?;
        match carrier {
            Some((txn, retry)) => txn::hand_over(&self.store, &lost.request_key, txn, retry).await,
            None => Ok(()),
        }
    }

    fn too_slow(&self, request_key: &str) -> StoreError {
        let (key, lag) = (request_key.escape_debug(), self.limits.lag);
        StoreError::Unavailable(format!(
            "`{key}` is behind the horizon as often as it is registered: `Limits::lag` ({lag:?}) is \
             shorter than a few store requests take"
        ))
    }
}

/// How often a root is given a new epoch before the attempt halts.
const RENEWALS: u32 = 8;
