//! The local runtime: requests in, attempts run, collectors on timers, all in one process.

mod call;
mod runner;
mod status;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

pub use call::{HostCall, HostSend};
#[cfg(feature = "testing")]
pub(crate) use call::{answer, request};
#[cfg(feature = "testing")]
pub(crate) use runner::begin;
#[cfg(feature = "testing")]
pub(crate) use status::read as status;
pub use status::{InstanceState, InstanceStatus};

use crate::api::{Call, Sending, Ssf};
use crate::engine::{Parts, Service};
use crate::error::{Error, Result};
use crate::outside::Outside;
use crate::protocol::intent;
use crate::store::Store;

/// A service, open on a store in this process: see [`App::open`](crate::App::open).
///
/// Dropping it stops the collectors; what is unfinished goes on at the next opening.
pub struct Host {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    runner: JoinHandle<()>,
}

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
    /// [`Error::UnknownInstance`], [`Error::BadRequest`] if it is not parked, or the store's.
    pub async fn resume(&self, key: &str) -> Result<()> {
        resume(&self.shared.service, key).await
    }

    /// Stops beginning attempts, gives those that run up to `patience` to end, and closes.
    pub async fn shutdown(mut self, patience: Duration) {
        let _ = self.stop.send(true);
        let _ = (&mut self.runner).await;
        let all = u32::try_from(self.shared.service.limits.concurrency).unwrap_or(u32::MAX);
        let ended = self.shared.permits.acquire_many(all.max(1));
        let _ = tokio::time::timeout(patience, ended).await;
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.runner.abort();
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("service", &self.shared.service.name).finish_non_exhaustive()
    }
}

pub(crate) async fn resume(service: &Service, key: &str) -> Result<()> {
    let intent = intent::read(&service.store, key).await?;
    let intent = intent.ok_or_else(|| Error::UnknownInstance { key: key.to_owned() })?;
    if !intent::resume(&service.store, &intent, service.outside.now()).await? {
        return Err(Error::BadRequest(format!("instance `{key}` is not parked")));
    }
    service.announce(key.to_owned());
    Ok(())
}
