//! A service in a process that runs only while it is invoked, such as a function of AWS Lambda.
//!
//! There are no timers: whoever invokes it does so for the collectors as well. Nothing outlives an
//! invocation: it has tasks of its own, which are waited for at its end, and cut when its time is over.
//! Invocations may run side by side; they share the store, the places for attempts and what is known of
//! other services.
//!
//! It writes nothing of its own. An invocation that is killed leaves what a crash leaves anywhere else:
//! the intent is durable before the first step that needs it, and whatever invokes the collectors goes on
//! with it. What it was to begin at its end is in the due index; a start that is lost, or comes twice, finds
//! the same intent.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, join, join_all, select};
use tokio::sync::mpsc::UnboundedReceiver;
use tracing::{debug, error};

use super::call::{answer_apart, follow, register, request};
use super::remote::{Remote, receive};
pub use super::remote::{SharedKey, Transport, Unreachable};
use super::runner;
use super::status::{self, InstanceStatus};
use crate::api::App;
use crate::collector::garbage::{self, Collected};
use crate::collector::intent::{Leases, find};
use crate::collector::lock;
use crate::engine::{Handler, Parts, Request, Service};
pub use crate::error::LetterError;
use crate::error::{Error, InputError, Reason, Result};
use crate::limits::LAST_STEP;
pub use crate::limits::MAX_LETTER;
use crate::outside::{Outside, RealOutside};
use crate::store::Store;
use crate::value::Value;

/// A service that runs while it is invoked: see [`App::on_demand`].
pub struct OnDemand {
    service: Arc<Service>,
    shared: Arc<Shared>,
}

/// What all invocations have in common, beside the service.
#[derive(Default)]
struct Shared {
    keys: RwLock<BTreeMap<String, SharedKey>>,
    starter: RwLock<Option<Arc<dyn Starter>>>,
    /// The longest time an invocation was given, in milliseconds.
    longest: AtomicU64,
}

/// Begins roots in an invocation of their own. See [`OnDemand::start_with`].
pub trait Starter: Send + Sync + 'static {
    /// Has [`Invocation::follow`] called with this key, somewhere, soon. If that gets lost, the intent
    /// collector does it later.
    fn start(&self, key: &str) -> BoxFuture<'_, Result<(), Unreachable>>;
}

impl App {
    /// Opens the service in a process that runs only while it is invoked: without timers, and without
    /// anything that goes on between two invocations.
    ///
    /// ```
    /// use beldi::{App, store::MemoryStore};
    ///
    /// const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");
    ///
    /// #[beldi::ssf]
    /// async fn open_rooms(free: u32) -> u32 {
    ///     ROOMS.update("ritz", |rooms| *rooms.insert(rooms.unwrap_or(0) + free)).await
    /// }
    ///
    /// # beldi::testing::in_virtual_time(async {
    /// let service = App::new("travel").ssf(open_rooms).on_demand(MemoryStore::new())?;
    /// let invocation = service.invocation(None);
    /// let answer = invocation.call("open_rooms", Some("monday".into()), b"2").await?;
    /// invocation.end().await;
    /// assert_eq!(answer.output, Ok(2.into()));
    /// # Ok::<(), beldi::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// If two SSFs have one name, or a limit cannot be kept.
    pub fn on_demand(self, store: impl Store) -> Result<OnDemand> {
        Ok(OnDemand::open(self.into_parts()?, Arc::new(store), Arc::new(RealOutside)))
    }
}

impl OnDemand {
    pub(crate) fn open(parts: Parts, store: Arc<dyn Store>, outside: Arc<dyn Outside>) -> Self {
        // What is registered is announced to invocations, which have channels of their own.
        let (service, _) = Service::new(parts, store, outside);
        Self { service, shared: Arc::default() }
    }

