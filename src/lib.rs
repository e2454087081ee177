//! Stateful serverless functions that change data exactly once.
//!
//! Annotate an ordinary async function; kill it at any moment; every state change and every call has
//! happened exactly once.
//!
//! ```
//! use beldi::{App, Table, store::MemoryStore};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Room {
//!     free: u32,
//! }
//!
//! const ROOMS: Table<str, Room> = Table::new("rooms");
//!
//! #[beldi::ssf]
//! async fn open_hotel(hotel: String) {
//!     ROOMS.put(&hotel, &Room { free: 20 }).await;
//! }
//!
//! /// Takes one room, if there is one.
//! #[beldi::ssf]
//! async fn reserve_room(hotel: String) -> Result<u32, String> {
//!     let mut room = ROOMS.get(&hotel).await.ok_or("no such hotel")?;
//!     room.free = room.free.checked_sub(1).ok_or("sold out")?;
//!     ROOMS.put(&hotel, &room).await;
//!     Ok(room.free)
//! }
//!
//! #[tokio::main]
//! async fn main() -> beldi::Result<()> {
//!     let app = App::new("travel").ssf(open_hotel).ssf(reserve_room);
//!     let host = app.open(MemoryStore::new())?; // or, over HTTP: app.serve("127.0.0.1:7420").await
//!     host.call(open_hotel("ritz".into())).await?;
//!     assert_eq!(host.call(reserve_room("ritz".into())).key("order-17").await?, Ok(19));
//!     assert_eq!(host.call(reserve_room("ritz".into())).key("order-17").await?, Ok(19));
//!     Ok(())
//! }
//! ```
//!
//! # The words
//!
//! | word | what it is |
//! |---|---|
//! | [`#[beldi::ssf]`](macro@ssf) | makes a stateful serverless function (SSF) of an async function |
//! | [`#[beldi::txn]`](macro@txn) | makes one whose body is a transaction; with `read_only`, a snapshot |
//! | [`#[beldi::part]`](macro@part) | makes an async helper whose awaits are steps of whoever awaits it |
//! | [`Table`] | a typed constant: `get`, `get_many`, `put`, `delete`, `update`, `scan`, `lock`, `unlock` |
//! | [`When`], [`field`] | conditions: `ROOMS.put(..).when(field("free").ge(1))` |
//! | `f(input)` | the [`Call`] of an SSF; `.await` waits for it, `.send().await` does not |
//! | [`txn`](fn@txn) | an `async` block as one transaction: `Ok` commits, `Err` aborts |
//! | [`join`], [`join_all`] | operations and `async` blocks side by side |
//! | [`now`], [`uuid`], [`random`] | time and chance that are the same in every attempt |
//! | [`effect`] | a step in the outside world, at least once, with an idempotency key |
//! | [`App`], [`Host`] | a service, and the process that runs it: `open`, `serve` |
//! | [`Error`] | why there is no result, and what to do |
//!
//! Every await in an SSF is a durable step, an [`Operation`]; an await of anything else does not
//! compile. Read on in the [`guide`]: what a handler must not do, transactions, what each error asks
//! for, the HTTP front, and how to test with a crash at every step.
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `embedded` (default) | `App::serve`: the store in one file, the service over HTTP |
//! | `dynamodb` | `store::DynamoStore`: the store in a table of DynamoDB |
//! | `testing` | the module `testing`: your app in memory, with everything going wrong that can |
//! | `testing-dynamodb` | the module `testing::dynamodb`: the same worlds over a DynamoDB, and a bad way to it |

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod guide;

#[doc(inline)]
pub use beldi_macros::{part, ssf, txn};

// State.
#[doc(inline)]
pub use beldi_core::{
    Busy, Delete, FieldPath, Get, GetMany, Key, KeyFor, Lock, Prefix, Put, Scan, Table, Unlock,
    Update, When, WriteWhen, field,
};
// Transactions.
#[doc(inline)]
pub use beldi_core::{CommitOrAbort, Snapshot, Txn, txn};
// Steps, and what they are made of.
#[doc(inline)]
pub use beldi_core::{
    Branch, Effect, Join, JoinAll, Now, Operation, Random, RandomValue, ReadOnlyBranch,
    ReadOnlyOperation, Uuid, effect, join, join_all, now, random, uuid,
};
// SSFs and their calls.
#[doc(inline)]
pub use beldi_core::{Call, Handler, IntoHandler, ReadOnly, Sending, Ssf};
// Services and those who run them.
#[doc(inline)]
pub use beldi_core::{
    App, Collected, HeldBack, Host, HostCall, HostSend, InstanceState, InstanceStatus, Limits,
    LockStatus, MAX_CALL_DEPTH, MAX_INPUT, MAX_REQUEST_KEY, MAX_UPDATE_RESULT, MAX_VALUE, Outside,
    RealOutside, Value,
};
#[doc(inline)]
pub use beldi_core::{Error, Reason, Result};

#[doc(inline)]
pub use beldi_core::on_demand;
#[doc(inline)]
pub use beldi_core::store;
#[cfg(feature = "testing")]
#[doc(inline)]
pub use beldi_core::testing;

#[doc(hidden)]
pub use beldi_core::__private;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
