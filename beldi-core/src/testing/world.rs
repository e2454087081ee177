//! A service in memory: set up rows, call, let everything come to its end, look at the rows.

mod garbage;

use std::fmt;
use std::future::IntoFuture;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{LocalBoxFuture, join_all};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::audit::Audit;
use super::rows::Rows;
use super::{FaultyStore, Post, VirtualOutside};
use crate::api::{App, Call, Key, KeyFor, Ssf, Table, decode};
use crate::collector;
use crate::collector::intent::{Leases, find};
use crate::engine::{Parts, Service};
use crate::error::{Error, Result};
use crate::host;
use crate::id::Id;
use crate::outside::Outside;
use crate::protocol::daal::{self, Change, Item, Written};
use crate::protocol::horizon::Horizons;
use crate::store::{MemoryStore, Store};

/// An app, a store in memory and a host that can die.
///
/// ```
/// use beldi::testing::{World, in_virtual_time};
/// use beldi::{App, Table};
///
/// const ROOMS: Table<str, u32> = Table::new("rooms");
/// const MAILS: Table<str, String> = Table::new("mails");
///
/// #[beldi::ssf]
/// async fn mail(text: String) {
///     MAILS.put("last", &text).await;
/// }
///
/// #[beldi::ssf]
/// async fn take_room(hotel: String) -> Option<u32> {
///     let left = ROOMS.get(&hotel).await?.checked_sub(1)?;
///     ROOMS.put(&hotel, &left).await;
///     mail(format!("{left} left")).send().await;
///     Some(left)
/// }
///
/// in_virtual_time(async {
///     let app = App::new("travel").ssf(take_room).ssf(mail);
///     let world = World::new(app).row(ROOMS, "ritz", &3);
///     assert_eq!(world.call(take_room("ritz".into())).await.unwrap(), Some(2));
///     assert_eq!(world.rows(ROOMS), [("ritz".to_owned(), 2)]);
///
///     world.settle().await.unwrap(); // what was sent runs now
///     assert_eq!(world.peek(MAILS, "last").as_deref(), Some("2 left"));
/// });
/// ```
pub struct World {
    parts: Parts,
    shared: Shared,
    /// The store as this host sees it.
    store: FaultyStore,
    service: Arc<Service>,
    /// Calls without a key of their own are numbered, so that a repeated client repeats its keys.
    calls: AtomicU32,
    /// Services of other owners, on the same hosts.
    others: Vec<World>,
}

/// What all hosts of a world have in common.
#[derive(Clone)]
struct Shared {
    rows: Rows,
    /// What hosts see the rows through.
    store: Arc<dyn Store>,
    outside: Arc<VirtualOutside>,
    /// What the garbage collector did so far.
    audit: Arc<Mutex<Audit>>,
    /// Whether garbage is collected beside everything else.
    collects: bool,
    /// Carries the letters between this service and the others.
    post: Post,
}

impl World {
    /// The app over an empty store. Call it, and what follows, in [`in_virtual_time`] or in a
    /// tokio test with time paused.
    ///
    /// [`in_virtual_time`]: super::in_virtual_time
    ///
    /// # Panics
    ///
    /// If two SSFs of the app have one name.
    pub fn new(app: App) -> Self {
        #[expect(clippy::expect_used, reason = "a test cannot go on without")]
        let parts = app.into_parts().expect("an app with distinct names");
        let outside = Arc::new(VirtualOutside::new(0));
        let rows = Rows::new(Arc::clone(&outside) as Arc<dyn Outside>);
        let store = rows.for_hosts();
        let seen = FaultyStore::new(Arc::clone(&store));
        let (audit, post) = (Arc::default(), Post::default());
        let shared = Shared { rows, store, outside, audit, collects: false, post };
        Self::with_host(parts, shared, seen, Vec::new())
    }

    /// The same world over another store, which the given function makes of rows in memory. To be called
    /// first.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use beldi::testing::{FaultyStore, World};
    ///
    /// let counting = |rows: Arc<_>| FaultyStore::new(rows);
    /// let world = World::new(beldi::App::new("travel")).over(counting);
    /// # drop(world);
    /// ```
    #[must_use]
    pub fn over<S: Store>(self, store: impl FnOnce(Arc<MemoryStore>) -> S) -> Self {
        let rows = Arc::new(MemoryStore::new());
        let store: Arc<dyn Store> = Arc::new(store(Arc::clone(&rows)));
        let rows = Rows::Memory(rows);
        let shared = Shared { rows, store: Arc::clone(&store), ..self.shared };
        Self::with_host(self.parts, shared, FaultyStore::new(store), Vec::new())
    }

