//! The table: the one place that spells its key attributes and its index.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::super::{DUE_ORDER, DUE_SHARD, Key};

/// The table's partition key, a text.
pub(super) const PARTITION: &str = "pk";
/// The table's sort key, a text.
pub(super) const SORT: &str = "sk";
/// The global secondary index over [`DUE_SHARD`] and [`DUE_ORDER`].
pub(super) const INDEX: &str = "due";

/// An item as the SDK has it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The key attributes of a row.
pub(super) fn key(key: &Key) -> Item {
    [(PARTITION, &key.partition), (SORT, &key.sort)]
        .map(|(name, part)| (name.to_owned(), AttributeValue::S(part.clone())))
        .into()
}

/// The key attributes of a row in the index.
pub(super) fn place(shard: &str, order: u64, row: &Key) -> Item {
    let mut place = key(row);
    place.insert(DUE_SHARD.to_owned(), AttributeValue::S(shard.to_owned()));
    place.insert(DUE_ORDER.to_owned(), AttributeValue::N(order.to_string()));
    place
}

/// Takes the key attributes out of an item.
pub(super) fn take_key(item: &mut Item) -> Option<Key> {
    let mut take = |name| match item.remove(name) {
        Some(AttributeValue::S(part)) => Some(part),
        _ => None,
    };
    Some(Key { partition: take(PARTITION)?, sort: take(SORT)? })
}
