//! A store that counts its requests and does to them what a network and a dying host can.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, pending};
use tokio::sync::{Notify, watch};

use crate::store::{
    Condition, DuePage, DueQuery, Key, Page, Query, Result, Row, Store, StoreError, Update, Updated,
};

/// What happens to one request. See [`FaultyStore::script`].
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nothing.
    None,
    /// It is not delivered, and the sender is told so.
    Fail,
    /// It is not delivered, and nobody says anything.
    Hang,
    /// It is applied, but the sender is told it failed.
    LoseReply,
    /// It is applied twice; the sender sees the second reply.
    Twice,
    /// The sender is told it failed; after this time it is applied all the same.
    Late(Duration),
    /// The host dies before the request leaves.
    CrashBefore,
    /// The host dies after the request was applied, before the reply arrives.
    CrashAfter,
    /// Before it leaves, the request waits until the gate is opened.
    WaitBefore(Gate),
    /// After it was applied, the reply waits until the gate is opened.
    WaitAfter(Gate),
}

/// Where a request waits.
///
/// ```
/// use beldi::store::{Key, MemoryStore, Store};
/// use beldi::testing::{Fault, FaultyStore, Gate, in_virtual_time};
///
/// in_virtual_time(async {
///     let (store, gate) = (FaultyStore::new(MemoryStore::new()), Gate::default());
///     let wait = gate.clone();
///     store.script(move |_| Fault::WaitBefore(wait.clone()));
///
///     let read = tokio::spawn({
///         let store = store.clone();
///         async move { store.get(&Key::new("hotels", "ritz")).await }
///     });
///     gate.reached().await;
///     // the read has left, and has not arrived: anything may happen here
///     gate.open();
///     assert_eq!(read.await.unwrap().unwrap(), None);
/// });
/// ```
#[derive(Clone, Debug, Default)]
pub struct Gate {
    reached: Arc<Notify>,
    opened: Arc<Notify>,
}

impl Gate {
    /// Resolves when a request has come to the gate.
    pub async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Lets it go on.
    pub fn open(&self) {
        self.opened.notify_one();
    }

    async fn pass(&self) {
        self.reached.notify_one();
        self.opened.notified().await;
    }
}

/// The kinds of request. See [`FaultyStore::script`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// [`Store::get`]
    Get,
    /// [`Store::update`]
    Update,
    /// [`Store::query`]
    Query,
    /// [`Store::due`]
    Due,
    /// [`Store::delete`]
    Delete,
}

/// A request on its way. See [`FaultyStore::script`].
#[derive(Clone, Debug)]
pub struct Request {
    /// What it is.
    pub kind: RequestKind,
    /// The row or range it is about.
    pub target: String,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = format!("{:?}", self.kind).to_lowercase();
        write!(f, "{kind} {}", self.target)
    }
}

/// How many requests of each kind were sent.
///
/// ```
/// use beldi::testing::{World, in_virtual_time};
///
/// const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");
///
/// #[beldi::ssf(read_only)]
/// async fn left(hotel: String) -> Option<u32> {
///     ROOMS.get(&hotel).await
/// }
///
/// in_virtual_time(async {
///     let world = World::new(beldi::App::new("travel").ssf(left));
///     world.call(left("ritz".into())).await.unwrap();
///     assert_eq!(world.store().counts().total(), 1);
/// });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// [`Store::get`]
    pub gets: u64,
    /// [`Store::update`]
    pub updates: u64,
    /// [`Store::query`]
    pub queries: u64,
    /// [`Store::due`]
    pub dues: u64,
    /// [`Store::delete`]
    pub deletes: u64,
}

impl Counts {
    /// All but those of the due index, which only collectors read.
    pub fn total(&self) -> u64 {
        self.gets + self.updates + self.queries + self.deletes
    }
}

#[derive(Debug, Default)]
struct Counters([AtomicU64; 5]);

