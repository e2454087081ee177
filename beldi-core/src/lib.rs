//! The engine of beldi. Use it through the facade `beldi`, which has the attributes and the guide.
//!
//! In reading order:
//!
//! 1. `api`: what a user touches, typed and thin. `Table`, `Operation`, `Ssf`, `App`.
//! 2. `engine`: one root at a time. Scopes and steps, attempts, the log, halt, park, finish.
//! 3. `protocol`: what is written, in which order, and why a crash between any two lines is safe.
//! 4. [`store`]: one table of rows, and the stores.
//! 5. `collector`: begins what is overdue, settles locks, takes away what nobody needs.
//! 6. `host`: the local runtime. Requests in process and over HTTP, collectors on timers.
//! 7. `testing`: a world in memory, on virtual time, with everything going wrong.
//!
//! `value`, `path`, `id`, `error`, `limits` and `outside` are the words all of them share. Types of
//! users stop at `api`; who may import whom is in ARCHITECTURE.md, and a test.

// A panic here would end the user's invocation.
#![cfg_attr(
    not(test),
    warn(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod api;
mod collector;
mod engine;
mod error;
mod host;
mod id;
mod limits;
mod outside;
mod path;
mod protocol;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod value;
mod weakness;

pub use api::{
    App, Branch, Busy, Call, CommitOrAbort, Delete, Effect, FieldPath, Get, GetMany, Handler,
    IntoHandler, Join, JoinAll, Key, KeyFor, Lock, Now, Operation, Prefix, Put, Random,
    RandomValue, ReadOnly, ReadOnlyBranch, ReadOnlyOperation, Scan, Sending, Snapshot, Ssf, Table,
    Txn, Unlock, Update, Uuid, When, WriteWhen, effect, field, join, join_all, now, random, txn,
    uuid,
};
pub use collector::{Collected, HeldBack};
pub use error::{Error, Reason, Result};
pub use host::on_demand;
pub use host::{Host, HostCall, HostSend, InstanceState, InstanceStatus, LockStatus};
pub use limits::{
    Limits, MAX_CALL_DEPTH, MAX_INPUT, MAX_REQUEST_KEY, MAX_UPDATE_RESULT, MAX_VALUE,
};
pub use outside::{Outside, RealOutside};
pub use value::Value;

#[doc(hidden)]
pub use api::private as __private;
