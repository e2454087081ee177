//! How large rows and keys may be.

use super::Bed;
use crate::Value;
use crate::store::{Condition, Key, MAX_PARTITION_KEY, MAX_SORT_KEY, Store, StoreError, Update};

fn blob(kilobytes: usize) -> Value {
    Value::Bytes(vec![7; kilobytes * 1024])
}

pub(super) async fn large_rows_fit<S: Store>(bed: &Bed<S>) {
    let row = bed.put("row", [("blob", blob(399))]).await;
    assert_eq!(bed.get("row").await, Some(row));
}

pub(super) async fn too_large_rows_are_refused_whole<S: Store>(bed: &Bed<S>) {
    let always = Update::when(Condition::always());
    let grow = [
        ("new", always.clone().set("blob", blob(401))),
        ("old", always.clone().set("more", blob(2)).set("small", 1).add("count", 1)),
    ];
    let old = bed.put("old", [("blob", blob(399))]).await;
    for (sort, update) in grow {
        let ended = bed.store.update(&bed.key(sort), &update).await;
        assert!(matches!(ended, Err(StoreError::RowTooLarge { .. })), "{sort}: not refused");
    }
    assert_eq!(bed.get("new").await, None);
    assert_eq!(bed.get("old").await, Some(old));

    let replaced = always.set("more", blob(2)).remove("blob");
    assert_eq!(bed.apply("old", &replaced).await.get("blob"), None);
}

pub(super) async fn keys_have_a_length<S: Store>(bed: &Bed<S>) {
    let partition = |length| bed.partition.chars().cycle().take(length).collect::<String>();
    let sort = |length| "s".repeat(length);
    let longest = Key::new(partition(MAX_PARTITION_KEY), sort(MAX_SORT_KEY));
    let update = Update::when(Condition::always()).set("a", 1);
    bed.store.update(&longest, &update).await.expect("the longest key");
    assert!(bed.store.get(&longest).await.expect("the longest key").is_some());

    let wrong = [
        Key::new("", "s"),
        Key::new(bed.partition, ""),
        Key::new(partition(MAX_PARTITION_KEY + 1), "s"),
        Key::new(bed.partition, sort(MAX_SORT_KEY + 1)),
    ];
    for key in wrong {
        let invalid = |error| matches!(error, Some(StoreError::InvalidKey { .. }));
        assert!(invalid(bed.store.get(&key).await.err()), "get {key}");
        assert!(invalid(bed.store.update(&key, &update).await.err()), "update {key}");
        assert!(invalid(bed.store.delete(&key, &update.when).await.err()), "delete {key}");
    }
}
