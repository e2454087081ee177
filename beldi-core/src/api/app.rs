//! A service: its name and its SSFs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::ssf::{Call, Handler as TypedHandler};
use super::{decode, encode, json};
use crate::engine::{Handler, Parts};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::limits::Limits;
use crate::outside::RealOutside;
use crate::store::Store;

/// One owner's service: a name, any number of SSFs, and the state nobody else writes.
///
/// ```
/// use beldi::{App, store::MemoryStore};
///
/// #[beldi::ssf]
/// async fn double(n: u64) -> u64 {
///     n * 2
/// }
///
/// # beldi::testing::in_virtual_time(async {
/// let host = App::new("maths").version("2026-11-23").ssf(double).open(MemoryStore::new())?;
/// assert_eq!(host.call(double(21)).await?, 42);
/// # Ok::<(), beldi::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
#[must_use = "an app does nothing until it is opened or served"]
pub struct App {
    pub(super) name: String,
    version: String,
    handlers: BTreeMap<&'static str, Handler>,
    compatible: BTreeSet<(String, u64)>,
    redelivery: BTreeMap<String, Duration>,
    limits: Limits,
    twice: Vec<&'static str>,
    /// Where [`serve`](App::serve) keeps its data, if not in the usual place.
    #[cfg(feature = "embedded")]
    pub(super) data: Option<std::path::PathBuf>,
}

impl App {
    /// A service without SSFs. The name is part of every instance's id: do not change it.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: "unversioned".to_owned(),
            handlers: BTreeMap::new(),
            compatible: BTreeSet::new(),
            redelivery: BTreeMap::new(),
            limits: Limits::default(),
            twice: Vec::new(),
            #[cfg(feature = "embedded")]
            data: None,
        }
    }

    /// Registers an SSF, by the name of its function. Two of one name are an error when the app is
    /// opened.
    pub fn ssf<M>(mut self, function: impl IntoHandler<M>) -> Self {
        let handler = erased(&function);
        if self.handlers.insert(handler.name, handler).is_some() {
            self.twice.push(handler.name);
        }
        self
    }

    /// Names the deployed build in intents and messages; `unversioned` if it is not called. Whether a
    /// build may go on with what another began is decided by each SSF's code, not by this name.
    pub fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    /// Declares that the SSF takes the same steps as the code of that hash and may go on with its
    /// unfinished instances. Without it they are parked, for the reason `other_code`, which tells the
    /// hash.
    ///
    /// ```
    /// #[beldi::ssf]
    /// async fn greet(name: String) -> String {
    ///     format!("Hello, {name}!")
    /// }
    ///
    /// let app = beldi::App::new("hotel").ssf(greet).compatible(greet, 0x9f86_d081_884c_7d65);
    /// # drop(app);
    /// ```
    pub fn compatible<M>(mut self, function: impl IntoHandler<M>, code: u64) -> Self {
        self.compatible.insert((erased(&function).name.to_owned(), code));
        self
    }

    /// How long the results of one SSF answer those that come again with the key of a finished
    /// request, if not as long as [`Limits::redelivery`] says for all: at least as long as whoever
    /// delivers its requests may deliver one again.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// #[beldi::ssf]
    /// async fn order(article: String) -> String {
    ///     article
    /// }
    ///
    /// // A queue that keeps messages for two weeks.
    /// let two_weeks = Duration::from_secs(14 * 24 * 3600);
    /// let app = beldi::App::new("shop").ssf(order).redelivery(order, two_weeks);
    /// # drop(app);
    /// ```
    pub fn redelivery<M>(mut self, function: impl IntoHandler<M>, window: Duration) -> Self {
        self.redelivery.insert(erased(&function).name.to_owned(), window);
        self
    }

    /// Replaces the limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Opens the service on a store, in this process: typed calls, collectors running.
    ///
    /// # Errors
    ///
    /// If two SSFs have one name, or a limit cannot be kept.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime. The runtime's timer must be on.
    pub fn open(self, store: impl Store) -> Result<Host> {
        Ok(Host::open(self.into_parts()?, Arc::new(store), Arc::new(RealOutside)))
    }

    pub(crate) fn into_parts(self) -> Result<Parts> {
        if let Some(name) = self.twice.first() {
            let text = format!(
                "two SSFs are named `{name}`; give one another with `#[beldi::ssf(name = \"..\")]`"
            );
            return Err(Error::Host(text));
        }
        let Self { name, version, handlers, compatible, redelivery, limits, .. } = self;
        limits.check().map_err(Error::Host)?;
        Ok(Parts { name, version, handlers, compatible, redelivery, limits })
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ssfs: Vec<_> = self.handlers.keys().collect();
        f.debug_struct("App").field("name", &self.name).field("ssfs", &ssfs).finish_non_exhaustive()
    }
}

/// The function `#[beldi::ssf]` left behind: what [`App::ssf`] takes. See [`App`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an SSF with a body",
    label = "expected the name of a function annotated with `#[beldi::ssf]`"
)]
pub trait IntoHandler<M> {
    /// The SSF.
    type Ssf: TypedHandler;
}

impl<F, I, S> IntoHandler<fn(I) -> S> for F
where
    F: Fn(I) -> Call<S>,
    S: TypedHandler<Input = I>,
{
    type Ssf = S;
}

impl<F, S> IntoHandler<fn() -> S> for F
where
    F: Fn() -> Call<S>,
    S: TypedHandler<Input = ()>,
{
    type Ssf = S;
}

fn erased<M, F: IntoHandler<M>>(_: &F) -> Handler {
    erase::<F::Ssf>()
}

/// Takes the types off an SSF.
fn erase<S: TypedHandler>() -> Handler {
    Handler {
        name: S::NAME,
        read_only: S::READ_ONLY,
        fallible: S::FALLIBLE,
        code: S::CODE,
        run: |input| {
            Box::pin(async move {
                let input = decode::<S::Input>(input, &format!("the input of `{}`", S::NAME))?;
                encode(&S::run(input).await, &format!("the output of `{}`", S::NAME))
            })
        },
        input_from_json: json::input::<S>,
        output_to_json: json::output::<S>,
    }
}
