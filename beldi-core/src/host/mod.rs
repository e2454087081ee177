//! The local runtime: requests in, attempts run, collectors on timers, all in one process.

mod call;
#[cfg(feature = "embedded")]
mod http;
mod runner;
mod status;

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
    service: Arc<Service>,
    runner: JoinHandle<()>,
}

/// How long those who asked have to take the answer that the host stopped.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Host {
    pub(crate) fn open(parts: Parts, store: Arc<dyn Store>, outside: Arc<dyn Outside>) -> Self {
        let (service, to_begin) = Service::new(parts, store, outside);
        let runner = tokio::spawn(runner::run(Arc::clone(&service), to_begin));
        Self { service, runner }
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
    /// [`Error::UnknownInstance`](crate::Error::UnknownInstance), or the store's.
    pub async fn instance(&self, key: &str) -> Result<InstanceStatus> {
        status::read(&self.service, key).await
    }

    /// Gives a parked instance a fresh set of attempts, after what stopped it was mended.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownInstance`](crate::Error::UnknownInstance), [`Error::NotParked`](crate::Error::NotParked), or the store's.
    pub async fn resume(&self, key: &str) -> Result<()> {
        status::resume(&self.service, key).await
    }

    /// Stops beginning attempts, gives those that run up to `patience` to end, and cuts the rest:
    /// it goes on at the next opening.
    pub async fn shutdown(self, patience: Duration) {
        self.runner.abort();
        let tasks = &self.service.tasks;
        if timeout(patience, tasks.ended()).await.is_err() {
            tasks.cut();
            let _ = timeout(LAST_WORDS, tasks.ended()).await;
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.runner.abort();
        self.service.tasks.cut();
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("service", &self.service.name).finish_non_exhaustive()
    }
}
