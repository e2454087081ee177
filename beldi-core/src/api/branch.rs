//! Work side by side, numbered by position.

use futures_util::future;

use super::operation::{At, Operation, ReadOnlyOperation};

/// An `async` block of an SSF: its steps are numbered below the step that awaits it.
#[derive(Debug)]
#[must_use = "a branch does nothing until it is awaited"]
pub struct Branch<F>(pub(crate) F);

impl<F> Operation for Branch<F>
where
    F: Future<Output: Send> + Send,
{
    type Output = F::Output;

    async fn perform(self, at: At) -> F::Output {
        at.0.scoped(self.0).await
    }
}

/// An `async` block of a `read_only` SSF.
#[derive(Debug)]
#[must_use = "a branch does nothing until it is awaited"]
pub struct ReadOnlyBranch<F>(pub(crate) F);

impl<F> Operation for ReadOnlyBranch<F>
where
    F: Future<Output: Send> + Send,
{
    type Output = F::Output;

    async fn perform(self, at: At) -> F::Output {
        at.0.scoped(self.0).await
    }
}

impl<F> ReadOnlyOperation for ReadOnlyBranch<F> where F: Future<Output: Send> + Send {}

/// Two branches side by side: see [`join`].
#[derive(Debug)]
#[must_use = "a join does nothing until it is awaited"]
pub struct Join<A, B>(A, B);

/// Runs two operations or `async` blocks side by side and waits for both.
///
/// Each gets its number by its position, so the schedule cannot change it. Neither is dropped
/// half-way, whatever the other returns.
///
/// ```
/// # use beldi_core as beldi;
/// const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");
/// const SEATS: beldi::Table<str, u32> = beldi::Table::new("seats");
///
/// let both = beldi::join(ROOMS.get("ritz"), SEATS.get("LH 400"));
/// // in an SSF: let (rooms, seats) = both.await;
/// # drop(both);
/// ```
pub fn join<A: Operation, B: Operation>(a: A, b: B) -> Join<A, B> {
    Join(a, b)
}

impl<A: Operation, B: Operation> Operation for Join<A, B> {
    type Output = (A::Output, B::Output);

    async fn perform(self, at: At) -> Self::Output {
        future::join(self.0.perform(At(at.0.branch(0))), self.1.perform(At(at.0.branch(1)))).await
    }
}

impl<A: ReadOnlyOperation, B: ReadOnlyOperation> ReadOnlyOperation for Join<A, B> {}

/// Any number of branches side by side: see [`join_all`].
#[derive(Debug)]
#[must_use = "a join does nothing until it is awaited"]
pub struct JoinAll<O>(Vec<O>);

/// Runs all operations or `async` blocks side by side and waits for all; results in their order.
///
/// ```
/// # use beldi_core as beldi;
/// const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");
///
/// let all = beldi::join_all(["ritz", "savoy"].map(|hotel| ROOMS.get(hotel)));
/// // in an SSF: let free: Vec<Option<u32>> = all.await;
/// # drop(all);
/// ```
pub fn join_all<O: Operation>(operations: impl IntoIterator<Item = O>) -> JoinAll<O> {
    JoinAll(operations.into_iter().collect())
}

impl<O: Operation> Operation for JoinAll<O> {
    type Output = Vec<O::Output>;

    async fn perform(self, at: At) -> Self::Output {
        let branches = (0..).zip(self.0);
        future::join_all(branches.map(|(i, operation)| operation.perform(At(at.0.branch(i))))).await
    }
}

impl<O: ReadOnlyOperation> ReadOnlyOperation for JoinAll<O> {}
