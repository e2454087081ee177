//! What an update and a delete do to a row, and what comes back.

use super::{Bed, row};
use crate::store::{Condition, Store, Update};

fn always() -> Update {
    Update::when(Condition::always())
}

pub(super) async fn an_absent_row_is_none<S: Store>(bed: &Bed<S>) {
    assert_eq!(bed.get("none").await, None);
    bed.put("row", [("a", 1)]).await;
    assert_eq!(bed.get("ro").await, None);
    assert_eq!(bed.get("row ").await, None);
}

pub(super) async fn create_change_and_keep_attributes<S: Store>(bed: &Bed<S>) {
    assert_eq!(bed.put("row", [("a", 1), ("b", 2)]).await, row([("a", 1), ("b", 2)]));
    let both = row([("a", 3), ("b", 2)]);
    assert_eq!(bed.put("row", [("a", 3)]).await, both);
    assert_eq!(bed.get("row").await, Some(both));

    let other_kind = bed.put("row", [("a", "text")]).await;
    assert_eq!(other_kind.text("a"), Some("text"));
}

pub(super) async fn set_then_add_then_remove<S: Store>(bed: &Bed<S>) {
    let update = always().remove("gone").add("count", -2).add("new", 7).set("count", 10);
    let changed = bed.apply("row", &update.clone().set("gone", 1).remove("never was")).await;
    assert_eq!(changed, row([("count", 8), ("new", 7)]));
    assert_eq!(bed.apply("row", &always().add("count", 1)).await, row([("count", 9), ("new", 7)]));
    assert_eq!(bed.apply("row", &always().remove("new")).await, row([("count", 9)]));
}

pub(super) async fn refuse_with_the_row_as_it_was<S: Store>(bed: &Bed<S>) {
    let first = Update::when(Condition::absent("a"));
    assert_eq!(bed.refuse("row", &Update::when(Condition::exists("a")).set("a", 1)).await, None);
    assert_eq!(bed.get("row").await, None);

    let old = bed.apply("row", &first.clone().set("a", 1).set("b", "x")).await;
    let second = first.set("a", 2).add("c", 1).remove("b");
    assert_eq!(bed.refuse("row", &second).await, Some(old.clone()));
    assert_eq!(bed.get("row").await, Some(old));
}

pub(super) async fn repeat_without_harm<S: Store>(bed: &Bed<S>) {
    let once = Update::when(Condition::absent("mark")).set("mark", true).add("count", 1);
    let done = bed.apply("row", &once).await;
    for _ in 0..3 {
        assert_eq!(bed.refuse("row", &once).await, Some(done.clone()));
    }
}

pub(super) async fn touch_one_row_only<S: Store>(bed: &Bed<S>) {
    let sorts = ["a", "a\0", "aa", "b", "A"];
    for (nth, sort) in (0..).zip(sorts) {
        bed.put(sort, [("nth", nth)]).await;
    }
    bed.put("a", [("nth", 100)]).await;
    assert!(bed.delete("aa", &Condition::always()).await);
    for (nth, sort) in (0..).zip(sorts) {
        let expected = match sort {
            "a" => Some(row([("nth", 100)])),
            "aa" => None,
            _ => Some(row([("nth", nth)])),
        };
        assert_eq!(bed.get(sort).await, expected, "{sort:?}");
    }
}

pub(super) async fn delete_the_row<S: Store>(bed: &Bed<S>) {
    bed.put("row", [("a", 1), ("b", 2)]).await;
    assert!(bed.delete("row", &Condition::always()).await);
    assert_eq!(bed.get("row").await, None);
    assert!(bed.delete("row", &Condition::always()).await, "the condition holds all the same");
    assert_eq!(bed.put("row", [("c", 3)]).await, row([("c", 3)]), "nothing of the old row is left");
}