    /// Lets this service and another owner's call each other: letters go through `transport`, sealed
    /// with the key that both sides have.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use beldi::on_demand::{OnDemand, SharedKey, Transport, Unreachable};
    /// use beldi::{App, Table, store::MemoryStore};
    /// use futures_util::future::BoxFuture;
    ///
    /// const ACCOUNTS: Table<str, u32> = Table::new("accounts");
    ///
    /// mod payments {
    ///     #[beldi::ssf]
    ///     pub async fn charge(amount: u32) {
    ///         super::ACCOUNTS.update("ann", |sum| *sum = Some(sum.unwrap_or(0) + amount)).await;
    ///     }
    /// }
    ///
    /// #[beldi::ssf(service = "payments")]
    /// async fn charge(amount: u32);
    ///
    /// #[beldi::ssf]
    /// async fn order(amount: u32) {
    ///     charge(amount).await;
    /// }
    ///
    /// /// A post office: an invocation for each letter.
    /// struct InProcess(Arc<OnDemand>);
    ///
    /// impl Transport for InProcess {
    ///     fn ask(&self, letter: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, Unreachable>> {
    ///         Box::pin(async move {
    ///             let invocation = self.0.invocation(None);
    ///             let answer = invocation.receive(&letter).await;
    ///             invocation.end().await;
    ///             answer.map_err(|error| Unreachable::Undeliverable(error.to_string()))
    ///         })
    ///     }
    /// }
    ///
    /// # fn main() {
    /// # beldi::testing::in_virtual_time(async {
    /// let payments = App::new("payments").ssf(payments::charge).on_demand(MemoryStore::new())?;
    /// let shop = App::new("shop").ssf(order).on_demand(MemoryStore::new())?;
    /// let (payments, shop) = (Arc::new(payments), Arc::new(shop));
    /// let key = SharedKey::new("made by a password generator")?;
    /// payments.connect("shop", key.clone(), InProcess(shop.clone()));
    /// shop.connect("payments", key, InProcess(payments.clone()));
    ///
    /// let invocation = shop.invocation(None);
    /// assert_eq!(invocation.call("order", None, b"30").await?.output, Ok(().into()));
    /// # Ok::<(), beldi::Error>(()) }).unwrap();
    /// # }
    /// ```
    pub fn connect(&self, service: &str, key: SharedKey, transport: impl Transport) {
        let mut keys = self.shared.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.insert(service.to_owned(), key.clone());
        let remote = Remote::new(&self.service, service, key, Arc::new(transport));
        self.service.peers.add(service, Arc::new(remote));
    }

    /// Begins what was sent at once, in an invocation of its own, instead of leaving it to the intent
    /// collector. See [`Starter`].
    pub fn start_with(&self, starter: impl Starter) {
        let mut known = self.shared.starter.write().unwrap_or_else(PoisonError::into_inner);
        *known = Some(Arc::new(starter));
    }

    /// Begins an invocation, which has to come to its end by `deadline`, in milliseconds since 1970, if
    /// there is one: what is not done by then is cut, and goes on in another invocation.
    pub fn invocation(&self, deadline: Option<u64>) -> Invocation {
        let (service, to_begin) = self.service.during(deadline, self.attempt_time(deadline));
        let shared = Arc::clone(&self.shared);
        Invocation { service, shared, to_begin, ended: Mutex::default() }
    }

    /// How long an attempt may take: one that needs more than the longest invocation gives has to count as
    /// failed, or it would be tried for ever.
    fn attempt_time(&self, deadline: Option<u64>) -> Duration {
        let limit = self.service.limits.attempt_time;
        let Some(deadline) = deadline else { return limit };
        let left = deadline.saturating_sub(self.service.outside.now());
        let longest = self.shared.longest.fetch_max(left, Ordering::Relaxed).max(left);
        limit.min(Duration::from_millis(longest).saturating_sub(LAST_STEP * 2))
    }

    /// The name of the service.
    pub fn name(&self) -> &str {
        &self.service.name
    }

    /// The names of its SSFs.
    pub fn ssfs(&self) -> impl Iterator<Item = &'static str> {
        self.service.ssfs()
    }
}

/// One invocation: see [`OnDemand::invocation`]. Dropping it cuts what it has begun, as a crash would;
/// [`end`](Invocation::end) waits for that first.
pub struct Invocation {
    service: Arc<Service>,
    shared: Arc<Shared>,
    /// Request keys of what it has registered for somebody to begin.
    to_begin: UnboundedReceiver<String>,
    /// Those of what it has seen end: nobody need begin them any more.
    ended: Mutex<BTreeSet<String>>,
}

/// What an SSF returned. See [`Invocation::call`].
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The request key, chosen or not.
    pub key: String,
    /// The output as JSON: the `Err` of an SSF that returns a `Result` is one here.
    pub output: Result<serde_json::Value, serde_json::Value>,
}

