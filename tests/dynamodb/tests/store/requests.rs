//! How many requests arrive for each operation, and that pages without rows are not the end.

use beldi::store::{
    Condition, DUE_ORDER, DUE_SHARD, DueQuery, DynamoStore, Key, Query, Store, Update, Updated,
};
use beldi::testing::dynamodb::{Wire, WireFault, WireFaults};
use dynamodb::Dynoxide;

use crate::patient;

/// What is sent while something is done.
async fn sent(wire: &Wire, doing: impl Future<Output = ()>) -> Vec<(String, u64)> {
    let before = wire.requests();
    doing.await;
    let more = wire.requests().into_iter().map(|(operation, count)| {
        let before = before.get(&operation).copied().unwrap_or(0);
        (operation, count - before)
    });
    more.filter(|(_, count)| *count > 0).collect()
}

async fn put_due(store: &DynamoStore, sort: &str, order: u64) {
    let update = Update::when(Condition::always()).set(DUE_SHARD, "s").set(DUE_ORDER, order);
    store.update(&Key::new("p", sort), &update).await.unwrap();
}

fn all() -> Query {
    let (partition, prefix) = ("p".to_owned(), String::new());
    Query { partition, prefix, descending: false, limit: 100, after: None }
}

#[tokio::test]
async fn every_operation_is_one_request() {
    let server = Dynoxide::start();
    let wire = Wire::to(&server.url());
    let store = patient(wire.client(), "travel");
    store.create_table().await.unwrap();
    let key = Key::new("p", "s");
    let one = |operation: &str| vec![(operation.to_owned(), 1)];

    let create = Update::when(Condition::absent("a")).set("a", 1).add("n", 2);
    let applied = async {
        assert!(matches!(store.update(&key, &create).await, Ok(Updated::Applied(_))));
    };
    assert_eq!(sent(&wire, applied).await, one("UpdateItem"));
    let refused = async {
        let refused = store.update(&key, &create).await.unwrap();
        assert!(matches!(refused, Updated::Refused(Some(row)) if row.int("n") == Some(2)));
    };
    assert_eq!(sent(&wire, refused).await, one("UpdateItem"));
    let got = async { assert!(store.get(&key).await.unwrap().is_some()) };
    assert_eq!(sent(&wire, got).await, one("GetItem"));
    let found = async { assert_eq!(store.query(&all()).await.unwrap().rows.len(), 1) };
    assert_eq!(sent(&wire, found).await, one("Query"));
    let due = DueQuery { shard: "s".into(), up_to: 9, limit: 9, after: None };
    let none = async { assert!(store.due(&due).await.unwrap().rows.is_empty()) };
    assert_eq!(sent(&wire, none).await, one("Query"));
    let kept = async { assert!(!store.delete(&key, &Condition::absent("a")).await.unwrap()) };
    assert_eq!(sent(&wire, kept).await, one("DeleteItem"));
    let gone = async { assert!(store.delete(&key, &Condition::exists("a")).await.unwrap()) };
    assert_eq!(sent(&wire, gone).await, one("DeleteItem"));
}

#[tokio::test]
async fn an_empty_page_is_not_the_end() {
    let server = Dynoxide::start();
    patient(server.client(), "travel").create_table().await.unwrap();
    let empty: WireFaults = "empty-page=0.6, seed=3".parse().unwrap();
    let wire = Wire::to(&server.url()).faults(empty);
    let store = patient(wire.client(), "travel");
    for order in 0..20 {
        put_due(&store, &format!("{order:02}"), order).await;
    }
    for limit in [1, 3, 100] {
        let (mut query, mut found) = (Query { limit, ..all() }, 0);
        let mut due = DueQuery { shard: "s".into(), up_to: 99, limit, after: None };
        loop {
            let page = store.query(&query).await.unwrap();
            assert!(!page.rows.is_empty() || page.next.is_none());
            found += page.rows.len();
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        loop {
            let page = store.due(&due).await.unwrap();
            found += page.rows.len();
            due.after = page.next;
            if due.after.is_none() {
                break;
            }
        }
        assert_eq!(found, 40, "{limit} a page");
    }
    assert!(wire.injected()[&WireFault::EmptyPage] > 20);
}
