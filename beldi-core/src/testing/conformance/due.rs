//! The due index. It may lag behind the rows, so every check waits for what it expects.

use std::time::Duration;

use super::Bed;
use crate::Value;
use crate::store::{
    Condition, DUE_ORDER, DUE_SHARD, DuePage, DueQuery, MAX_PAGE, MAX_ROW, Store, Update,
};

/// How often to look, 50 ms apart, before an index counts as wrong.
const PATIENCE: usize = 200;

impl<S: Store> Bed<S> {
    async fn put_due(&self, sort: &str, shard: &str, order: u64) {
        let update = Update::when(Condition::always()).set(DUE_SHARD, shard);
        self.apply(sort, &update.set(DUE_ORDER, order)).await;
    }

    async fn due_page(&self, query: &DueQuery) -> DuePage {
        self.store.due(query).await.expect("due")
    }

    /// Order and sort key of all rows in the shard. Their order in a page is checked; rows of the
    /// same order may stand in any.
    async fn due(&self, shard: &str, limit: usize) -> Vec<(i128, String)> {
        let mut query = DueQuery { shard: shard.to_owned(), up_to: u64::MAX, limit, after: None };
        let mut found = Vec::new();
        loop {
            let page = self.due_page(&query).await;
            assert!(page.rows.len() <= limit, "a page keeps to its limit");
            for (key, row) in page.rows {
                assert_eq!(key.partition, self.partition);
                assert_eq!(row.text(DUE_SHARD), Some(shard));
                found.push((row.int(DUE_ORDER).expect("a due row has an order"), key.sort));
            }
            query.after = page.next;
            if query.after.is_none() {
                assert!(found.is_sorted_by_key(|(order, _)| *order), "not in order: {found:?}");
                found.sort_unstable();
                return found;
            }
        }
    }

    async fn expect_due(&self, shard: &str, limit: usize, expected: &[(u64, &str)]) {
        let expected: Vec<_> =
            expected.iter().map(|(order, sort)| (i128::from(*order), (*sort).to_owned())).collect();
        let mut found = Vec::new();
        for _ in 0..PATIENCE {
            found = self.due(shard, limit).await;
            if found == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{shard:?} holds {found:?}, not {expected:?}");
    }
}

pub(super) async fn rows_enter_move_and_leave<S: Store>(bed: &Bed<S>) {
    let shard = bed.partition;
    bed.expect_due(shard, 10, &[]).await;
    bed.put("never", [("a", 1)]).await;
    bed.put_due("one", shard, 10).await;
    bed.put_due("two", shard, 20).await;
    bed.expect_due(shard, 10, &[(10, "one"), (20, "two")]).await;

    bed.put_due("one", shard, 30).await;
    bed.put("two", [("other", 1)]).await;
    bed.expect_due(shard, 10, &[(20, "two"), (30, "one")]).await;

    let never = Update::when(Condition::Any(Vec::new())).remove(DUE_SHARD);
    bed.refuse("two", &never).await;
    bed.apply("one", &Update::when(Condition::always()).remove(DUE_SHARD)).await;
    bed.expect_due(shard, 10, &[(20, "two")]).await;

    assert!(bed.delete("two", &Condition::always()).await);
    bed.expect_due(shard, 10, &[]).await;
    bed.put_due("two", shard, 5).await;
    bed.expect_due(shard, 10, &[(5, "two")]).await;
}

pub(super) async fn orders_by_number<S: Store>(bed: &Bed<S>) {
    let orders = [0, 2, 9, 10, 100, 1 << 53, (1 << 53) + 1, u64::MAX];
    for order in orders.into_iter().rev() {
        bed.put_due(&format!("at {order}"), bed.partition, order).await;
    }
    let sorts = orders.map(|order| format!("at {order}"));
    let expected: Vec<_> = orders.into_iter().zip(sorts.iter().map(|sort| &**sort)).collect();
    bed.expect_due(bed.partition, 100, &expected).await;
    bed.expect_due(bed.partition, 3, &expected).await;
}

pub(super) async fn ends_where_it_is_told<S: Store>(bed: &Bed<S>) {
    let orders = [3, 5, 5, 8, u64::MAX];
    for (nth, order) in orders.into_iter().enumerate() {
        bed.put_due(&format!("row {nth}"), bed.partition, order).await;
    }
    let all: Vec<_> =
        orders.into_iter().zip(["row 0", "row 1", "row 2", "row 3", "row 4"]).collect();
    bed.expect_due(bed.partition, 10, &all).await;
    for (up_to, rows) in [(2, 0), (3, 1), (4, 1), (5, 3), (u64::MAX - 1, 4), (u64::MAX, 5)] {
        let shard = bed.partition.to_owned();
        let query = DueQuery { shard, up_to, limit: 10, after: None };
        assert_eq!(bed.due_page(&query).await.rows.len(), rows, "orders up to {up_to}");
    }
}

pub(super) async fn keeps_shards_apart<S: Store>(bed: &Bed<S>) {
    let shards = ["", "\0", "!", "\u{10ffff}"].map(|ending| format!("{}{ending}", bed.partition));
    for (order, shard) in (0..).zip(&shards) {
        bed.put_due(&format!("row {order}"), shard, order).await;
    }
    for (order, shard) in (0..).zip(&shards) {
        bed.expect_due(shard, 10, &[(order, &format!("row {order}"))]).await;
    }
    let [first, second, ..] = &shards;
    bed.put_due("row 0", second, 7).await;
    bed.expect_due(first, 10, &[]).await;
    bed.expect_due(second, 10, &[(1, "row 1"), (7, "row 0")]).await;
}

pub(super) async fn pages_without_gaps<S: Store>(bed: &Bed<S>) {
    let sorts: Vec<_> = (0..12).map(|nth| format!("row {nth:02}")).collect();
    let expected: Vec<_> = (0..).zip(&sorts).map(|(nth, sort)| (nth / 3, &**sort)).collect();
    for (order, sort) in &expected {
        bed.put_due(sort, bed.partition, *order).await;
    }
    bed.expect_due(bed.partition, 100, &expected).await;
    for limit in 1..=expected.len() {
        let found = bed.due(bed.partition, limit).await;
        let complete = found.iter().map(|(_, sort)| sort).eq(&sorts);
        assert!(complete, "{limit} a page: {found:?}");
    }
}

pub(super) async fn cuts_pages_by_size<S: Store>(bed: &Bed<S>) {
    let mut expected = Vec::new();
    for (order, sort) in (0..).zip(["a", "b", "c", "d", "e", "f", "g", "h"]) {
        bed.put_due(sort, bed.partition, order).await;
        bed.put(sort, [("blob", Value::Bytes(vec![1; 250 * 1024]))]).await;
        expected.push((order, sort));
    }
    bed.expect_due(bed.partition, 100, &expected).await;
    let query =
        DueQuery { shard: bed.partition.to_owned(), up_to: u64::MAX, limit: 100, after: None };
    let page = bed.due_page(&query).await;
    let bytes: usize = page.rows.iter().map(|(_, row)| row.size()).sum();
    assert!(page.next.is_some() && bytes < MAX_PAGE + MAX_ROW, "{bytes} bytes in a page");
}
