//! SSFs as types, and their calls.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::operation::{At, Operation, ReadOnlyOperation};
use super::{decode, encode};
use crate::error::Reason;
use crate::value::Value;

/// A stateful serverless function: what `#[beldi::ssf]` makes of an async function.
///
/// The type has the function's name.
///
/// ```
/// use beldi::Ssf;
///
/// #[beldi::ssf(name = "reserve-room")]
/// async fn reserve_room(hotel: String) -> Result<u32, String> {
///     Err(format!("no hotel {hotel}"))
/// }
///
/// assert_eq!(reserve_room::NAME, "reserve-room");
/// assert!(reserve_room::FALLIBLE && !reserve_room::READ_ONLY);
/// ```
pub trait Ssf: 'static {
    /// Its name on the wire: the function's, or the attribute's `name`.
    const NAME: &'static str;
    /// The service it belongs to, if that is another one.
    const SERVICE: Option<&'static str>;
    /// Whether it was declared `read_only`.
    const READ_ONLY: bool;
    /// Whether its output is a `Result`.
    const FALLIBLE: bool;
    /// What it takes.
    type Input: Serialize + DeserializeOwned + Send + 'static;
    /// What it returns.
    type Output: Serialize + DeserializeOwned + Send + 'static;
}

/// An SSF with a body: what an [`App`](crate::App) can register. See [`Ssf`].
pub trait Handler: Ssf {
    /// The hash of its tokens: a replay by other code is refused. See
    /// [`App::compatible`](crate::App::compatible).
    const CODE: u64;

    #[doc(hidden)]
    fn run(input: Self::Input) -> impl Future<Output = Self::Output> + Send;
}

/// The call of an SSF: `.await` waits for its result, [`send`](Call::send) does not.
///
/// Outside of handlers it is what [`Host::call`](crate::Host::call) takes.
///
/// ```
/// use beldi::Table;
///
/// const ROOMS: Table<str, u32> = Table::new("rooms");
/// const MAILS: Table<str, u32> = Table::new("mails");
///
/// #[beldi::ssf]
/// async fn take_room(hotel: String) -> Option<u32> {
///     ROOMS.update(&hotel, |free| {
///         let left = free.unwrap_or(0).checked_sub(1)?;
///         *free = Some(left);
///         *free
///     })
///     .await
/// }
///
/// #[beldi::ssf]
/// async fn confirm(guest: String) {
///     MAILS.update(&guest, |mails| *mails = Some(mails.unwrap_or(0) + 1)).await;
/// }
///
/// #[beldi::ssf]
/// async fn book((guest, hotel): (String, String)) -> bool {
///     let taken = take_room(hotel).await.is_some();
///     if taken {
///         confirm(guest).send().await; // begun exactly once; nobody waits for it
///     }
///     taken
/// }
/// # use beldi::testing::{World, in_virtual_time};
/// # in_virtual_time(async {
/// # let app = beldi::App::new("travel").ssf(take_room).ssf(confirm).ssf(book);
/// # let world = World::new(app).row(ROOMS, "ritz", &1);
/// # assert!(world.call(book(("ann".into(), "ritz".into()))).await.unwrap());
/// # world.settle().await.unwrap();
/// # assert_eq!(world.peek(MAILS, "ann"), Some(1));
/// # });
/// ```
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<S: Ssf> {
    pub(crate) input: S::Input,
}

impl<S: Ssf> Call<S> {
    pub(crate) fn new(input: S::Input) -> Self {
        Self { input }
    }

    /// Starts the SSF exactly once and goes on; its result goes nowhere.
    ///
    /// Awaiting it waits until the intent is stored. Outside of handlers it is what
    /// [`Host::send`](crate::Host::send) takes.
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
        let input = at.0.check(Self::encoded_input(&self.input)).await;
        drop(self);
        let output = match S::SERVICE.filter(|service| !at.0.is_in(service)) {
            Some(service) => {
                Box::pin(at.0.call_service(service, S::NAME, S::READ_ONLY, input)).await
            }
            None => Box::pin(at.0.call(S::NAME, input)).await,
        };
        at.0.check(Self::decoded_output(output)).await
    }
}

impl<S: Ssf + ReadOnly> ReadOnlyOperation for Call<S> {}

/// Implemented by the attribute for SSFs declared `read_only`. See
/// [`ReadOnlyOperation`](crate::ReadOnlyOperation).
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
        at.0.check(within::<S>(&at)).await;
        let input = at.0.check(Call::<S>::encoded_input(&self.input)).await;
        drop(self);
        at.0.send(S::NAME, input).await;
    }
}

/// A send is a row in the receiver's store, and that of another service is out of reach.
fn within<S: Ssf>(at: &At) -> Result<(), Reason> {
    match S::SERVICE.filter(|service| !at.0.is_in(service)) {
        None => Ok(()),
        Some(service) => Err(Reason::new(
            "no_route",
            format!(
                "`{}` is of service `{service}`, and only SSFs of one's own service can be sent: \
                 `send` one that calls it",
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
