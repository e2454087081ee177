//! Work side by side, numbered by position.

use std::pin::Pin;

use futures_util::future;

use super::operation::{At, Operation, ReadOnlyOperation};

/// An `async` block of an SSF: its steps are numbered below the step that awaits it.
///
/// ```
/// const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");
///
/// #[beldi::ssf]
/// async fn take_room(hotel: String) -> Option<u32> {
///     let taken = async {
///         let left = ROOMS.get(&hotel).await?.checked_sub(1)?;
///         ROOMS.put(&hotel, &left).await;
///         Some(left)
///     };
///     taken.await // nothing has happened before
/// }
/// # use beldi::testing::{World, in_virtual_time};
/// # in_virtual_time(async {
/// # let world = World::new(beldi::App::new("travel").ssf(take_room)).row(ROOMS, "ritz", &3);
/// # assert_eq!(world.call(take_room("ritz".into())).await.unwrap(), Some(2));
/// # });
/// ```
#[derive(Debug)]
#[must_use = "a branch does nothing until it is awaited"]
pub struct Branch<F>(Pin<Box<F>>);

impl<F> Branch<F> {
    /// On the heap: a future is held twice by each that awaits it, once before and once while, so that blocks
    /// in blocks would soon be too large for a stack.
    pub(crate) fn of(block: F) -> Self {
        Self(Box::pin(block))
    }
}

impl<F> Operation for Branch<F>
where
    F: Future<Output: Send> + Send,
{
    type Output = F::Output;

    async fn perform(self, at: At) -> F::Output {
        at.0.scoped(self.0).await
    }
}

/// An `async` block of a `read_only` SSF. See [`Branch`].
#[derive(Debug)]
#[must_use = "a branch does nothing until it is awaited"]
pub struct ReadOnlyBranch<F>(Pin<Box<F>>);

impl<F> ReadOnlyBranch<F> {
    /// See [`Branch::of`].
    pub(crate) fn of(block: F) -> Self {
        Self(Box::pin(block))
    }
}

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
/// const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");
/// const SEATS: beldi::Table<str, u32> = beldi::Table::new("seats");
///
/// #[beldi::ssf]
/// async fn left() -> (u32, u32) {
///     let seats = async { SEATS.get("LH 400").await.unwrap_or(0) };
///     let (rooms, seats) = beldi::join(ROOMS.get("ritz"), seats).await;
///     (rooms.unwrap_or(0), seats)
/// }
/// # use beldi::testing::{World, in_virtual_time};
/// # in_virtual_time(async {
/// # let world = World::new(beldi::App::new("travel").ssf(left)).row(SEATS, "LH 400", &7);
/// assert_eq!(world.call(left()).await?, (0, 7));
/// # Ok::<(), beldi::Error>(()) }).unwrap();
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
/// const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");
///
/// #[beldi::ssf]
/// async fn left(hotels: Vec<String>) -> u32 {
///     let rooms = beldi::join_all(hotels.iter().map(|hotel| ROOMS.get(hotel))).await;
///     rooms.into_iter().flatten().sum()
/// }
/// # use beldi::testing::{World, in_virtual_time};
/// # in_virtual_time(async {
/// # let world = World::new(beldi::App::new("travel").ssf(left)).row(ROOMS, "ritz", &3);
/// assert_eq!(world.call(left(vec!["ritz".into(), "savoy".into()])).await?, 3);
/// # Ok::<(), beldi::Error>(()) }).unwrap();
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

#[cfg(test)]
mod tests {
    use crate::api::private::{branch, step};

    fn size<F>(_: impl Fn() -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn blocks_in_blocks_take_no_more_than_one() {
        let once = || step(branch(async { step(crate::random::<u64>()).await }));
        let nested = || step(branch(async { step(branch(async { once().await })).await }));
        assert_eq!(size(nested), size(once));
    }
}
