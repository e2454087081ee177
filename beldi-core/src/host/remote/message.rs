//! What services say to each other.

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
    Call { errand: Errand, callback: Callback },
    Prepare { errand: Errand, part: Part },
    Ended { txn: Txn, abort: bool },
    Settle { txn: Txn, ended: TxnEnded },
    CallBack { callee: Id, callback: Callback, result: Option<Value> },
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