    /// The same world through a new host: a restart, if this one is dead, and a second host beside
    /// it otherwise.
    #[must_use]
    pub fn new_host(&self) -> Self {
        let store = self.store.new_host();
        let others =
            self.others.iter().map(|other| other.on(store.beside(Arc::clone(&other.shared.store))));
        let others = others.collect();
        Self::with_host(self.parts.clone(), self.shared.clone(), store, others)
    }

    fn on(&self, store: FaultyStore) -> Self {
        Self::with_host(self.parts.clone(), self.shared.clone(), store, Vec::new())
    }

    /// Adds the service of another owner, with a store of its own, on the same hosts: what crashes
    /// takes both. They can call each other, also in transactions.
    ///
    /// ```
    /// use beldi::testing::{World, in_virtual_time};
    /// use beldi::{App, Table};
    ///
    /// const BALANCES: Table<str, u32> = Table::new("balances");
    ///
    /// mod payments {
    ///     #[beldi::ssf]
    ///     pub async fn charge(amount: u32) {
    ///         super::BALANCES.update("ann", |left| *left = left.map(|left| left - amount)).await;
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
    /// # fn main() {
    /// in_virtual_time(async {
    ///     let payments = World::new(App::new("payments").ssf(payments::charge));
    ///     let payments = payments.row(BALANCES, "ann", &50);
    ///     let shop = World::new(App::new("shop").ssf(order)).with(payments);
    ///     shop.call(order(30)).await.unwrap();
    ///     shop.settle().await.unwrap();
    ///     assert_eq!(shop.service("payments").peek(BALANCES, "ann"), Some(20));
    /// });
    /// # }
    /// ```
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let Self { parts, shared, store, mut others, .. } = self;
        others.push(other);
        Self::with_host(parts, shared, store, others).new_host()
    }

    /// The service of another owner that was [added](World::with).
    ///
    /// # Panics
    ///
    /// If there is none of that name.
    pub fn service(&self, name: &str) -> &Self {
        #[expect(clippy::expect_used, reason = "a test cannot go on without")]
        self.others.iter().find(|other| other.parts.name == name).expect("a service that was added")
    }

    /// The same world through a host with another build of the app, as after a deployment.
    ///
    /// ```
    /// use beldi::testing::{World, in_virtual_time};
    /// use beldi::{App, Error, Handler, InstanceState, Limits, Table};
    ///
    /// const ROOMS: Table<str, u32> = Table::new("rooms");
    ///
    /// mod old {
    ///     #[beldi::ssf]
    ///     pub async fn close_hotel(hotel: String) {
    ///         super::ROOMS.put(&hotel, &0).await;
    ///         panic!("the rest is not written yet");
    ///     }
    /// }
    ///
    /// mod new {
    ///     #[beldi::ssf]
    ///     pub async fn close_hotel(hotel: String) {
    ///         super::ROOMS.put(&hotel, &0).await;
    ///     }
    /// }
    ///
    /// # fn main() {
    /// in_virtual_time(async {
    ///     let limits = Limits { attempts: 1, ..Limits::default() };
    ///     let world = World::new(App::new("travel").ssf(old::close_hotel).limits(limits));
    ///     let parked = world.call(old::close_hotel("ritz".into())).key("k").await;
    ///     assert!(matches!(parked, Err(Error::Parked { .. })));
    ///
    ///     // The new code takes the same steps up to there, and may go on.
    ///     let app = App::new("travel").ssf(new::close_hotel);
    ///     let world = world.deploy(app.compatible(new::close_hotel, old::close_hotel::CODE));
    ///     world.resume("k").await.unwrap();
    ///     world.settle().await.unwrap();
    ///     assert_eq!(world.instance("k").await.unwrap().state, InstanceState::Done);
    /// });
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If two SSFs of the app have one name.
    #[must_use]
    pub fn deploy(&self, app: App) -> Self {
        #[expect(clippy::expect_used, reason = "a test cannot go on without")]
        let parts = app.into_parts().expect("an app with distinct names");
        Self::with_host(parts, self.shared.clone(), self.store.new_host(), Vec::new())
    }

    fn with_host(parts: Parts, shared: Shared, store: FaultyStore, others: Vec<Self>) -> Self {
        let door: Arc<dyn Outside> = Arc::clone(&shared.outside) as Arc<dyn Outside>;
        // Nobody listens for what is to begin: `settle` finds it.
        let (service, _) = Service::new(parts.clone(), Arc::new(store.clone()), door);
        for other in &others {
            shared.post.connect(&service, &other.service);
        }
        Self { parts, shared, store, service, calls: AtomicU32::new(0), others }
    }

    /// Puts a row before anything runs.
    ///
    /// # Panics
    ///
    /// If the value cannot be stored.
    #[must_use]
    pub fn row<K, Q, V>(self, table: Table<K, V>, key: &Q, value: &V) -> Self
    where
        K: Key + ?Sized,
        Q: KeyFor<K> + ?Sized,
        V: Serialize + DeserializeOwned + Send,
    {
        #[expect(clippy::expect_used, reason = "a test cannot go on without")]
        let value = crate::api::encode(value, "a row").expect("a value that can be stored");
        let key = crate::api::encode_key(key);
        let (store, outside) = (self.shared.rows.store(), &*self.shared.outside);
        let (table, capacity) = (table.name(), u32::MAX);
        let (service, horizons) = (&*self.parts.name, &Horizons::default());
        let key = &*key;
        let own_locks = Vec::new();
        let item = Item { store, outside, service, horizons, table, key, capacity, own_locks };
        let mark = Id::root(0, "world", key);
        let written = daal::write(&item, mark, Change::Put(value), None);
        let is_new = matches!(self.shared.rows.at_once(written), Ok(Written { outcome: true, .. }));
        assert!(is_new, "a row of a world is put once");
        self
    }

    /// The present value of a row, whoever wrote it.
    ///
    /// # Panics
    ///
    /// If it is not a `V`.
    pub fn peek<K, Q, V>(&self, table: Table<K, V>, key: &Q) -> Option<V>
    where
        K: Key + ?Sized,
        Q: KeyFor<K> + ?Sized,
        V: DeserializeOwned,
    {
        let key = crate::api::encode_key(key);
        let rows = &self.shared.rows;
        let row = rows.at_once(daal::read(rows.store(), table.name(), &key)).ok()?;
        let value = daal::value_of(row)?;
        #[expect(clippy::expect_used, reason = "a test cannot go on without")]
        Some(decode(value, "a row").expect("a value of the table's type"))
    }

    /// All present rows of a table, in key order.
    ///
    /// # Panics
    ///
    /// If one is not a `V`, or its key not a `K`.
    pub fn rows<K, V>(&self, table: Table<K, V>) -> Vec<(K::Owned, V)>
    where
        K: Key + ?Sized,
        V: DeserializeOwned,
    {
        let rows = &self.shared.rows;
        let rows = rows.at_once(daal::scan(rows.store(), table.name(), "")).unwrap_or_default();
        #[expect(clippy::expect_used, reason = "a test cannot go on without")]
        let row = |(key, value): (String, _)| {
            let key = crate::api::decode_key::<K>(&key).expect("a key of the table's type");
            (key, decode(value, "a row").expect("a value of the table's type"))
        };
        let present = |(key, row)| Some((key, daal::value_of(row)?));
        rows.into_iter().filter_map(present).map(row).collect()
    }

    /// Calls an SSF as a client would. Without a key of its own, the n-th call of a client has the
    /// same key each time the client is run again.
    pub fn call<S: Ssf>(&self, call: Call<S>) -> WorldCall<'_, S> {
        WorldCall { world: self, call, key: None }
    }

    /// Lets the collectors and everything that is registered run until nothing is unfinished and no
    /// transaction holds a lock (parked instances stay, with the locks they took).
    ///
    /// # Errors
    ///
    /// The store's, if it gives up.
    pub async fn settle(&self) -> Result<()> {
        let mut looks_in_vain = 0;
        loop {
            let looks = join_all(self.services().map(look)).await;
            let looks = looks.into_iter().collect::<Result<Vec<_>>>()?;
            if looks.iter().any(|look| look.began) {
                looks_in_vain = 0;
                continue;
            }
            let earliest = looks.iter().filter_map(|look| look.earliest).min();
            let until = |time: u64| time.saturating_sub(self.service.outside.now()) + 1;
            let wait = earliest.map(|time| Duration::from_millis(until(time)));
            match self.shared.rows.pause(looks_in_vain, wait) {
                Some(pause) => self.service.outside.sleep(pause).await,
                None => return Ok(()),
            }
            looks_in_vain += 1;
        }
    }

    /// Whether requests take time on its clock.
    pub(super) fn takes_time(&self) -> bool {
        self.shared.rows.takes_time()
    }

    fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        std::iter::once(&self.service).chain(self.others.iter().map(|other| &other.service))
    }

    /// How far the instance with this key is.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownInstance`], or the store's.
    pub async fn instance(&self, key: &str) -> Result<host::InstanceStatus> {
        host::status(&self.service, key).await
    }

    /// All locks that stand. See [`Host::locks`](crate::Host::locks).
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn locks(&self) -> Result<Vec<host::LockStatus>> {
        host::locks(&self.service).await
    }

    /// Gives a parked instance a fresh set of attempts. They run when the world
    /// [settles](World::settle).
    ///
    /// # Errors
    ///
    /// [`Error::UnknownInstance`], [`Error::NotParked`], or the store's.
    pub async fn resume(&self, key: &str) -> Result<()> {
        host::resume(&self.service, key).await
    }

    /// The store under the service, to script faults and to count requests.
    pub fn store(&self) -> &FaultyStore {
        &self.store
    }

    /// What carries the letters between this service and the others.
    pub fn post(&self) -> &Post {
        &self.shared.post
    }

    /// Delivers a letter once more, or one that nobody sent: what an eavesdropper can do. Tells whether it
    /// was answered.
    pub async fn replay(&self, to: &str, letter: &[u8]) -> bool {
        let all = std::iter::once(self).chain(&self.others);
        let there = all.map(|world| &world.service).find(|service| service.name == to);
        match there {
            Some(service) => super::post::deliver(service, letter).await.is_ok(),
            None => false,
        }
    }

    /// Every stored row, ours and the users'.
    pub fn stored(&self) -> Vec<(crate::store::Key, crate::store::Row)> {
        self.shared.rows.all()
    }

    /// The virtual time, in milliseconds since 1970.
    pub fn now(&self) -> u64 {
        self.shared.outside.now()
    }

    pub(super) fn request_tries(&self) -> u32 {
        self.parts.limits.request_tries
    }

    pub(super) fn reseed(&self, seed: u64) {
        self.shared.outside.reseed(seed);
    }
}

