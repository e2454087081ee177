//! The attributes of `beldi`. Use them through that crate: its pages explain the ideas, these are
//! the reference.

mod args;
mod errors;
mod expand;
mod fallback;
mod fingerprint;
mod item;
mod lint;
mod model;
mod nondeterminism;
mod pipeline;
mod placement;
mod rewrite;
mod rules;
mod runtime;
mod suggest;
#[cfg(test)]
mod tests;
mod tokens;
mod types;

use proc_macro::TokenStream;

use crate::pipeline::Word;

/// Makes a stateful serverless function of an async function.
///
/// ```
/// const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");
///
/// #[beldi::ssf]
/// pub async fn reserve_room(hotel: String) -> Result<u32, String> {
///     let free = ROOMS.get(&hotel).await.ok_or("no such hotel")?;
///     let left = free.checked_sub(1).ok_or("sold out")?;
///     ROOMS.put(&hotel, &left).await;
///     Ok(left)
/// }
/// # use beldi::testing::{World, in_virtual_time};
/// # in_virtual_time(async {
/// # let world = World::new(beldi::App::new("travel").ssf(reserve_room)).row(ROOMS, "ritz", &3);
/// # assert_eq!(world.call(reserve_room("ritz".into())).await.unwrap(), Ok(2));
/// # });
/// ```
///
/// Afterwards `reserve_room(hotel)` is a call, which other SSFs await or `send`, and
/// `App::ssf(reserve_room)` registers the function. It takes at most one input; input and output
/// are owned types with serde's `Serialize` and `Deserialize`.
///
/// # In the body
///
/// - Every await is a step: it takes an operation (of a table, a call, `beldi::now()`..), and
///   nothing else compiles.
/// - Every `async` block is a branch, an operation with steps of its own. Branches run one after
///   the other where they are awaited, or side by side in `beldi::join` and `beldi::join_all`.
/// - Async closures and nested items are the outside world and stay as they are; that is where
///   `beldi::effect("name", async |key| ..)` does its work.
/// - What differs from one attempt to the next (clocks, random numbers, threads, environment,
///   statics, the order of hash maps) is an error where it is written; clippy's
///   `disallowed_methods` and `disallowed_types` are denied and find more. Neither sees into the
///   functions that the body calls.
///
/// # Options
///
/// - `name = ".."`: the name on the wire, if not that of the function. It is part of every
///   instance's id, so renaming the function needs it.
/// - `read_only`: the body may read and call what is read-only, and so leaves no trace.
/// - `service = ".."`: the function runs in that service. A signature that ends in `;` is its typed
///   client:
///
///   ```
///   # type Bill = u64;
///   # type Receipt = u64;
///   # type Declined = String;
///   #[beldi::ssf(service = "payments")]
///   pub async fn charge(bill: Bill) -> Result<Receipt, Declined>;
///   ```
/// - `crate = path`: where `beldi` is, if it is not a dependency of that name.
#[proc_macro_attribute]
pub fn ssf(options: TokenStream, item: TokenStream) -> TokenStream {
    pipeline::run(Word::Ssf, options.into(), item.into()).into()
}

/// Makes a stateful serverless function whose whole body is one transaction.
///
/// ```
/// use serde::{Deserialize, Serialize};
///
/// const ACCOUNTS: beldi::Table<str, u32> = beldi::Table::new("accounts");
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// pub struct NoFunds;
///
/// #[beldi::ssf]
/// async fn deposit((account, amount): (String, u32)) {
///     ACCOUNTS.update(&account, |balance| *balance = Some(balance.unwrap_or(0) + amount)).await;
/// }
///
/// /// Both accounts change, or neither.
/// #[beldi::txn]
/// pub async fn transfer((from, to, amount): (String, String, u32)) -> Result<u32, NoFunds> {
///     deposit((to, amount)).await;
///     let balance = ACCOUNTS.get(&from).await.unwrap_or(0);
///     let left = balance.checked_sub(amount).ok_or(NoFunds)?;
///     ACCOUNTS.put(&from, &left).await;
///     Ok(left)
/// }
/// # use beldi::testing::{World, in_virtual_time};
/// # in_virtual_time(async {
/// # let app = beldi::App::new("bank").ssf(deposit).ssf(transfer);
/// let world = World::new(app).row(ACCOUNTS, "ann", &5);
/// let transfer = |amount| world.call(transfer(("ann".into(), "ben".into(), amount)));
/// assert_eq!(transfer(3).await.unwrap(), Ok(2));
/// assert_eq!(transfer(3).await.unwrap(), Err(NoFunds));
/// world.settle().await.unwrap();
/// assert_eq!(world.peek(ACCOUNTS, "ben"), Some(3)); // the second deposit was taken back
/// # });
/// ```
///
/// It is an [`ssf`](macro@ssf) in every other respect, and returns a `Result`: `Ok` commits, `Err`
/// aborts, in every SSF that was called inside. A read locks the item until the end; what is written
/// is seen by others with the commit, and so is what was sent. A transaction that loses a race
/// against another is run again from its beginning: the body never sees it. Called inside another
/// transaction it is a part of that, and its `Err` undoes what it did itself. For a transaction that
/// is only a part of a function there is `beldi::txn(async { .. })`.
///
/// In the body, `beldi::effect` and `scan` are errors where they are written: the one cannot be
/// taken back, the other cannot lock what is not there yet.
///
/// # Options
///
/// - `part`: makes a [`part`](macro@part) of the function instead of an SSF.
/// - `read_only`: the body only reads, without locks, and sees everything as at one instant; several
///   keys are best read with one `get_many`, in two round trips. It may return anything.
/// - `name`, `crate`: as for an [`ssf`](macro@ssf).
#[proc_macro_attribute]
pub fn txn(options: TokenStream, item: TokenStream) -> TokenStream {
    pipeline::run(Word::Txn, options.into(), item.into()).into()
}

/// Makes an async helper whose awaits are steps of whoever awaits it.
///
/// ```
/// const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");
///
/// #[beldi::part]
/// async fn free(hotel: &str) -> u32 {
///     ROOMS.get(hotel).await.unwrap_or(0)
/// }
///
/// #[beldi::ssf]
/// pub async fn free_in_both() -> u32 {
///     free("ritz").await + free("savoy").await
/// }
/// # use beldi::testing::{World, in_virtual_time};
/// # in_virtual_time(async {
/// # let world = World::new(beldi::App::new("travel").ssf(free_in_both)).row(ROOMS, "ritz", &3);
/// # assert_eq!(world.call(free_in_both()).await.unwrap(), 3);
/// # });
/// ```
///
/// The body is that of an [`ssf`](macro@ssf). The signature is free: a part may be generic, borrow,
/// take `self` and stand in a trait; only its output has a name. What is held across an await must
/// be `Send`.
///
/// # Options
///
/// - `read_only`: for use in read-only SSFs.
/// - `crate = path`: where `beldi` is, if it is not a dependency of that name.
#[proc_macro_attribute]
pub fn part(options: TokenStream, item: TokenStream) -> TokenStream {
    pipeline::run(Word::Part, options.into(), item.into()).into()
}
