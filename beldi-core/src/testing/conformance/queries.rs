//! Pages of a partition: order, range, and where they end.

use super::Bed;
use crate::Value;
use crate::store::{Condition, Key, MAX_PAGE, MAX_ROW, Page, Query, Store, Update};

/// Sort keys in byte order, with all that may trouble an encoding.
const SORTS: [&str; 16] = [
    "\0",
    "\0\0",
    "\0a",
    "\u{1}",
    "A",
    "a",
    "a\0",
    "a\0b",
    "a!",
    "ab",
    "b",
    "\u{7f}",
    "\u{80}",
    "\u{d7ff}",
    "\u{e000}",
    "\u{10ffff}",
];

impl<S: Store> Bed<S> {
    async fn seed(&self) {
        for sort in SORTS {
            self.put(sort, [("sort", sort)]).await;
        }
    }

    async fn page(&self, query: &Query) -> Page {
        self.store.query(query).await.expect("query")
    }

    /// The sort keys of all pages; each page keeps to the limit and each row to its key.
    async fn sorts(&self, mut query: Query) -> Vec<String> {
        let mut sorts = Vec::new();
        loop {
            let page = self.page(&query).await;
            assert!(page.rows.len() <= query.limit, "a page keeps to its limit");
            for (key, row) in page.rows {
                assert_eq!(key.partition, query.partition);
                assert_eq!(row.text("sort"), Some(&*key.sort));
                sorts.push(key.sort);
            }
            query.after = page.next;
            if query.after.is_none() {
                return sorts;
            }
        }
    }
}

fn all(partition: &str) -> Query {
    Query {
        partition: partition.to_owned(),
        prefix: String::new(),
        descending: false,
        limit: 1000,
        after: None,
    }
}

fn beginning_with(prefix: &str) -> Vec<&'static str> {
    SORTS.into_iter().filter(|sort| sort.starts_with(prefix)).collect()
}

pub(super) async fn order_by_bytes<S: Store>(bed: &Bed<S>) {
    bed.seed().await;
    let ascending = bed.sorts(all(bed.partition)).await;
    assert_eq!(ascending, SORTS);
    let descending = bed.sorts(Query { descending: true, ..all(bed.partition) }).await;
    assert!(descending.iter().eq(SORTS.iter().rev()), "{descending:?}");
}

pub(super) async fn keep_to_the_partition<S: Store>(bed: &Bed<S>) {
    let endings = ["", "\0", "\0\0", "!", "\u{7f}", "\u{10ffff}"];
    let partitions = endings.map(|ending| format!("{}{ending}", bed.partition));
    for partition in &partitions {
        for sort in ["\0", "x", "\u{10ffff}"] {
            let update = Update::when(Condition::always()).set("sort", sort);
            bed.store.update(&Key::new(&**partition, sort), &update).await.expect("update");
        }
    }
    for partition in &partitions {
        for descending in [false, true] {
            let found = bed.sorts(Query { descending, ..all(partition) }).await;
            assert_eq!(found.len(), 3, "{partition:?}");
        }
    }
    assert!(bed.sorts(all("queries::none")).await.is_empty());
}

pub(super) async fn keep_to_the_prefix<S: Store>(bed: &Bed<S>) {
    bed.seed().await;
    for prefix in ["", "\0", "a", "a\0", "ab", "b", "c", "\u{d7ff}", "\u{10ffff}"] {
        let expected = beginning_with(prefix);
        let query = Query { prefix: prefix.to_owned(), ..all(bed.partition) };
        assert_eq!(bed.sorts(query.clone()).await, expected, "{prefix:?}");
        let descending = bed.sorts(Query { descending: true, ..query }).await;
        assert!(descending.iter().eq(expected.iter().rev()), "{prefix:?}: {descending:?}");
    }
}

pub(super) async fn page_without_gaps<S: Store>(bed: &Bed<S>) {
    bed.seed().await;
    for limit in 1..=SORTS.len() {
        for prefix in ["", "a"] {
            let expected = beginning_with(prefix);
            let query = Query { prefix: prefix.to_owned(), limit, ..all(bed.partition) };
            assert_eq!(bed.sorts(query.clone()).await, expected, "{limit} a page");
            let descending = bed.sorts(Query { descending: true, ..query }).await;
            assert!(descending.iter().eq(expected.iter().rev()), "{limit} a page: {descending:?}");
        }
    }
}

pub(super) async fn go_on_behind_a_deleted_row<S: Store>(bed: &Bed<S>) {
    bed.seed().await;
    for descending in [false, true] {
        let query = Query { descending, limit: 5, ..all(bed.partition) };
        let first = bed.page(&query).await;
        let last = first.next.expect("there are more");
        assert!(bed.delete(&last, &Condition::always()).await);
        let rest = bed.sorts(Query { limit: 1000, after: Some(last.clone()), ..query }).await;
        assert_eq!(rest.len(), SORTS.len() - 5, "behind {last:?}");
        bed.put(&last, [("sort", &*last)]).await;
    }
}

pub(super) async fn cut_pages_by_size<S: Store>(bed: &Bed<S>) {
    let sorts: Vec<_> = (0..12).map(|nth| format!("{nth:02}")).collect();
    for sort in &sorts {
        let blob = Value::Bytes(vec![1; 250 * 1024]);
        bed.put(sort, [("blob", blob), ("sort", Value::from(&**sort))]).await;
    }
    let page = bed.page(&all(bed.partition)).await;
    let bytes: usize = page.rows.iter().map(|(_, row)| row.size()).sum();
    assert!(page.next.is_some() && bytes < MAX_PAGE + MAX_ROW, "{bytes} bytes in a page");
    assert_eq!(bed.sorts(all(bed.partition)).await, sorts);
    let descending = bed.sorts(Query { descending: true, ..all(bed.partition) }).await;
    assert!(descending.iter().eq(sorts.iter().rev()), "{descending:?}");
}

pub(super) async fn read_large_partitions<S: Store>(bed: &Bed<S>) {
    let sorts: Vec<_> = (0..500).map(|nth| format!("{nth:05}")).collect();
    let puts = sorts.iter().map(|sort| bed.put(sort, [("sort", &**sort)]));
    futures_util::future::join_all(puts).await;
    assert_eq!(bed.sorts(Query { limit: 77, ..all(bed.partition) }).await, sorts);
    let query = Query { prefix: "0012".to_owned(), limit: 3, ..all(bed.partition) };
    assert_eq!(bed.sorts(query).await, sorts[120..130]);
}
