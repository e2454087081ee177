//! What may be awaited in an SSF.

use crate::engine::Step;

/// Something an SSF can await as a durable step: it is inert until then.
///
/// Tables, calls, [`now`](crate::now), [`join`](crate::join), [`effect`](crate::effect) and
/// `#[beldi::part]` helpers make operations; nothing else does, so an await that would run again
/// after a crash does not compile.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a durable operation, so it cannot be awaited inside an SSF",
    label = "this await would not be recorded: after a crash it would run again",
    note = "wrap it in `beldi::effect(\"name\", async |key| ..)`, or annotate a helper with `#[beldi::part]`"
)]
#[must_use = "an operation does nothing until it is awaited"]
pub trait Operation: Sized + Send {
    /// What awaiting it gives.
    type Output: Send;

    #[doc(hidden)]
    fn perform(self, at: At) -> impl Future<Output = Self::Output> + Send;
}

/// An operation that changes nothing: what a `read_only` SSF may await.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not known to be read-only, so it cannot be awaited in a `read_only` SSF",
    label = "this await may change something",
    note = "take `read_only` away, or declare the SSF or part you await `read_only` too"
)]
pub trait ReadOnlyOperation: Operation {}

/// The step an operation is performed at; only the engine can make one.
#[doc(hidden)]
#[derive(Debug)]
pub struct At(pub(crate) Step);
