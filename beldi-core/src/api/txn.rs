//! Transactions, as operations.

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::operation::{At, Operation, ReadOnlyOperation};
use super::{decode, encode};

/// A transaction: see [`txn`].
#[derive(Debug)]
#[must_use = "a transaction does nothing until it is awaited"]
pub struct Txn<O>(O);

/// Runs an operation as one transaction: `Ok` commits, `Err` aborts, in every SSF called inside.
///
/// A read in it locks the item until the end, a write waits for the commit, and so does a
/// [`send`](crate::Call::send). A transaction that loses a race is run again from the beginning of
/// its handler, whose steps before it are not repeated; the handler never sees it. One inside
/// another is a part of that: its `Err` undoes what it did itself.
///
/// An [`effect`](crate::effect) and a `scan` are not possible in a transaction, and park the instance
/// for the reason `not_in_txn`.
///
/// ```
/// use beldi::Table;
///
/// const ROOMS: Table<str, u32> = Table::new("rooms");
/// const SEATS: Table<str, u32> = Table::new("seats");
///
/// #[beldi::part]
/// async fn take(table: Table<str, u32>, key: &str) -> Result<(), String> {
///     let left = table.get(key).await.unwrap_or(0).checked_sub(1).ok_or("sold out")?;
///     table.put(key, &left).await;
///     Ok(())
/// }
///
/// #[beldi::ssf]
/// async fn book((hotel, flight): (String, String)) -> Result<(), String> {
///     beldi::txn(async {
///         take(ROOMS, &hotel).await?;
///         take(SEATS, &flight).await
///     })
///     .await
/// }
/// # use beldi::testing::{World, in_virtual_time};
/// # in_virtual_time(async {
/// let world = World::new(beldi::App::new("travel").ssf(book));
/// let world = world.row(ROOMS, "ritz", &2).row(SEATS, "LH1", &1);
/// assert_eq!(world.call(book(("ritz".into(), "LH1".into()))).await.unwrap(), Ok(()));
/// assert!(world.call(book(("ritz".into(), "LH1".into()))).await.unwrap().is_err());
/// world.settle().await.unwrap();
/// assert_eq!(world.peek(ROOMS, "ritz"), Some(1)); // the room went back
/// # });
/// ```
pub fn txn<O>(operation: O) -> Txn<O>
where
    O: Operation<Output: CommitOrAbort>,
{
    Txn(operation)
}

/// What a transaction returns: a `Result` that can be stored. See [`txn`].
#[diagnostic::on_unimplemented(
    message = "a transaction returns a `Result`: `Ok` commits, `Err` aborts",
    label = "this is `{Self}`, which says neither",
    note = "return `Result<T, E>` with types that serde can store; one that only reads may be \
            `#[beldi::txn(read_only)]` and return anything"
)]
pub trait CommitOrAbort: Serialize + DeserializeOwned + Send {
    #[doc(hidden)]
    fn commits(&self) -> bool;
}

impl<T, E> CommitOrAbort for Result<T, E>
where
    T: Serialize + DeserializeOwned + Send,
    E: Serialize + DeserializeOwned + Send,
{
    fn commits(&self) -> bool {
        self.is_ok()
    }
}

impl<O> Operation for Txn<O>
where
    O: Operation<Output: CommitOrAbort>,
{
    type Output = O::Output;

    async fn perform(self, at: At) -> Self::Output {
        let run = |step| -> BoxFuture<'_, _> {
            Box::pin(async move {
                let output = self.0.perform(At(step)).await;
                Ok((output.commits(), encode(&output, RESULT)?))
            })
        };
        let result = at.0.txn(Box::new(run)).await;
        at.0.check(decode(result, RESULT)).await
    }
}

/// A read-only transaction: what `#[beldi::txn(read_only)]` makes of a body.
///
/// ```
/// use beldi::Table;
///
/// const ACCOUNTS: Table<str, u32> = Table::new("accounts");
///
/// /// The sum at one instant, whatever is transferred meanwhile.
/// #[beldi::txn(read_only)]
/// async fn total(accounts: Vec<String>) -> u32 {
///     ACCOUNTS.get_many(accounts).await.into_iter().flatten().sum()
/// }
/// # use beldi::testing::{World, in_virtual_time};
/// # in_virtual_time(async {
/// # let world = World::new(beldi::App::new("bank").ssf(total)).row(ACCOUNTS, "ann", &3);
/// # assert_eq!(world.call(total(vec!["ann".into(), "ben".into()])).await.unwrap(), 3);
/// # });
/// ```
#[derive(Debug)]
#[must_use = "a transaction does nothing until it is awaited"]
pub struct Snapshot<O>(O);

/// Runs an operation so that it sees everything as at one instant, without locks. See [`Snapshot`].
pub fn snapshot<O>(operation: O) -> Snapshot<O>
where
    O: ReadOnlyOperation<Output: Serialize + DeserializeOwned>,
{
    Snapshot(operation)
}

impl<O> Operation for Snapshot<O>
where
    O: ReadOnlyOperation<Output: Serialize + DeserializeOwned>,
{
    type Output = O::Output;

    async fn perform(self, at: At) -> Self::Output {
        let run = |step| -> BoxFuture<'_, _> {
            Box::pin(async move { encode(&self.0.perform(At(step)).await, RESULT) })
        };
        let result = at.0.snapshot(Box::new(run)).await;
        at.0.check(decode(result, RESULT)).await
    }
}

impl<O> ReadOnlyOperation for Snapshot<O> where
    O: ReadOnlyOperation<Output: Serialize + DeserializeOwned>
{
}

const RESULT: &str = "the result of the transaction";
