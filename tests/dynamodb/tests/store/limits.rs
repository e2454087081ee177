//! Sizes and complexity, at the limit, one below and one above.

use beldi::store::{Condition, DynamoStore, Key, MAX_ROW, Store, StoreError, Update, Updated};
use beldi::{App, Limits, Table, Value};
use dynamodb::Dynoxide;

use crate::store;

const COUNTS: Table<str, u64> = Table::new("counts");

/// What DynamoDB counts of a row besides what [`Row::size`](beldi::store::Row::size) does: the names of
/// the key attributes.
const NAMES: usize = 4;

fn bytes(length: usize) -> Value {
    Value::Bytes(vec![7; length])
}

/// Sets an attribute so that the row takes so many bytes.
async fn fill(store: &DynamoStore, key: &Key, name: &str, other: usize, size: usize) -> bool {
    let rest = size - NAMES - other - key.partition.len() - key.sort.len() - name.len();
    let update = Update::when(Condition::always()).set(name, bytes(rest));
    match store.update(key, &update).await {
        Ok(Updated::Applied(_)) => true,
        Err(error @ StoreError::RowTooLarge { .. }) => {
            assert!(error.to_string().contains("limit is 409600"), "{error}");
            false
        }
        ended => panic!("{size} bytes: {ended:?}"),
    }
}

#[tokio::test]
async fn a_row_may_take_400_kilobytes() {
    let server = Dynoxide::start();
    let store = store(server.client()).await;
    for (size, fits) in [(MAX_ROW - 1, true), (MAX_ROW, true), (MAX_ROW + 1, false)] {
        // In two updates: the server alone knows what is there already.
        let (key, half) = (Key::new("p", size.to_string()), MAX_ROW / 2);
        let first = Update::when(Condition::always()).set("half", bytes(half));
        let Ok(Updated::Applied(old)) = store.update(&key, &first).await else {
            panic!("half a row fits")
        };
        assert_eq!(fill(&store, &key, "a", "half".len() + half, size).await, fits, "{size}");
        let new = store.get(&key).await.unwrap();
        assert_eq!(new.as_ref() == Some(&old), !fits, "all or nothing");
    }
}

/// DynamoDB charges an update for its own words as well, some dozens of bytes.
#[tokio::test]
async fn one_update_may_take_nearly_as_much() {
    let server = Dynoxide::start();
    let store = store(server.client()).await;
    for (size, fits) in [(MAX_ROW - 100, true), (MAX_ROW + 1, false), (2 * MAX_ROW, false)] {
        let key = Key::new("p", size.to_string());
        assert_eq!(fill(&store, &key, "a", 0, size).await, fits, "{size}");
        assert_eq!(store.get(&key).await.unwrap().is_some(), fits);
    }
}

#[tokio::test]
async fn a_condition_may_have_300_operators() {
    let server = Dynoxide::start();
    let store = store(server.client()).await;
    let key = Key::new("p", "s");
    // Of so many conditions, the operators between them, and one before them all.
    for (conditions, fits) in [(75, true), (150, true), (151, false)] {
        let when = (0..conditions).map(|nth| Condition::equals("a", nth)).collect();
        let none = Condition::Not(Box::new(Condition::Any(when)));
        let update = Update::when(none).set("b", 1);
        match store.update(&key, &update).await {
            Ok(Updated::Applied(_)) => assert!(fits, "{conditions}"),
            Err(StoreError::TooComplex { key: found, why }) => {
                assert!(!fits && found == key && why.contains("300"), "{conditions}: {why}");
            }
            ended => panic!("{conditions} conditions: {ended:?}"),
        }
    }
}

#[beldi::ssf]
async fn count() -> u64 {
    COUNTS.update("ritz", |count| *count.insert(count.unwrap_or(0) + 1)).await
}

#[tokio::test]
async fn the_most_marks_of_a_head_can_be_spilled() {
    let server = Dynoxide::start();
    let app = App::new("travel").ssf(count).limits(Limits { marks: 100, ..Limits::default() });
    let host = app.open(store(server.client()).await).unwrap();
    for nth in 1..=250 {
        assert_eq!(host.call(count()).await.unwrap(), nth);
    }
}

#[tokio::test]
async fn an_update_may_take_4_kilobytes() {
    let server = Dynoxide::start();
    let store = store(server.client()).await;
    for (attributes, fits) in [(64, true), (400, true), (500, false)] {
        let set = (0..attributes).map(|nth| (format!("mark {nth}"), Value::from(nth)));
        let update = Update { set: set.collect(), ..Update::when(Condition::always()) };
        let ended = store.update(&Key::new("p", attributes.to_string()), &update).await;
        match ended {
            Ok(Updated::Applied(row)) => assert!(fits && row.0.len() == 400.min(update.set.len())),
            Err(StoreError::TooComplex { why, .. }) => {
                assert!(!fits && why.contains("4096"), "{why}");
            }
            ended => panic!("{attributes} attributes: {ended:?}"),
        }
    }
}

#[tokio::test]
async fn what_no_attribute_can_hold_is_refused() {
    let server = Dynoxide::start();
    let store = store(server.client()).await;
    let key = Key::new("p", "s");
    let odd = [f64::NAN, f64::INFINITY, 1e126, 1e-131].map(Value::Float);
    for value in odd.into_iter().chain([Value::Int(i128::MAX)]) {
        let value = Value::List(vec![value]);
        let update = Update::when(Condition::always()).set("a", value);
        let error = store.update(&key, &update).await.unwrap_err();
        assert!(matches!(error, StoreError::Unstorable { .. }), "{error}");
    }
    assert_eq!(store.get(&key).await.unwrap(), None);
}
