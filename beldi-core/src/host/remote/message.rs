//! What services say to each other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::{Declined, Errand, Part, TxnEnded, Vote};
use crate::id::{Epoch, Id};
use crate::protocol::callback::{Callback, Delivered};
use crate::protocol::txn::Txn;
use crate::value::Value;

/// The questions of [`Peer`](crate::engine::Peer).
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum Question {
    /// It is waited for as long as the patience is; then the result is to be called back.
    Call {
        errand: Errand,
        callback: Callback,
        patience: Duration,
    },
    Prepare {
        errand: Errand,
        part: Part,
    },
    Ended {
        txn: Txn,
        abort: bool,
    },
    Settle {
        txn: Txn,
        ended: TxnEnded,
    },
    CallBack {
        callee: Id,
        callback: Callback,
        result: Option<Value>,
    },
    Swept,
}

/// Their answers; a text is what a store said that did not answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum Answer {
    Called(Result<Value, Declined>),
    Voted(Vote),
    Ended(Result<Option<TxnEnded>, String>),
    Settled(Result<(), String>),
    CalledBack(Result<Delivered, String>),
    Swept(Result<Epoch, String>),
}
