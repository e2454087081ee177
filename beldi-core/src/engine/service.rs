//! What every attempt of a service shares.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit, mpsc};

use super::federation::Peers;
use super::locks::millis;
use super::patient::Patient;
use super::sizes::small_enough_input;
use super::tasks::Tasks;
use crate::error::{Error, InputError, Reason};
use crate::limits::Limits;
use crate::outside::Outside;
use crate::protocol::callback::Secret;
use crate::protocol::horizon::Horizons;
use crate::protocol::intent::Intent;
use crate::protocol::recycle::Tombstone;
use crate::protocol::txn::{self, Abort, Decisions, ItemKey, Outcome, Txn};
use crate::store::{Store, StoreError};
use crate::value::Value;

/// A registered SSF, its types erased.
#[derive(Clone, Copy)]
pub(crate) struct Handler {
    pub(crate) name: &'static str,
    pub(crate) read_only: bool,
    /// Whether its output is a `Result`, so that `Err` can be told from `Ok` outside.
    pub(crate) fallible: bool,
    /// The hash of its tokens.
    pub(crate) code: u64,
    /// Decodes the input, runs the body, encodes the output.
    pub(crate) run: fn(Value) -> BoxFuture<'static, Result<Value, Reason>>,
    /// Reads an input from JSON.
    pub(crate) input_from_json: fn(&[u8]) -> Result<Value, InputError>,
    /// Shows an output as JSON.
    pub(crate) output_to_json: fn(Value) -> Result<serde_json::Value, Reason>,
}

/// A service over one store, on one host.
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) store: Patient,
    pub(crate) outside: Arc<dyn Outside>,
    pub(crate) limits: Limits,
    /// One permit an attempt.
    pub(crate) permits: Arc<Semaphore>,
    /// What runs beside the requests, and ends with the host.
    pub(crate) tasks: Tasks,
    pub(crate) peers: Arc<Peers>,
    pub(crate) horizons: Arc<Horizons>,
    /// What the tokens of callbacks are made with, once it is known.
    pub(super) secret: Arc<OnceCell<Secret>>,
    /// When the process may be stopped, in milliseconds since 1970, if that is known.
    until: Option<u64>,
    redelivery: Arc<BTreeMap<String, Duration>>,
    handlers: Arc<BTreeMap<&'static str, Handler>>,
    compatible: Arc<BTreeSet<(String, u64)>>,
    /// Request keys of roots this host has registered and not begun: a hint to the host's runner.
    registered: mpsc::UnboundedSender<String>,
}

/// What a [`Service`] is made of.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) handlers: BTreeMap<&'static str, Handler>,
    /// Codes whose instances the SSF of this build may go on with.
    pub(crate) compatible: BTreeSet<(String, u64)>,
    /// How long results of an SSF answer duplicates, where it is not as the limits say.
    pub(crate) redelivery: BTreeMap<String, Duration>,
    pub(crate) limits: Limits,
}

impl Service {
    /// The service, and the keys of roots to begin as they are registered.
    pub(crate) fn new(
        parts: Parts,
        store: Arc<dyn Store>,
        outside: Arc<dyn Outside>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<String>) {
        let (registered, to_begin) = mpsc::unbounded_channel();
        let permits = parts.limits.concurrency.max(1);
        let limits = Limits { concurrency: permits, ..parts.limits };
        let service = Self {
            name: parts.name,
            version: parts.version,
            store: Patient::new(store, Arc::clone(&outside), &limits),
            outside,
            limits,
            permits: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            tasks: Tasks::default(),
            peers: Arc::default(),
            horizons: Arc::default(),
            secret: Arc::default(),
            until: None,
            redelivery: Arc::new(parts.redelivery),
            handlers: Arc::new(parts.handlers),
            compatible: Arc::new(parts.compatible),
            registered,
        };
        (Arc::new(service), to_begin)
    }

