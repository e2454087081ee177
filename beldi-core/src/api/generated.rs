//! The functions the attributes' expansions call.

use std::marker::PhantomData;
use std::panic::Location;

use super::branch::{Branch, ReadOnlyBranch};
use super::operation::{At, Operation, ReadOnlyOperation};
use super::ssf::{Call, Ssf};
use crate::engine::Scope;

/// Claims the next number of the current scope now, and performs the operation under it.
#[track_caller]
pub fn step<O: Operation>(operation: O) -> impl Future<Output = O::Output> + Send {
    let Some(scope) = Scope::current() else { outside_of_an_attempt(Location::caller()) };
    let path = scope.claim();
    async move {
        scope.enter_step().await;
        let output = operation.perform(At(scope.step(path.clone()))).await;
        scope.leave_step(&path).await;
        output
    }
}

/// [`step`] in a `read_only` SSF.
#[track_caller]
pub fn read_only_step<O: ReadOnlyOperation>(
    operation: O,
) -> impl Future<Output = O::Output> + Send {
    step(operation)
}

/// An `async` block of an SSF.
pub fn branch<F: Future>(block: F) -> Branch<F> {
    Branch::of(block)
}

/// An `async` block of a `read_only` SSF.
pub fn read_only_branch<F: Future>(block: F) -> ReadOnlyBranch<F> {
    ReadOnlyBranch::of(block)
}

/// The call of an SSF, inert until awaited.
pub fn call<S: Ssf>(input: S::Input) -> Call<S> {
    Call::new(input)
}

/// Tells whether a type is a `Result`: an inherent constant is found before a trait's.
#[derive(Debug)]
pub struct Probe<T>(PhantomData<T>);

impl<T, E> Probe<Result<T, E>> {
    /// It is.
    pub const IS_RESULT: bool = true;
}

/// The answer for every other type.
pub trait NotResult {
    /// It is not.
    const IS_RESULT: bool = false;
}

impl<T> NotResult for Probe<T> {}

#[expect(clippy::panic, reason = "only hand-written calls of hidden functions get here")]
fn outside_of_an_attempt(at: &Location<'_>) -> ! {
    panic!(
        "{at}: a step was awaited outside of an attempt; run the SSF through a `Host` or a `World`"
    )
}