/// How far a registered root came. See [`Invocation::follow`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It has its result.
    Done,
    /// A bug or a limit stopped it; it waits for a person.
    Parked(Reason),
    /// The intent collector goes on with it. The text tells what keeps it.
    Unfinished(String),
}

/// What a round of the intent collector did. See [`Invocation::collect`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Attempts that it began.
    pub begun: usize,
    /// Unfinished roots whose time has not come.
    pub waiting: usize,
    /// Locks it released, since their holder has ended.
    pub settled: usize,
    /// Rows that cannot be read; they stay where they are.
    pub damaged: usize,
}

impl Invocation {
    /// Calls an SSF by name with JSON, and waits for its output as long as there is time.
    ///
    /// # Errors
    ///
    /// Any of [`Error`]: each says what to do.
    pub async fn call(&self, ssf: &str, key: Option<String>, input: &[u8]) -> Result<Answer> {
        let (handler, request) = self.request(ssf, key, input)?;
        let key = request.key.clone();
        let output = answer_apart(&self.service, request, ()).await?;
        Ok(Answer { key, output: shown(&handler, output)? })
    }

    /// Makes a request durable, to be begun with [`follow`](Invocation::follow) or, if that does not
    /// happen, by the intent collector; returns its key. The same key again registers nothing.
    ///
    /// # Errors
    ///
    /// Any of [`Error`]: each says what to do.
    pub async fn register(&self, ssf: &str, key: Option<String>, input: &[u8]) -> Result<String> {
        let (_, request) = self.request(ssf, key, input)?;
        register(&self.service, &request).await?;
        Ok(request.key)
    }

    /// Begins attempts of a registered root as they come due, or follows those of others, until it ends
    /// or the time is over.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownInstance`], or the store's.
    pub async fn follow(&self, key: &str) -> Result<Progress> {
        let why = Reason::new("waiting", "its first attempt has not ended");
        match follow(&self.service, key, why).await {
            Ok(result) => {
                self.service.call_back_for(key, result).await?;
                self.ended().insert(key.to_owned());
                Ok(Progress::Done)
            }
            Err(Error::Parked { reason, .. }) => {
                self.ended().insert(key.to_owned());
                Ok(Progress::Parked(reason))
            }
            Err(Error::Unfinished { why, .. }) => Ok(Progress::Unfinished(why)),
            Err(error) => Err(error),
        }
    }

    /// How far the instance with this request key is. See [`Host::instance`](crate::Host::instance).
    ///
    /// # Errors
    ///
    /// [`Error::UnknownInstance`], or the store's.
    pub async fn instance(&self, key: &str) -> Result<InstanceStatus> {
        status::read(&self.service, key).await
    }

    /// Gives a parked instance a fresh set of attempts, after what stopped it was mended. The next
    /// [`follow`](Invocation::follow) or [`collect`](Invocation::collect) begins them.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownInstance`], [`Error::NotParked`], or the store's.
    pub async fn resume(&self, key: &str) -> Result<()> {
        status::resume(&self.service, key).await?;
        self.ended().remove(key);
        Ok(())
    }

    /// Answers a letter of another service.
    ///
    /// # Errors
    ///
    /// [`Error::Letter`] for one that is not to be trusted: nothing was done then. What the service
    /// says, be it that it cannot, is an answer.
    pub async fn receive(&self, letter: &[u8]) -> Result<Vec<u8>> {
        let key_of = |service: &str| {
            let keys = self.shared.keys.read().unwrap_or_else(PoisonError::into_inner);
            keys.get(service).cloned()
        };
        Ok(receive(&self.service, letter, key_of).await?)
    }

    /// Rounds of the intent collector, until one finds nothing overdue or the time is over: begins
    /// what is overdue, oldest first, and settles locks whose holder has ended.
    ///
    /// # Errors
    ///
    /// The store's. What was begun goes on.
    pub async fn collect(&self) -> Result<Round> {
        let mut round = Round::default();
        loop {
            let found = find(&self.service, self.service.limits.concurrency, Leases::Hold).await?;
            for damage in &found.damaged {
                error!(%damage, "the intent collector cannot deal with a row; it stays where it is");
            }
            (round.waiting, round.damaged) = (found.waiting, found.damaged.len());
            let attempts = join_all(found.overdue.iter().map(async |intent| {
                let _permit = self.service.permit().await;
                let begins = !self.is_over();
                if begins {
                    runner::begin(&self.service, intent).await;
                }
                usize::from(begins)
            }));
            let (begun, settled) = join(attempts, lock::settle(&self.service)).await;
            round.begun += begun.into_iter().sum::<usize>();
            round.settled += settled?.settled;
            if found.overdue.is_empty() || self.is_over() {
                return Ok(round);
            }
        }
    }