/// A client's call: see [`World::call`]. Await it.
#[must_use = "a call does nothing until it is awaited"]
pub struct WorldCall<'w, S: Ssf> {
    world: &'w World,
    call: Call<S>,
    key: Option<String>,
}

impl<S: Ssf> WorldCall<'_, S> {
    /// Names the request: the same key always gets the same answer, and nothing happens twice.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }
}

impl<'w, S: Ssf> IntoFuture for WorldCall<'w, S> {
    type Output = Result<S::Output>;
    type IntoFuture = LocalBoxFuture<'w, Result<S::Output>>;

    fn into_future(self) -> Self::IntoFuture {
        let World { service, calls, .. } = self.world;
        let number = calls.fetch_add(1, Ordering::Relaxed);
        let key = self.key.unwrap_or_else(|| format!("call-{number}"));
        let input = Call::<S>::encoded_input(&self.call.input);
        Box::pin(async move {
            let input = input.map_err(|reason| Error::BadRequest(reason.message))?;
            let request = host::request(service, S::NAME, Some(key), input)?;
            let output = host::answer(service, &request).await?;
            Call::<S>::decoded_output(output).map_err(Error::UnreadableOutput)
        })
    }
}

/// What one look of a service's collectors found.
struct Look {
    began: bool,
    /// When the next thing comes due.
    earliest: Option<u64>,
}

async fn look(service: &Arc<Service>) -> Result<Look> {
    let found = find(service, usize::MAX, Leases::Hold).await?;
    join_all(found.overdue.iter().map(|intent| host::begin(service, intent))).await;
    let locks = collector::lock::settle(service).await?;
    let earliest = [found.earliest, locks.earliest].into_iter().flatten().min();
    Ok(Look { began: !found.overdue.is_empty(), earliest })
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("store", &self.store).finish_non_exhaustive()
    }
}

impl<S: Ssf> fmt::Debug for WorldCall<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorldCall").field("ssf", &S::NAME).finish_non_exhaustive()
    }
}
