//! The same handlers without beldi: what the guarantees are compared with.

use std::fmt;
use std::sync::Arc;

use crate::api::{App, Call, Ssf};
use crate::engine::{Service, run_raw};
use crate::error::{Error, Result};
use crate::outside::Outside;
use crate::store::Store;

/// A host that sends every state access straight to the store and, when something fails, runs the
/// handler again from its first line: no log, no marks, no intents.
///
/// ```
/// use beldi::{App, RealOutside, store::MemoryStore, testing::RawHost};
///
/// #[beldi::ssf]
/// async fn double(n: u64) -> u64 {
///     n * 2
/// }
///
/// # beldi::testing::in_virtual_time(async {
/// let raw = RawHost::open(App::new("maths").ssf(double), MemoryStore::new(), RealOutside)?;
/// assert_eq!(raw.call(double(21)).await?, 42);
/// # Ok::<(), beldi::Error>(()) }).unwrap();
/// ```
pub struct RawHost {
    service: Arc<Service>,
}

impl RawHost {
    /// The app over a store, without guarantees. `Limits::attempts` is how often a handler is run.
    ///
    /// # Errors
    ///
    /// If two SSFs have one name, or a limit cannot be kept.
    pub fn open(app: App, store: impl Store, outside: impl Outside) -> Result<Self> {
        let (service, _) = Service::new(app.into_parts()?, Arc::new(store), Arc::new(outside));
        Ok(Self { service })
    }

    /// Runs an SSF until an attempt of it lives to its end.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] when its last attempt failed too.
    pub async fn call<S: Ssf>(&self, call: Call<S>) -> Result<S::Output> {
        let bad = |reason: crate::error::Reason| Error::BadRequest(reason.message);
        let input = Call::<S>::encoded_input(&call.input).map_err(bad)?;
        let output = run_raw(Arc::clone(&self.service), S::NAME.to_owned(), input).await?;
        Call::<S>::decoded_output(output).map_err(Error::UnreadableOutput)
    }
}

impl fmt::Debug for RawHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawHost").finish_non_exhaustive()
    }
}
