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
/// ```ignore
/// #[beldi::ssf]
/// pub async fn reserve_room(hotel: String) -> Result<(), SoldOut> {
///     let mut room = ROOMS.get(&hotel).await.ok_or(SoldOut)?;
///     room.free = room.free.checked_sub(1).ok_or(SoldOut)?;
///     ROOMS.put(&hotel, &room).await;
///     Ok(())
/// }
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
/// - What differs from one execution to the next (clocks, random numbers, threads, environment,
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
///   ```ignore
///   #[beldi::ssf(service = "payments")]
///   pub async fn charge(bill: Bill) -> Result<Receipt, Declined>;
///   ```
/// - `crate = path`: where `beldi` is, if it is not a dependency of that name.
#[proc_macro_attribute]
pub fn ssf(options: TokenStream, item: TokenStream) -> TokenStream {
    pipeline::run(Word::Ssf, options.into(), item.into()).into()
}

/// Makes an async helper whose awaits are steps of whoever awaits it.
///
/// ```ignore
/// #[beldi::part]
/// async fn free(hotel: &str) -> u32 {
///     ROOMS.get(hotel).await.map_or(0, |room| room.free)
/// }
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
