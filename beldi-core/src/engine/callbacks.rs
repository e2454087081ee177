//! Results that are brought to a caller in another service, which did not wait for them.
//!
//! A callback goes out when the callee's root has its result for good, as a reply does, and once: a crash
//! before it, or a letter that is lost, costs the caller a wait, for it asks again. It goes out where nobody
//! waits: somebody else than the caller had the root done, or it took longer than the caller waits. What it
//! writes, and why it may come twice or late, is in [`callback`]. The secret behind its token is put if
//! absent in the service row, so all hosts have the same.

use tracing::{debug, warn};

use super::locks::millis;
use super::{Errand, Service};
use crate::id::Id;
use crate::protocol::callback::{self, Callback, Delivered, Secret};
use crate::protocol::intent::{self, Intent};
use crate::protocol::layout;
use crate::store::StoreError;
use crate::value::Value;

impl Service {
    /// Brings the result of a root to the service that called it, if that wants it. Once: if it is lost,
    /// the caller asks again.
    pub(crate) async fn call_back(
        &self,
        instance: &str,
        caller: Option<&str>,
        callback: Option<&Callback>,
        result: Value,
    ) {
        let (Some(caller), Some(callback)) = (caller, callback) else { return };
        let callee = layout::parse_sent_key(instance);
        let (Some(peer), Some(callee)) = (self.peers.find(caller), callee) else { return };
        let brought = callback::brought(result);
        match peer.call_back(callee, callback.clone(), brought).await {
            Ok(delivered) => debug!(%instance, %caller, ?delivered, "called back"),
            Err(error) => debug!(%instance, %caller, %error, "could not call back"),
        }
    }

    /// The same for a root whose intent was read.
    pub(crate) async fn call_back_of(&self, intent: &Intent, result: Value) {
        let Intent { request_key, caller, callback, .. } = intent;
        self.call_back(request_key, caller.as_deref(), callback.as_ref(), result).await;
    }

    /// The same for a root that somebody has followed to its end.
    pub(crate) async fn call_back_for(&self, key: &str, result: Value) -> Result<(), StoreError> {
        // Only what was sent or called can have a caller elsewhere.
        if layout::parse_sent_key(key).is_none() {
            return Ok(());
        }
        if let Some(intent) = intent::read(&self.store, key).await? {
            self.call_back_of(&intent, result).await;
        }
        Ok(())
    }

    /// Takes in what a callee of another service has returned.
    pub(crate) async fn called_back(
        &self,
        from: &str,
        callee: Id,
        callback: &Callback,
        result: Option<&Value>,
    ) -> Result<Delivered, StoreError> {
        let (secret, now) = (self.secret().await?, self.outside.now());
        let delivered =
            callback::deliver(&self.store, &secret, from, callee, callback, result, now).await?;
        match delivered {
            Delivered::Accepted => self.announce(callback.root.clone()),
            Delivered::Forged => {
                warn!(service = %from, %callee, "refused a callback that no call of ours asked for");
            }
            Delivered::TooLarge => {
                warn!(service = %from, %callee, "refused a callback with a result that is too large");
            }
            Delivered::Already | Delivered::NotWaiting | Delivered::Expired => {}
        }
        Ok(delivered)
    }

    /// The callback of a call, the same for every attempt of the caller.
    pub(crate) async fn callback(
        &self,
        service: &str,
        errand: &Errand,
    ) -> Result<Callback, StoreError> {
        let until = errand.callee.epoch().saturating_add(millis(self.limits.redelivery));
        Ok(self.secret().await?.callback(service, errand.callee, &errand.root, until))
    }

    async fn secret(&self) -> Result<Secret, StoreError> {
        let read = || async {
            let mut fresh = [0; 32];
            for part in fresh.chunks_mut(8) {
                part.copy_from_slice(&self.outside.random().to_be_bytes());
            }
            Secret::read(&self.store, fresh).await
        };
        self.secret.get_or_try_init(read).await.copied()
    }
}