    /// The same service for a while: with tasks of its own, which can be waited for and cut, and until a
    /// certain time.
    pub(crate) fn during(
        &self,
        until: Option<u64>,
        attempt_time: Duration,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<String>) {
        let (registered, to_begin) = mpsc::unbounded_channel();
        let service = Self {
            name: self.name.clone(),
            version: self.version.clone(),
            store: self.store.clone(),
            outside: Arc::clone(&self.outside),
            limits: Limits { attempt_time, ..self.limits.clone() },
            permits: Arc::clone(&self.permits),
            tasks: Tasks::default(),
            peers: Arc::clone(&self.peers),
            horizons: Arc::clone(&self.horizons),
            secret: Arc::clone(&self.secret),
            until,
            redelivery: Arc::clone(&self.redelivery),
            handlers: Arc::clone(&self.handlers),
            compatible: Arc::clone(&self.compatible),
            registered,
        };
        (Arc::new(service), to_begin)
    }

    /// How long the process will still be there, where that is known.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        let until = self.until?;
        Some(Duration::from_millis(until.saturating_sub(self.outside.now())))
    }

    /// The names of its SSFs.
    pub(crate) fn ssfs(&self) -> impl Iterator<Item = &'static str> {
        self.handlers.keys().copied()
    }

    pub(crate) fn handler(&self, ssf: &str) -> Result<&Handler, Error> {
        self.handlers.get(ssf).ok_or_else(|| Error::UnknownSsf {
            service: self.name.clone(),
            ssf: ssf.to_owned(),
            known: self.ssfs().collect::<Vec<_>>().join(", "),
        })
    }

    /// The intent of a new root, nothing begun.
    pub(crate) fn new_intent(
        &self,
        request_key: String,
        handler: &Handler,
        input: Value,
    ) -> Result<Intent, Reason> {
        small_enough_input(handler.name, &input)?;
        Ok(Intent {
            code: handler.code,
            version: self.version.clone(),
            by: self.nonce(),
            ..Intent::new(request_key, handler.name, input, self.outside.now())
        })
    }

    /// What is left of a request to an SSF that is collected now.
    pub(crate) fn tombstone(&self, ssf: &str) -> Tombstone {
        let window = self.redelivery.get(ssf).copied().unwrap_or(self.limits.redelivery);
        Tombstone {
            until: self.outside.now().saturating_add(millis(window)),
            by_store: self.store.expires(),
        }
    }

    /// How long something is kept that belongs to no SSF.
    pub(crate) fn window(&self) -> Tombstone {
        self.tombstone("")
    }

    /// Aborts in the name of a run.
    pub(crate) fn abort_by(&self, by: String, touched: Vec<ItemKey>) -> Abort {
        Abort { by, until: self.window().until, touched }
    }

    /// Waits until one more attempt may run; it may until the permit is dropped.
    pub(crate) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        // Nobody closes the semaphore, so there always is one.
        self.permits.acquire().await.ok()
    }

    /// Whether this build's handler may replay what code of that hash has logged.
    pub(crate) fn may_replay(&self, handler: &Handler, code: u64) -> bool {
        code == handler.code || self.compatible.contains(&(handler.name.to_owned(), code))
    }

    /// Tells the host's runner of a new root. Nobody listening is fine: the collector finds it.
    pub(crate) fn announce(&self, request_key: String) {
        let _ = self.registered.send(request_key);
    }

    /// The time the next attempt may begin after this many, with jitter.
    pub(crate) fn backoff(&self, attempts: u32) -> u64 {
        let wait = self.limits.backoff_after(attempts, self.outside.random());
        self.outside.now() + u64::try_from(wait.as_millis()).unwrap_or(u64::MAX / 2)
    }

    /// The time an attempt begun now counts as dead.
    pub(crate) fn lease(&self) -> u64 {
        let lease = self.limits.lease();
        let left = self.time_left().map_or(lease, |left| left + self.limits.request_time);
        self.outside.now() + millis(lease.min(left))
    }

    /// A name no other run has.
    pub(crate) fn nonce(&self) -> String {
        format!("{:016x}", self.outside.random())
    }
}

impl Decisions for Service {
    fn outcome<'a>(
        &'a self,
        txn: &'a Txn,
        abort: bool,
    ) -> BoxFuture<'a, Result<Option<Outcome>, StoreError>> {
        Box::pin(async move {
            if txn.service != self.name {
                return self.ask_coordinator(txn, abort).await;
            }
            let abort = abort.then(|| self.abort_by(self.nonce(), Vec::new()));
            let decision = txn::find(&self.store, txn, abort).await?;
            Ok(decision.map(|decision| decision.outcome()))
        })
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("name", &self.name).finish_non_exhaustive()
    }
}
