//! A service: its name and its SSFs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

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
/// # use beldi_core as beldi;
/// let app = beldi::App::new("travel").version("2026-11-23").limits(beldi::Limits::default());
/// // with SSFs: .ssf(reserve_room).ssf(book_trip)
/// # drop(app);
/// ```
#[derive(Clone)]
#[must_use = "an app does nothing until it is opened or served"]
pub struct App {
    pub(super) name: String,
    version: String,
    handlers: BTreeMap<&'static str, Handler>,
    compatible: BTreeSet<(String, u64)>,
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
            limits: Limits::default(),
            twice: Vec::new(),
            #[cfg(feature = "embedded")]
            data: None,
        }
    }

    /// Registers an SSF, by the name of its function.
    pub fn ssf<M>(mut self, function: impl IntoHandler<M>) -> Self {
        let handler = erased(&function);
        if self.handlers.insert(handler.name, handler).is_some() {
            self.twice.push(handler.name);
        }
        self
    }

    /// Names the deployed build in intents and messages.
    pub fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    /// Declares that the SSF takes the same steps as the code of that hash (an `other_code` reason
    /// prints it) and may go on with its unfinished instances.
    pub fn compatible<M>(mut self, function: impl IntoHandler<M>, code: u64) -> Self {
        self.compatible.insert((erased(&function).name.to_owned(), code));
        self
    }

    /// Replaces the limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Opens the service on a store, in this process: typed calls, collectors running.
    ///
    /// Needs a tokio runtime with its timer on.
    ///
    /// # Errors
    ///
    /// If two SSFs have one name.
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
        let Self { name, version, handlers, compatible, limits, .. } = self;
        Ok(Parts { name, version, handlers, compatible, limits })
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ssfs: Vec<_> = self.handlers.keys().collect();
        f.debug_struct("App").field("name", &self.name).field("ssfs", &ssfs).finish_non_exhaustive()
    }
}

/// The function `#[beldi::ssf]` left behind: what [`App::ssf`] takes.
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
