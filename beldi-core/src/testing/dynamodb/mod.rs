//! Worlds over a DynamoDB, and what goes wrong on the way to it.
//!
//! While the variable `BELDI_DYNAMODB` names a server (`http://127.0.0.1:8000`), every
//! [`World`](super::World) keeps its rows there: in one table of the process, under a prefix of its own.
//! Its requests block the thread, since a world's time stands still while it waits for anything but
//! a timer. It says of itself that its index does not lag and that nothing expires, as worlds expect.
//!
//! With `BELDI_DYNAMODB_FAULTS` the [`Wire`] between them is bad: see [`WireFaults`].

mod faults;
mod prefixed;
mod wire;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;

pub use faults::{WireFault, WireFaults};
pub use wire::Wire;

use self::prefixed::Prefixed;
use super::in_virtual_time;
use crate::outside::{Outside, RealOutside};
use crate::store::{DynamoStore, Key, Row, Store};

/// The rows of one world.
pub(super) struct WorldTable {
    hosts: Arc<Prefixed>,
    /// Where something may go wrong.
    bad_wire: Option<Wire>,
    test: Prefixed,
}

/// How late the index is at most, where it is stale.
pub(super) const STALE: Duration = Duration::from_millis(200);

impl WorldTable {
    /// A place for a new world, if a variable asks for it.
    pub(super) fn asked_for(outside: Arc<dyn Outside>) -> Option<Self> {
        static SERVER: OnceLock<Option<Server>> = OnceLock::new();
        let server = SERVER.get_or_init(Server::asked_for).as_ref()?;
        Some(server.place(outside))
    }

    pub(super) fn for_hosts(&self) -> Arc<dyn Store> {
        Arc::clone(&self.hosts) as Arc<dyn Store>
    }

    pub(super) fn for_the_test(&self) -> &dyn Store {
        &self.test
    }

    /// See [`Rows`](super::rows::Rows::pause). On a bad way something may be late, what is under way takes its time,
    /// and the index may be stale: one look is not believed.
    pub(super) fn pause(&self, looks_in_vain: u32, wait: Option<Duration>) -> Option<Duration> {
        let Some(wire) = &self.bad_wire else { return wait };
        let arrived = wire.let_arrive();
        match wait {
            Some(wait) => Some(wait.min(STALE * (1 << looks_in_vain.min(20)))),
            None => (arrived || looks_in_vain == 0).then_some(STALE),
        }
    }

    /// See [`Rows`](super::rows::Rows::takes_time).
    pub(super) fn takes_time(&self) -> bool {
        self.bad_wire.is_some()
    }

    /// Every row that was ever written through one of the stores, and is still there.
    pub(super) fn all(&self) -> Vec<(Key, Row)> {
        if self.bad_wire.as_ref().is_some_and(Wire::is_late) {
            self.test.forget();
        }
        #[expect(clippy::expect_used, reason = "a test cannot go on without")]
        aside(self.test.all()).expect("a world's rows")
    }
}

/// What all worlds of the process share.
struct Server {
    url: String,
    table: String,
    /// Without faults.
    store: DynamoStore,
    faults: Option<WireFaults>,
    worlds: AtomicU32,
}

impl Server {
    fn asked_for() -> Option<Self> {
        let url = std::env::var("BELDI_DYNAMODB").ok()?;
        let faults = std::env::var("BELDI_DYNAMODB_FAULTS").ok();
        #[expect(clippy::expect_used, reason = "a test cannot go on without")]
        let faults = faults.map(|faults| faults.parse().expect("BELDI_DYNAMODB_FAULTS"));
        let table = format!("beldi-{:016x}", RealOutside.random());
        let store = DynamoStore::new(Wire::to(&url).client(), &*table);
        #[expect(clippy::expect_used, reason = "a test cannot go on without")]
        aside(store.create_table()).expect("a table at BELDI_DYNAMODB");
        Some(Self { url, table, store, faults, worlds: AtomicU32::new(0) })
    }

    fn place(&self, outside: Arc<dyn Outside>) -> WorldTable {
        let prefix = format!("{:x}~", self.worlds.fetch_add(1, Ordering::Relaxed));
        let patient = self.store.clone().with_outside(Arc::clone(&outside));
        let test = Prefixed::new(patient.clone(), prefix);
        let (hosts, bad_wire) = match &self.faults {
            None => (test.over(patient, Duration::ZERO), None),
            Some(faults) => {
                let wire = Wire::to(&self.url).faults(faults.clone().for_next_world());
                let store = DynamoStore::new(wire.client(), &*self.table);
                let store = store.with_outside(Arc::new(Hasty(outside))).request_time(PATIENCE);
                let is_stale = faults.has(WireFault::StaleIndex);
                (test.over(store, if is_stale { STALE } else { Duration::ZERO }), Some(wire))
            }
        };
        WorldTable { hosts: Arc::new(hosts), bad_wire, test }
    }
}

/// How long a host repeats a request, on its hasty clock: some hundred times. What a host gives up is for the
/// tests that have requests fail.
const PATIENCE: Duration = Duration::from_secs(100);

/// Waits a hundredth as long. However often a host repeats a request, that is shorter than a request is
/// waited for, so the schedules of tests hold in a storm too.
struct Hasty(Arc<dyn Outside>);

impl Outside for Hasty {
    fn now(&self) -> u64 {
        self.0.now()
    }

    fn random(&self) -> u64 {
        self.0.random()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.0.sleep(time / 100)
    }
}

/// Runs a future to its end on a thread of its own, since the present one may be in a runtime.
///
/// # Panics
///
/// If the future does.
pub(super) fn aside<F: Future<Output: Send> + Send>(future: F) -> F::Output {
    let done = std::thread::scope(|scope| scope.spawn(|| in_virtual_time(future)).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
