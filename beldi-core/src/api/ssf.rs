//! SSFs as types, and their calls.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::operation::{At, Operation, ReadOnlyOperation};
use super::{decode, encode};
use crate::error::Reason;
use crate::value::Value;

/// A stateful serverless function: what `#[beldi::ssf]` makes of an async function.
pub trait Ssf: 'static {
    /// Its name on the wire.
    const NAME: &'static str;
    /// The service it belongs to, if that is another one.
    const SERVICE: Option<&'static str>;
    /// Whether it changes nothing.
    const READ_ONLY: bool;
    /// Whether its output is a `Result`.
    const FALLIBLE: bool;
    /// What it takes.
    type Input: Serialize + DeserializeOwned + Send + 'static;
    /// What it returns.
    type Output: Serialize + DeserializeOwned + Send + 'static;
}

/// An SSF with a body: what an [`App`](crate::App) can register.
pub trait Handler: Ssf {
    /// The hash of its tokens: a replay by other code is refused.
    const CODE: u64;

    #[doc(hidden)]
    fn run(input: Self::Input) -> impl Future<Output = Self::Output> + Send;
}

/// The call of an SSF: `.await` waits for its result, [`send`](Call::send) does not.
///
/// Outside of handlers it is what [`Host::call`](crate::Host::call) takes.
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<S: Ssf> {
    pub(crate) input: S::Input,
}

impl<S: Ssf> Call<S> {
    pub(crate) fn new(input: S::Input) -> Self {
        Self { input }
    }

    /// Starts the SSF exactly once and goes on; its result goes nowhere.
    pub fn send(self) -> Sending<S> {
        Sending { input: self.input }
    }

    pub(crate) fn encoded_input(input: &S::Input) -> Result<Value, Reason> {
        encode(input, &format!("the input of `{}`", S::NAME))
    }

    pub(crate) fn decoded_output(output: Value) -> Result<S::Output, Reason> {
        decode(output, &format!("the output of `{}`", S::NAME))
    }
}

impl<S: Ssf> Operation for Call<S> {
    type Output = S::Output;

    async fn perform(self, at: At) -> S::Output {
        at.0.check(routed::<S>()).await;
        let input = at.0.check(Self::encoded_input(&self.input)).await;
        drop(self);
        let output = at.0.call(S::NAME, input).await;
        at.0.check(Self::decoded_output(output)).await
    }
}

impl<S: Ssf + ReadOnly> ReadOnlyOperation for Call<S> {}

/// Implemented by the attribute for SSFs declared `read_only`.
#[diagnostic::on_unimplemented(message = "`{Self}` is not declared `read_only`")]
pub trait ReadOnly {}

/// A call nobody waits for: see [`Call::send`].
#[must_use = "a send does nothing until it is awaited"]
pub struct Sending<S: Ssf> {
    pub(crate) input: S::Input,
}

impl<S: Ssf> Operation for Sending<S> {
    type Output = ();

    async fn perform(self, at: At) {
        at.0.check(routed::<S>()).await;
        let input = at.0.check(Call::<S>::encoded_input(&self.input)).await;
        drop(self);
        at.0.send(S::NAME, input).await;
    }
}

/// Other services cannot be reached from a single machine's host.
fn routed<S: Ssf>() -> Result<(), Reason> {
    match S::SERVICE {
        None => Ok(()),
        Some(service) => Err(Reason::new(
            "no_route",
            format!(
                "no route to service `{service}`, which has `{}`: this host runs one service only",
                S::NAME
            ),
        )),
    }
}

impl<S: Ssf> fmt::Debug for Call<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({})", S::NAME)
    }
}

impl<S: Ssf> fmt::Debug for Sending<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Send({})", S::NAME)
    }
}
