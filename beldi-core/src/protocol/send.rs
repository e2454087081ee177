//! A send: the receiver's intent, put if absent, and nothing else.
//!
//! Writes one row, the intent of the receiver, under a key computed from the sender's instance and
//! step. Before it the sender's observations are in its journal, so every attempt sends the same
//! input (without that, a receiver and a later effect of the sender could come from different runs:
//! N9). A crash before the put: nothing was sent, the next attempt sends. After it: the receiver is
//! registered and its collector starts it; the next attempt's put is refused, which is success.

use crate::id::Id;
use crate::protocol::intent::{self, Intent};
use crate::protocol::layout;
use crate::store::{Result, Store};

/// The request key under which a sent instance is registered.
pub(crate) fn request_key(callee: Id) -> String {
    layout::sent_key(callee)
}

/// Registers the receiver; whether this request or an earlier one did is all the same.
pub(crate) async fn send(store: &dyn Store, receiver: &Intent) -> Result<()> {
    intent::register(store, receiver, None).await.map(drop)
}
