//! The local runtime: requests in, attempts run, collectors on timers, all in one process.

mod call;
#[cfg(feature = "http")]
mod http;
pub mod on_demand;
mod peer;
mod remote;
mod runner;
mod status;
mod sweeper;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use call::{HostCall, HostSend};
#[cfg(feature = "testing")]
pub(crate) use call::{answer, request};
#[cfg(feature = "embedded")]
pub(crate) use http::{escaped, listen, stop};
#[cfg(feature = "testing")]
pub(crate) use remote::{Remote, receive};
#[cfg(feature = "testing")]
pub(crate) use runner::begin;
pub use status::{InstanceState, InstanceStatus, LockStatus};
#[cfg(feature = "testing")]
pub(crate) use status::{locks, read as status, resume};

use crate::api::{Call, Sending, Ssf};
use crate::collector::garbage::{self, Collected};
use crate::engine::{Parts, Service};
use crate::error::Result;
use crate::outside::Outside;
use crate::store::Store;

/// A service, open on a store in this process: see [`App::open`](crate::App::open).
///
/// Dropping it stops the collectors and cuts what runs, as a crash would; what is unfinished goes on
/// at the next opening. [`shutdown`](Host::shutdown) lets it end first.
pub struct Host {
    service: Arc<Service>,
    /// The collectors.
    runners: [JoinHandle<()>; 2],
}

