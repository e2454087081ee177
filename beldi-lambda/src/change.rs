//! What an SSF that follows a DynamoDB table is given.

use serde::{Deserialize, Serialize};

/// A change of an item in a DynamoDB table, as the input of an SSF.
///
/// Items and keys are plain JSON, without DynamoDB's type names; `K` and `T` are whatever they
/// deserialise to. Bytes are base64, sets are lists, and numbers with more digits than a 64-bit integer or float
/// has are text. Which images there are depends on the stream's view type.
///
/// ```
/// use beldi::{App, Table, store::MemoryStore};
/// use beldi_lambda::{Change, Function, Source};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Id {
///     id: String,
/// }
///
/// #[derive(Serialize, Deserialize)]
/// struct Customer {
///     city: String,
/// }
///
/// const MOVES: Table<str, u32> = Table::new("moves");
///
/// #[beldi::ssf]
/// async fn count_moves(change: Change<Id, Customer>) {
///     if let (Some(old), Some(new)) = (change.old, change.new)
///         && old.city != new.city
///     {
///         MOVES.update(&change.keys.id, |moves| *moves = Some(moves.unwrap_or(0) + 1)).await;
///     }
/// }
///
/// let app = App::new("statistics").ssf(count_moves);
/// let function = Function::new(app).route(Source::table("customers"), count_moves);
/// # drop(function.open(MemoryStore::new()).unwrap());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change<K, T> {
    /// What was done.
    pub event: ChangeKind,
    /// The item's primary key.
    pub keys: K,
    /// The item after the change, if it is still there.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub new: Option<T>,
    /// The item before the change, if it was there.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub old: Option<T>,
}

fn none<T>() -> Option<T> {
    None
}

/// What was done to an item. See [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ChangeKind {
    /// It was not there before.
    Insert,
    /// It was there before, and is.
    Modify,
    /// It is no more.
    Remove,
}