    /// One run of the garbage collector: see [`Host::collect_garbage`](crate::Host::collect_garbage).
    ///
    /// # Errors
    ///
    /// The store's. What was done until then is done.
    pub async fn collect_garbage(&self) -> Result<Collected> {
        Ok(garbage::collect(&self.service).await?)
    }

    /// Answers an HTTP request as [`Host::serve`](crate::Host::serve) does, but for the routes of
    /// instances: who asks may be anybody. The keys of these requests are apart from all others: they
    /// begin with `http/`, which askers neither write nor are shown. Feature `http`.
    #[cfg(feature = "http")]
    pub async fn http(
        &self,
        request: axum::http::Request<axum::body::Bytes>,
    ) -> axum::http::Response<axum::body::Bytes> {
        super::http::answer(&self.service, request).await
    }

    /// Does some work as long as there is time for it and for [`end`](Invocation::end) after it.
    pub async fn in_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let Some(left) = self.service.time_left() else { return Some(work.await) };
        let over = self.service.outside.sleep(left.saturating_sub(LAST_STEP));
        match select(std::pin::pin!(work), over).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }

    /// Waits for everything the invocation has begun, as long as there is time, cuts the rest, and has
    /// begun what it has sent or registered and not seen end.
    pub async fn end(mut self) {
        let ended = std::pin::pin!(self.service.tasks.ended());
        let left = self.service.time_left().unwrap_or(Duration::MAX).saturating_sub(LAST_STEP / 2);
        let over = self.service.outside.sleep(left.min(FOREVER));
        select(ended, over).await;
        self.service.tasks.cut();
        self.to_begin.close();
        let starter = self.shared.starter.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(starter) = starter else { return };
        let seen_end = std::mem::take(&mut *self.ended());
        let mut starts = Vec::new();
        while let Ok(key) = self.to_begin.try_recv() {
            if seen_end.contains(&key) {
                continue;
            }
            let starter = Arc::clone(&starter);
            starts.push(async move {
                if let Err(error) = starter.start(&key).await {
                    debug!(instance = %key, %error, "could not begin what was sent; the collector will");
                }
            });
        }
        let started = std::pin::pin!(join_all(starts));
        let left = self.service.time_left().unwrap_or(FOREVER).saturating_sub(LAST_STEP / 4);
        select(started, self.service.outside.sleep(left.min(START_TIME))).await;
    }

    fn ended(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is too little time left to begin another attempt.
    fn is_over(&self) -> bool {
        self.service.time_left().is_some_and(|left| left < LAST_STEP * 3)
    }

    fn request(&self, ssf: &str, key: Option<String>, input: &[u8]) -> Result<(Handler, Request)> {
        let handler = *self.service.handler(ssf)?;
        let input = (handler.input_from_json)(input).map_err(|error| unreadable(ssf, &error))?;
        Ok((handler, request(&self.service, handler.name, key, input)?))
    }
}

/// How long the reply waits for what was sent to be begun: the collector begins the rest.
const START_TIME: Duration = Duration::from_secs(1);
/// Nobody waits longer.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

fn unreadable(ssf: &str, error: &InputError) -> Error {
    Error::BadRequest(format!("the input of `{ssf}` {error}"))
}

/// An output as JSON, `Err` apart.
fn shown(handler: &Handler, output: Value) -> Result<Result<serde_json::Value, serde_json::Value>> {
    let mut output = (handler.output_to_json)(output).map_err(Error::UnreadableOutput)?;
    if !handler.fallible {
        return Ok(Ok(output));
    }
    Ok(match output.get_mut("Err").map(serde_json::Value::take) {
        Some(error) => Err(error),
        None => Ok(output.get_mut("Ok").map(serde_json::Value::take).unwrap_or_default()),
    })
}

impl Drop for Invocation {
    fn drop(&mut self) {
        self.service.tasks.cut();
    }
}

impl fmt::Debug for OnDemand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnDemand").field("service", &self.service.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation").field("service", &self.service.name).finish_non_exhaustive()
    }
}