type Script = Box<dyn FnMut(&Request) -> Fault + Send>;

/// Wraps a store; clones share the counters and the script, each [`new_host`](FaultyStore::new_host)
/// has a life of its own.
///
/// ```
/// use beldi::store::{Key, MemoryStore, Store};
/// use beldi::testing::{Fault, FaultyStore, in_virtual_time};
///
/// let store = FaultyStore::new(MemoryStore::new());
/// store.script(|_| Fault::Fail);
/// let read = in_virtual_time(async { store.get(&Key::new("hotels", "ritz")).await });
/// assert!(read.is_err());
/// assert_eq!(store.counts().gets, 1);
/// ```
#[derive(Clone)]
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    script: Arc<Mutex<Script>>,
    counters: Arc<Counters>,
    latency: Arc<Mutex<Box<dyn FnMut() -> Duration + Send>>>,
    dead: Arc<AtomicBool>,
    died: watch::Sender<bool>,
}

impl FaultyStore {
    /// A wrapper that delivers everything until it gets a script.
    pub fn new(inner: impl Store) -> Self {
        Self {
            inner: Arc::new(inner),
            script: Arc::new(Mutex::new(Box::new(|_| Fault::None))),
            counters: Arc::default(),
            latency: Arc::new(Mutex::new(Box::new(|| Duration::ZERO))),
            dead: Arc::default(),
            died: watch::Sender::new(false),
        }
    }

    /// The same store, script and counters, as another host sees them.
    #[must_use]
    pub fn new_host(&self) -> Self {
        Self { dead: Arc::default(), died: watch::Sender::new(false), ..self.clone() }
    }

    /// Another store on the same host: script, counters, latency and death are shared.
    #[must_use]
    pub fn beside(&self, inner: impl Store) -> Self {
        Self { inner: Arc::new(inner), ..self.clone() }
    }

    /// Decides on every request from now on.
    ///
    /// ```
    /// use beldi::testing::{Fault, RequestKind, World, in_virtual_time};
    ///
    /// const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");
    ///
    /// #[beldi::ssf]
    /// async fn open_rooms(free: u32) {
    ///     ROOMS.put("ritz", &free).await;
    /// }
    ///
    /// in_virtual_time(async {
    ///     let world = World::new(beldi::App::new("travel").ssf(open_rooms));
    ///     let mut lost = false;
    ///     world.store().script(move |request| {
    ///         if request.kind == RequestKind::Update && request.target.contains("ritz") && !lost {
    ///             lost = true;
    ///             return Fault::LoseReply;
    ///         }
    ///         Fault::None
    ///     });
    ///     world.call(open_rooms(2)).await.unwrap();
    ///     assert_eq!(world.peek(ROOMS, "ritz"), Some(2));
    /// });
    /// ```
    pub fn script(&self, script: impl FnMut(&Request) -> Fault + Send + 'static) {
        *lock(&self.script) = Box::new(script);
    }

    /// Lets every request take this long; with a fixed latency and virtual time, elapsed time
    /// counts sequential round trips.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use beldi::testing::{World, in_virtual_time};
    ///
    /// const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");
    ///
    /// #[beldi::ssf(read_only)]
    /// async fn left() -> u32 {
    ///     let (ritz, savoy) = beldi::join(ROOMS.get("ritz"), ROOMS.get("savoy")).await;
    ///     ritz.unwrap_or(0) + savoy.unwrap_or(0)
    /// }
    ///
    /// in_virtual_time(async {
    ///     let world = World::new(beldi::App::new("travel").ssf(left));
    ///     world.store().latency(|| Duration::from_millis(1));
    ///     let began = world.now();
    ///     world.call(left()).await.unwrap();
    ///     assert_eq!(world.now() - began, 1, "two reads, side by side");
    /// });
    /// ```
    pub fn latency(&self, latency: impl FnMut() -> Duration + Send + 'static) {
        *lock(&self.latency) = Box::new(latency);
    }

