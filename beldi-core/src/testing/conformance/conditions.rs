//! Every kind of condition, on every kind of attribute it may meet.

use super::{Bed, row};
use crate::Value;
use crate::store::Compare::{Greater, GreaterOrEqual, Less, LessOrEqual};
use crate::store::Condition::{self, Absent, All, Any, Compares, Equals, Exists, Not};
use crate::store::{Compare, Field, Row, Store, Update};

const SAFE: i64 = 1 << 53;

fn subject() -> Row {
    let mut row = row([("int", 5), ("zero", 0)]);
    row.0.extend([
        ("big".to_owned(), Value::from(SAFE + 1)),
        ("float".to_owned(), Value::Float(2.5)),
        ("text".to_owned(), Value::from("m")),
        ("bytes".to_owned(), Value::Bytes(vec![1, 255])),
        ("bool".to_owned(), Value::Bool(true)),
        ("null".to_owned(), Value::Null),
        ("list".to_owned(), Value::List(vec![Value::from(1), Value::from("x")])),
        ("deep".to_owned(), deep(7)),
    ]);
    row
}

fn deep(down: i64) -> Value {
    Value::map([("far", Value::map([("down", Value::from(down))]))])
}

fn path<const N: usize>(path: [&str; N]) -> Field {
    Field(path.map(str::to_owned).to_vec())
}

fn equals(name: &str, value: impl Into<Value>) -> Condition {
    Condition::equals(name, value)
}

fn compares(name: &str, compare: Compare, value: impl Into<Value>) -> Condition {
    Condition::compares(name, compare, value)
}

/// Conditions that hold on the [`subject`].
fn holding() -> Vec<Condition> {
    let down = path(["deep", "far", "down"]);
    vec![
        Condition::always(),
        Exists(Field::attribute("null")),
        Exists(down.clone()),
        Absent(Field::attribute("none")),
        Absent(path(["deep", "far", "up"])),
        Absent(path(["int", "inner"])),
        equals("int", 5),
        equals("int", Value::Float(5.0)),
        equals("float", Value::Float(2.5)),
        equals("text", "m"),
        equals("bytes", vec![1, 255]),
        equals("bool", true),
        equals("null", Value::Null),
        equals("list", Value::List(vec![Value::from(1), Value::from("x")])),
        equals("deep", deep(7)),
        Equals(down.clone(), Value::from(7)),
        compares("int", Less, 6),
        compares("int", LessOrEqual, 5),
        compares("int", Greater, Value::Float(4.5)),
        compares("int", GreaterOrEqual, 5),
        compares("int", Greater, -1),
        compares("float", Less, 3),
        compares("big", Greater, Value::Float(SAFE as f64)),
        compares("text", Greater, "Z"),
        compares("text", Less, "ma"),
        compares("bytes", Greater, vec![1, 254, 9]),
        Compares(down, GreaterOrEqual, Value::from(7)),
        All(vec![equals("int", 5), equals("text", "m")]),
        Any(vec![equals("int", 6), equals("text", "m")]),
        Not(Box::new(equals("int", 6))),
        Not(Box::new(equals("none", 6))),
        Not(Box::new(Any(Vec::new()))),
    ]
}

/// Conditions that do not hold on the [`subject`], nor on a row that is not there.
fn failing() -> Vec<Condition> {
    vec![
        Any(Vec::new()),
        Exists(Field::attribute("none")),
        Exists(path(["deep", "far", "up"])),
        Exists(path(["text", "inner"])),
        equals("none", 5),
        equals("int", 6),
        equals("int", "5"),
        equals("zero", false),
        equals("zero", Value::Null),
        equals("big", Value::Float(SAFE as f64)),
        equals("text", ""),
        equals("bytes", "m"),
        equals("list", Value::List(vec![Value::from(1)])),
        equals("deep", deep(8)),
        compares("none", Less, 5),
        compares("none", GreaterOrEqual, 5),
        compares("int", Less, 5),
        compares("int", Greater, 5),
        compares("int", Less, "6"),
        compares("text", Less, 6),
        compares("bool", Less, 6),
        compares("list", GreaterOrEqual, 0),
        Compares(path(["deep", "far", "up"]), Less, Value::from(7)),
        All(vec![equals("int", 5), equals("text", "n")]),
        Any(vec![equals("int", 6), equals("text", "n")]),
        Not(Box::new(Condition::always())),
    ]
}

pub(super) async fn hold_as_in_the_table<S: Store>(bed: &Bed<S>) {
    let create =
        Update { set: subject().0.into_iter().collect(), ..Update::when(Condition::always()) };
    bed.apply("row", &create).await;
    for condition in holding() {
        let touched = bed.apply("row", &Update::when(condition).add("touched", 1)).await;
        assert_eq!(touched.text("text"), Some("m"));
    }
    let touched = bed.get("row").await;
    assert_eq!(touched.as_ref().and_then(|row| row.int("touched")), Some(holding().len() as i128));
    for condition in failing() {
        assert_eq!(bed.refuse("row", &Update::when(condition).add("touched", 1)).await, touched);
    }
}

pub(super) async fn judge_an_absent_row_as_one_without_attributes<S: Store>(bed: &Bed<S>) {
    for condition in failing() {
        assert_eq!(bed.refuse("none", &Update::when(condition).set("a", 1)).await, None);
        assert_eq!(bed.get("none").await, None);
    }
    let holding = [
        Condition::always(),
        Condition::absent("a"),
        Not(Box::new(equals("a", 1))),
        Not(Box::new(compares("a", Less, 1))),
    ];
    for (nth, condition) in holding.into_iter().enumerate() {
        bed.apply(&format!("new {nth}"), &Update::when(condition).set("a", 1)).await;
    }
}

pub(super) async fn guard_deletes<S: Store>(bed: &Bed<S>) {
    let old = bed.put("row", [("int", 5)]).await;
    for condition in failing() {
        assert!(!bed.delete("row", &condition).await, "{condition:?}");
    }
    assert_eq!(bed.get("row").await, Some(old));
    assert!(!bed.delete("none", &Condition::exists("int")).await);
    assert!(bed.delete("row", &compares("int", Less, 6)).await);
    assert_eq!(bed.get("row").await, None);
}
