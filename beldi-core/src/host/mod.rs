//! The local runtime: requests in, attempts run, collectors on timers, all in one process.

mod call;
#[cfg(feature = "embedded")]
mod http;
mod runner;
mod status;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use call::{HostCall, HostSend};
#[cfg(feature = "testing")]
pub(crate) use call::{answer, request};
#[cfg(feature = "embedded")]
pub(crate) use http::{escaped, listen, stop};
#[cfg(feature = "testing")]
pub(crate) use runner::begin;
pub use status::{InstanceState, InstanceStatus};
#[cfg(feature = "testing")]
pub(crate) use status::{read as status, resume};

use crate::api::{Call, Sending, Ssf};
use crate::engine::{Parts, Service};
use crate::error::Result;
use crate::outside::Outside;
use crate::store::Store;

/// A service, open on a store in this process: see [`App::open`](crate::App::open).
///
/// Dropping it stops the collectors and cuts what runs, as a crash would; what is unfinished goes on
/// at the next opening. [`shutdown`](Host::shutdown) lets it end first.
pub struct Host {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    runner: JoinHandle<()>,
}

/// How long those who asked have to take the answer that the host stopped.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What requests and the runner share.
pub(crate) struct Shared {
    pub(crate) service: Arc<Service>,
    /// One permit a running root.
    pub(crate) permits: Arc<Semaphore>,
}

impl Host {
    pub(crate) fn open(parts: Parts, store: Arc<dyn Store>, outside: Arc<dyn Outside>) -> Self {
        let permits = Arc::new(Semaphore::new(parts.limits.concurrency.max(1)));
        let (service, to_begin) = Service::new(parts, store, outside);
        let shared = Arc::new(Shared { service, permits });
        let (stop, stopped) = watch::channel(false);
        let runner = tokio::spawn(runner::run(Arc::clone(&shared), to_begin, stopped));
        Self { shared, stop, runner }
    }

    /// Calls an SSF from outside and waits for its result.
    ///
    /// ```no_run
    /// # use beldi_core as beldi;
    /// # async fn example<S: beldi::Ssf>(host: beldi::Host, call: beldi::Call<S>) -> beldi::Result<()> {
    /// let receipt = host.call(call).key("order-17").await?;
    /// # Ok(()) }
    /// ```
    pub fn call<S: Ssf>(&self, call: Call<S>) -> HostCall<'_, S> {
        HostCall::new(self, call)
    }

    /// Starts an SSF exactly once and does not wait for its result; awaiting gives the request key.
    pub fn send<S: Ssf>(&self, call: Sending<S>) -> HostSend<'_, S> {
        HostSend::new(self, call)
    }

    /// How far the instance with this request key is.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownInstance`], or the store's.
    pub async fn instance(&self, key: &str) -> Result<InstanceStatus> {
        status::read(&self.shared.service, key).await
    }

    /// Gives a parked instance a fresh set of attempts, after what stopped it was mended.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownInstance`], [`Error::NotParked`], or the store's.
    pub async fn resume(&self, key: &str) -> Result<()> {
        status::resume(&self.shared.service, key).await
    }

    /// Stops beginning attempts, gives those that run up to `patience` to end, and cuts the rest:
    /// it goes on at the next opening.
    pub async fn shutdown(mut self, patience: Duration) {
        let _ = self.stop.send(true);
        let _ = (&mut self.runner).await;
        let tasks = &self.shared.service.tasks;
        if timeout(patience, tasks.ended()).await.is_err() {
            tasks.cut();
            let _ = timeout(LAST_WORDS, tasks.ended()).await;
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.runner.abort();
        self.shared.service.tasks.cut();
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("service", &self.shared.service.name).finish_non_exhaustive()
    }
}
