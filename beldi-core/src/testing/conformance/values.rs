//! Values come back as they were, whichever request shows them.

use super::Bed;
use crate::Value;
use crate::store::{Condition, Query, Row, Store, Update, Updated};

/// The largest whole number of 38 digits.
const LARGEST: i128 = 10_i128.pow(38) - 1;

fn kinds() -> Vec<(&'static str, Value)> {
    let list = vec![Value::Null, Value::from(1), Value::from("x"), Value::List(Vec::new())];
    vec![
        ("null", Value::Null),
        ("true", Value::Bool(true)),
        ("false", Value::Bool(false)),
        ("zero", Value::from(0)),
        ("largest", Value::Int(LARGEST)),
        ("smallest", Value::Int(-LARGEST)),
        ("i64", Value::from(i64::MIN)),
        ("u64", Value::from(u64::MAX)),
        ("half", Value::Float(0.5)),
        ("third", Value::Float(-1.0 / 3.0)),
        ("tiny", Value::Float(1.5e-100)),
        ("huge", Value::Float(1.7e100)),
        ("text", Value::from("zażółć \u{10FFFF}\0 end")),
        ("empty text", Value::from("")),
        ("bytes", Value::Bytes((0..=255).collect())),
        ("empty bytes", Value::Bytes(Vec::new())),
        ("list", Value::List(list)),
        ("map", Value::map([("", Value::from(1)), ("a.b", Value::from("x")), ("#c", Value::Null)])),
        ("empty map", Value::map::<&str>([])),
        ("name: \u{1F511} size[0]", Value::from("an odd name")),
    ]
}

pub(super) async fn come_back_as_they_were<S: Store>(bed: &Bed<S>) {
    let kinds = kinds().into_iter().map(|(name, value)| (name.to_owned(), value));
    let expected = Row(kinds.clone().collect());
    let create = Update { set: kinds.collect(), ..Update::when(Condition::always()) };
    assert_eq!(bed.update("row", &create).await, Updated::Applied(expected.clone()));
    assert_eq!(bed.get("row").await.as_ref(), Some(&expected));

    let never = Update::when(Condition::Any(Vec::new())).set("a", 1);
    assert_eq!(bed.refuse("row", &never).await.as_ref(), Some(&expected));

    let query = Query {
        partition: bed.partition.to_owned(),
        prefix: String::new(),
        descending: false,
        limit: 10,
        after: None,
    };
    let page = bed.store.query(&query).await.expect("query");
    assert_eq!(page.rows, [(bed.key("row"), expected)]);
}

pub(super) async fn nest<S: Store>(bed: &Bed<S>) {
    let nested = (0..12).fold(Value::from("core"), |inner, level| match level % 2 {
        0 => Value::List(vec![inner, Value::from(level)]),
        _ => Value::map([("inner", inner), ("level", Value::from(level))]),
    });
    let row = bed.put("row", [("nested", nested.clone())]).await;
    assert_eq!(row.get("nested"), Some(&nested));
    assert_eq!(bed.get("row").await, Some(row));
}
