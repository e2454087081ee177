//! What may be awaited in an SSF.

use crate::engine::Step;

/// Something an SSF can await as a durable step: it is inert until then.
///
/// Tables, calls, [`now`](crate::now), [`join`](crate::join), [`effect`](crate::effect) and
/// `#[beldi::part]` helpers make operations; nothing else does, so an await that would run again
/// after a crash does not compile.
///
/// ```
/// use beldi::Operation;
///
/// const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");
///
/// /// A part may take any operation.
/// #[beldi::part]
/// async fn or_none(read: impl Operation<Output = Option<u32>>) -> u32 {
///     read.await.unwrap_or(0)
/// }
///
/// #[beldi::ssf]
/// async fn left(hotel: String) -> u32 {
///     or_none(ROOMS.get(&hotel)).await
/// }
/// # use beldi::testing::{World, in_virtual_time};
/// # in_virtual_time(async {
/// # let world = World::new(beldi::App::new("travel").ssf(left));
/// # assert_eq!(world.call(left("ritz".into())).await.unwrap(), 0);
/// # });
/// ```
///
/// ```compile_fail
/// #[beldi::ssf]
/// async fn nap() {
///     tokio::time::sleep(std::time::Duration::from_secs(1)).await; // not a durable operation
/// }
/// ```
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
///
/// ```
/// const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");
///
/// #[beldi::ssf(read_only)]
/// async fn left(hotel: String) -> u32 {
///     ROOMS.get(&hotel).await.unwrap_or(0)
/// }
///
/// #[beldi::ssf(read_only)]
/// async fn is_full(hotel: String) -> bool {
///     left(hotel).await == 0
/// }
/// # use beldi::testing::{World, in_virtual_time};
/// # in_virtual_time(async {
/// # let world = World::new(beldi::App::new("travel").ssf(left).ssf(is_full));
/// assert!(world.call(is_full("ritz".into())).await?);
/// assert!(world.stored().is_empty(), "a read-only SSF leaves no trace");
/// # Ok::<(), beldi::Error>(()) }).unwrap();
/// ```
///
/// ```compile_fail
/// # const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");
/// #[beldi::ssf(read_only)]
/// async fn open(hotel: String) {
///     ROOMS.put(&hotel, &20).await; // not known to be read-only
/// }
/// ```
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