/// How long those who asked have to take the answer that the host stopped.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Host {
    pub(crate) fn open(parts: Parts, store: Arc<dyn Store>, outside: Arc<dyn Outside>) -> Self {
        let (service, to_begin) = Service::new(parts, store, outside);
        let runner = tokio::spawn(runner::run(Arc::clone(&service), to_begin));
        let sweeper = tokio::spawn(sweeper::run(Arc::clone(&service)));
        Self { service, runners: [runner, sweeper] }
    }

    /// Calls an SSF from outside and waits for its result, as long as
    /// [`Limits::call_time`](crate::Limits::call_time). The request goes on if the caller goes away.
    ///
    /// ```
    /// use beldi::{App, Error, store::MemoryStore};
    ///
    /// const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");
    ///
    /// #[beldi::ssf]
    /// async fn open_rooms(free: u32) -> u32 {
    ///     ROOMS.update("ritz", |rooms| *rooms.insert(rooms.unwrap_or(0) + free)).await
    /// }
    ///
    /// # beldi::testing::in_virtual_time(async {
    /// let host = App::new("travel").ssf(open_rooms).open(MemoryStore::new())?;
    /// assert_eq!(host.call(open_rooms(2)).key("monday").await?, 2);
    /// assert_eq!(host.call(open_rooms(2)).key("monday").await?, 2); // once, however often it is asked
    /// assert_eq!(host.call(open_rooms(2)).key("tuesday").await?, 4);
    ///
    /// let reused = host.call(open_rooms(9)).key("monday").await;
    /// assert!(matches!(reused, Err(Error::KeyReused { .. })));
    /// # Ok::<(), Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Any of [`Error`](crate::Error): each says what to do.
    pub fn call<S: Ssf>(&self, call: Call<S>) -> HostCall<'_, S> {
        HostCall::new(self, call)
    }

    /// Starts an SSF exactly once and does not wait for its result; awaiting waits until the request
    /// is stored, and gives its key. See [`instance`](Host::instance).
    pub fn send<S: Ssf>(&self, call: Sending<S>) -> HostSend<'_, S> {
        HostSend::new(self, call)
    }

    /// Lets the SSFs of this service and of another owner's call each other, also in transactions.
    ///
    /// Each keeps its own store, which nobody else writes, and its own collectors. Outside of a
    /// transaction a callee runs under a key of its own and its service keeps the result; inside it
    /// takes part, and commits or aborts with the rest.
    ///
    /// ```
    /// use beldi::{App, Table, store::MemoryStore};
    ///
    /// const ACCOUNTS: Table<str, u32> = Table::new("accounts");
    /// const ORDERS: Table<str, u32> = Table::new("orders");
    ///
    /// /// What the payment service has.
    /// mod payments {
    ///     #[beldi::ssf]
    ///     pub async fn charge((account, amount): (String, u32)) -> Result<u32, String> {
    ///         let balance = super::ACCOUNTS.get(&account).await.unwrap_or(50);
    ///         let left = balance.checked_sub(amount).ok_or("no funds")?;
    ///         super::ACCOUNTS.put(&account, &left).await;
    ///         Ok(left)
    ///     }
    /// }
    ///
    /// /// What the shop knows of it.
    /// #[beldi::ssf(service = "payments")]
    /// async fn charge(order: (String, u32)) -> Result<u32, String>;
    ///
    /// #[beldi::ssf]
    /// async fn order(account: String) -> Result<u32, String> {
    ///     beldi::txn(async {
    ///         ORDERS.put(&account, &1).await;
    ///         charge((account, 30)).await
    ///     })
    ///     .await
    /// }
    ///
    /// # fn main() {
    /// # beldi::testing::in_virtual_time(async {
    /// let payments = App::new("payments").ssf(payments::charge).open(MemoryStore::new())?;
    /// let shop = App::new("shop").ssf(order).open(MemoryStore::new())?;
    /// shop.connect(&payments);
    /// assert_eq!(shop.call(order("ann".into())).await?, Ok(20));
    /// assert!(shop.call(order("ann".into())).await?.is_err()); // neither charged nor ordered
    /// # Ok::<(), beldi::Error>(()) }).unwrap();
    /// # }
    /// ```
    pub fn connect(&self, other: &Self) {
        peer::connect(&self.service, &other.service);
    }

    /// How far the instance with this request key is.
    ///
    /// ```
    /// use beldi::{App, InstanceState, store::MemoryStore};
    ///
    /// const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");
    ///
    /// #[beldi::ssf]
    /// async fn open_rooms(free: u32) {
    ///     ROOMS.put("ritz", &free).await;
    /// }
    ///
    /// # beldi::testing::in_virtual_time(async {
    /// let host = App::new("travel").ssf(open_rooms).open(MemoryStore::new())?;
    /// let key = host.send(open_rooms(2).send()).await?;
    /// # tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    /// // a little later
    /// assert_eq!(host.instance(&key).await?.state, InstanceState::Done);
    /// # Ok::<(), beldi::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::UnknownInstance`](crate::Error::UnknownInstance), or the store's.
    pub async fn instance(&self, key: &str) -> Result<InstanceStatus> {
        status::read(&self.service, key).await
    }

    /// All locks that stand, oldest first: on what, held by whom, since when.
    ///
    /// Those of transactions go within [`Limits::txn_time`](crate::Limits::txn_time), whatever
    /// happens to their holder. Those taken with [`Table::lock`](crate::Table::lock) stand until their
    /// root gives them back or is finished, also while it is parked: then
    /// [`resume`](Host::resume) it.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use beldi::{App, Table, store::MemoryStore};
    ///
    /// const PRINTERS: Table<str, u32> = Table::new("printers");
    ///
    /// #[beldi::ssf]
    /// async fn print(pages: u32) {
    ///     PRINTERS.lock("laser").await.unwrap_or_default();
    ///     beldi::effect("print", async |_key| tokio::time::sleep(Duration::from_secs(5)).await).await;
    /// }
    ///
    /// # beldi::testing::in_virtual_time(async {
    /// let host = App::new("office").ssf(print).open(MemoryStore::new())?;
    /// let call = host.call(print(4)).key("job-1");
    /// let look = async {
    ///     tokio::time::sleep(Duration::from_secs(1)).await;
    ///     host.locks().await
    /// };
    /// let (printed, locks) = tokio::join!(call.into_future(), look);
    /// assert_eq!(locks?.first().map(|lock| &*lock.holder), Some("job-1"));
    /// # use std::future::IntoFuture;
    /// # printed?;
    /// # Ok::<(), beldi::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn locks(&self) -> Result<Vec<LockStatus>> {
        status::locks(&self.service).await
    }

    /// Gives a parked instance a fresh set of attempts, after what stopped it was mended.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownInstance`](crate::Error::UnknownInstance), [`Error::NotParked`](crate::Error::NotParked), or the store's.
    pub async fn resume(&self, key: &str) -> Result<()> {
        status::resume(&self.service, key).await
    }

    /// One run of the garbage collector, which the host also makes by itself every
    /// [`Limits::garbage_every`](crate::Limits::garbage_every): takes away what is finished and older
    /// than [`Limits::lag`](crate::Limits::lag), or than any unfinished instance. It stops nobody, and
    /// several may run at once.
    ///
    /// What is left of a finished request answers those that come again with its key, for
    /// [`Limits::redelivery`](crate::Limits::redelivery).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use beldi::{App, store::MemoryStore};
    ///
    /// const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");
    ///
    /// #[beldi::ssf]
    /// async fn open_rooms(free: u32) {
    ///     ROOMS.put("ritz", &free).await;
    /// }
    ///
    /// #[tokio::main(flavor = "current_thread")]
    /// async fn main() -> beldi::Result<()> {
    ///     let limits = beldi::Limits { lag: Duration::ZERO, ..Default::default() };
    ///     let host = App::new("travel").ssf(open_rooms).limits(limits).open(MemoryStore::new())?;
    ///     host.call(open_rooms(2)).key("monday").await?;
    ///     tokio::time::sleep(Duration::from_millis(50)).await;
    ///     let collected = host.collect_garbage().await?;
    ///     assert_eq!(collected.roots, 1, "{collected:?}");
    ///     host.call(open_rooms(2)).key("monday").await // is answered, and changes nothing
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The store's. What was done until then is done.
    pub async fn collect_garbage(&self) -> Result<Collected> {
        Ok(garbage::collect(&self.service).await?)
    }

    /// Stops beginning attempts, gives those that run up to `patience` to end, and cuts the rest:
    /// it goes on at the next opening.
    pub async fn shutdown(self, patience: Duration) {
        self.runners.iter().for_each(JoinHandle::abort);
        let tasks = &self.service.tasks;
        if timeout(patience, tasks.ended()).await.is_err() {
            tasks.cut();
            let _ = timeout(LAST_WORDS, tasks.ended()).await;
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.runners.iter().for_each(JoinHandle::abort);
        self.service.tasks.cut();
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("service", &self.service.name).finish_non_exhaustive()
    }
}
