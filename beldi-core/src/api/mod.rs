//! What a user touches: typed and thin. Each operation encodes, delegates to its step, decodes.
//!
//! Types stop here: below, everything is names, paths and values.

mod app;
mod branch;
mod codec;
mod effect;
mod generated;
mod json;
mod key;
mod operation;
#[cfg(feature = "embedded")]
mod serve;
mod ssf;
mod table;
mod txn;
mod when;
mod yours;

pub use app::{App, IntoHandler};
pub use branch::{Branch, Join, JoinAll, ReadOnlyBranch, join, join_all};
pub use effect::{Effect, effect};
pub use key::{Key, KeyFor, Prefix};
pub use operation::{Operation, ReadOnlyOperation};
pub use ssf::{Call, Handler, ReadOnly, Sending, Ssf};
pub use table::{Busy, Delete, Get, GetMany, Lock, Put, Scan, Table, Unlock, Update, WriteWhen};
pub use txn::{CommitOrAbort, Snapshot, Txn, txn};
pub use when::{FieldPath, When, field};
pub use yours::{Now, Random, RandomValue, Uuid, now, random, uuid};

pub(crate) use codec::{decode, encode};
#[cfg(feature = "testing")]
pub(crate) use key::{decode as decode_key, encode as encode_key};

/// What the attributes' expansions name. Not public: it changes without notice.
#[doc(hidden)]
pub mod private {
    pub use super::generated::{
        NotResult, Probe, branch, call, read_only_branch, read_only_step, step,
    };
    pub use super::txn::{snapshot, txn};
    pub use super::{Call, Handler, Operation, ReadOnly, ReadOnlyOperation, Ssf};
}