    /// Requests sent so far.
    pub fn counts(&self) -> Counts {
        let [gets, updates, queries, dues, deletes] = [0, 1, 2, 3, 4]
            .map(|i| self.counters.0.get(i).map_or(0, |n| n.load(Ordering::Relaxed)));
        Counts { gets, updates, queries, dues, deletes }
    }

    /// Kills this host: none of its requests is ever answered or applied again.
    pub fn kill(&self) {
        self.dead.store(true, Ordering::Release);
        self.died.send_replace(true);
    }

    /// Resolves when this host is dead.
    pub async fn died(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.died.subscribe().wait_for(|dead| *dead).await;
    }

    async fn request<T: Send>(
        &self,
        request: Request,
        send: impl Fn() -> BoxFuture<'static, Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.alive().await;
        if let Some(counter) = self.counters.0.get(request.kind as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let fault = lock(&self.script)(&request);
        let latency = lock(&self.latency)();
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
            self.alive().await;
        }
        let lost = || StoreError::Unavailable("injected".to_owned());
        match fault {
            Fault::None => send().await,
            Fault::Fail => Err(lost()),
            Fault::Hang => pending().await,
            Fault::LoseReply => send().await.and(Err(lost())),
            Fault::Twice => {
                let _ = send().await;
                send().await
            }
            Fault::Late(time) => {
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    let _ = send().await;
                });
                Err(lost())
            }
            Fault::CrashBefore => {
                self.kill();
                pending().await
            }
            Fault::CrashAfter => {
                let _ = send().await;
                self.kill();
                pending().await
            }
            Fault::WaitBefore(gate) => {
                gate.pass().await;
                send().await
            }
            Fault::WaitAfter(gate) => {
                let reply = send().await;
                gate.pass().await;
                reply
            }
        }
    }

    async fn alive(&self) {
        if self.dead.load(Ordering::Acquire) {
            pending::<()>().await;
        }
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends owned copies, so that a late request outlives its sender.
macro_rules! deliver {
    ($self:ident, $kind:ident, $target:expr, |$inner:ident $(, $arg:ident)*| $call:expr) => {{
        let request = Request { kind: RequestKind::$kind, target: $target };
        let $inner = Arc::clone(&$self.inner);
        $(let $arg = $arg.clone();)*
        Box::pin($self.request(request, move || {
            let $inner = Arc::clone(&$inner);
            $(let $arg = $arg.clone();)*
            Box::pin(async move { $call.await })
        }))
    }};
}

impl Store for FaultyStore {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Row>>> {
        deliver!(self, Get, key.to_string(), |inner, key| inner.get(&key))
    }

    fn update<'a>(&'a self, key: &'a Key, update: &'a Update) -> BoxFuture<'a, Result<Updated>> {
        deliver!(self, Update, key.to_string(), |inner, key, update| inner.update(&key, &update))
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page>> {
        let target = format!("{}/{}", query.partition.escape_debug(), query.prefix.escape_debug());
        deliver!(self, Query, target, |inner, query| inner.query(&query))
    }

    fn due<'a>(&'a self, query: &'a DueQuery) -> BoxFuture<'a, Result<DuePage>> {
        deliver!(self, Due, query.shard.clone(), |inner, query| inner.due(&query))
    }

    fn delete<'a>(&'a self, key: &'a Key, when: &'a Condition) -> BoxFuture<'a, Result<bool>> {
        deliver!(self, Delete, key.to_string(), |inner, key, when| inner.delete(&key, &when))
    }

    fn is_exclusive(&self) -> bool {
        self.inner.is_exclusive()
    }

    fn due_lag(&self) -> Duration {
        self.inner.due_lag()
    }

    fn expires(&self) -> bool {
        self.inner.expires()
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStore").field("counts", &self.counts()).finish_non_exhaustive()
    }
}
