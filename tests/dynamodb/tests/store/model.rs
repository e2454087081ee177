//! Random commands: the DynamoDB store answers each as the store in memory does.
//!
//! Left out is what the two may do differently: whole numbers that were stored as floats, adding to what
//! is not a whole number, rows that are too large, rows without an order in the due index.

use beldi::Value;
use beldi::store::{
    Compare, Condition, DUE_ORDER, DUE_SHARD, DueQuery, Field, Key, MemoryStore, Query, Row, Store,
    Update,
};
use beldi::testing::seeds;
use dynamodb::Dynoxide;
use fastrand::Rng;

const TEXTS: [&str; 7] = ["a", "b", "a\0", "aé", "", "\u{10ffff}", "ab"];
const NAMES: [&str; 5] = ["a", "b", "size", "a.b", "\0"];
const COUNTS: [&str; 2] = ["n", "count"];
const SHARDS: [&str; 2] = ["x", "y"];

fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.usize(..from.len())]
}

fn several<T>(rng: &mut Rng, most: usize, mut one: impl FnMut(&mut Rng) -> T) -> Vec<T> {
    (0..rng.usize(0..=most)).map(|_| one(rng)).collect()
}

fn key(rng: &mut Rng) -> Key {
    Key::new(pick(rng, &TEXTS[..3]), pick(rng, &TEXTS))
}

fn value(rng: &mut Rng, depth: u32) -> Value {
    match rng.u32(0..if depth == 0 { 7 } else { 9 }) {
        0 => Value::Null,
        1 => Value::from(rng.bool()),
        2 => Value::from(rng.i64(-3..4)),
        3 => Value::Int(i128::from(rng.i64(..)) * 1_000_000_007),
        4 => Value::Float(rng.i32(-3..4) as f64 + 0.5),
        5 => Value::from(pick(rng, &TEXTS)),
        6 => Value::Bytes(several(rng, 3, |rng| rng.u8(..))),
        7 => Value::List(several(rng, 3, |rng| value(rng, depth - 1))),
        _ => Value::map(several(rng, 3, |rng| (pick(rng, &NAMES), value(rng, depth - 1)))),
    }
}

fn field(rng: &mut Rng) -> Field {
    let all: Vec<_> = [&NAMES[..], &COUNTS, &[DUE_SHARD, DUE_ORDER]].concat();
    let first = pick(rng, &all).to_owned();
    let inner = several(rng, 2, |rng| pick(rng, &NAMES).to_owned());
    Field(std::iter::once(first).chain(if rng.bool() { inner } else { Vec::new() }).collect())
}

fn condition(rng: &mut Rng, depth: u32) -> Condition {
    let compares = [Compare::Less, Compare::LessOrEqual, Compare::Greater, Compare::GreaterOrEqual];
    match rng.u32(0..if depth == 0 { 6 } else { 9 }) {
        0 | 1 => Condition::always(),
        2 => Condition::Exists(field(rng)),
        3 => Condition::Absent(field(rng)),
        4 => Condition::Equals(field(rng), value(rng, 1)),
        5 => Condition::Compares(field(rng), compares[rng.usize(..4)], value(rng, 1)),
        6 => Condition::All(several(rng, 3, |rng| condition(rng, depth - 1))),
        7 => Condition::Any(several(rng, 3, |rng| condition(rng, depth - 1))),
        _ => Condition::Not(Box::new(condition(rng, depth - 1))),
    }
}

fn update(rng: &mut Rng) -> Update {
    let mut set = several(rng, 3, |rng| (pick(rng, &NAMES).to_owned(), value(rng, 2)));
    set.extend(several(rng, 1, |rng| (pick(rng, &COUNTS).to_owned(), Value::from(rng.i64(-3..4)))));
    let add = several(rng, 3, |rng| (pick(rng, &COUNTS).to_owned(), rng.i64(-3..4)));
    let mut remove =
        several(rng, 2, |rng| pick(rng, &["a", "b", "size", "n", DUE_SHARD, DUE_ORDER]).to_owned());
    if rng.bool() {
        set.push((DUE_SHARD.to_owned(), Value::from(pick(rng, &SHARDS))));
        set.push((DUE_ORDER.to_owned(), Value::from(rng.u64(0..4))));
        remove.retain(|name| name != DUE_SHARD && name != DUE_ORDER);
    }
    Update { when: condition(rng, 2), set, add, remove }
}

/// All rows of a query from a place on, page by page.
async fn rows(store: &impl Store, mut query: Query) -> Vec<(Key, Row)> {
    let mut rows = Vec::new();
    loop {
        let page = store.query(&query).await.unwrap();
        assert!(page.rows.len() <= query.limit.max(1));
        rows.extend(page.rows);
        query.after = page.next;
        if query.after.is_none() {
            return rows;
        }
    }
}

/// All rows that are due, by order and key.
async fn due(store: &impl Store, mut query: DueQuery) -> Vec<(Key, Row)> {
    let mut rows = Vec::new();
    loop {
        let page = store.due(&query).await.unwrap();
        rows.extend(page.rows);
        query.after = page.next;
        if query.after.is_none() {
            rows.sort_by_key(|(key, row)| (row.int(DUE_ORDER), key.clone()));
            return rows;
        }
    }
}

/// What a store answers to the next command, in words.
async fn answer(store: &impl Store, rng: &mut Rng) -> String {
    match rng.u32(0..20) {
        0..12 => {
            let (key, update) = (key(rng), update(rng));
            format!("{update:?} of {key}: {:?}", store.update(&key, &update).await)
        }
        12 | 13 => {
            let key = key(rng);
            format!("get {key}: {:?}", store.get(&key).await)
        }
        14 | 15 => {
            let (key, when) = (key(rng), condition(rng, 2));
            format!("delete {key} if {when:?}: {:?}", store.delete(&key, &when).await)
        }
        16..18 => {
            let query = Query {
                partition: pick(rng, &TEXTS).to_owned(),
                prefix: pick(rng, &TEXTS).to_owned(),
                descending: rng.bool(),
                limit: rng.usize(0..4),
                after: rng.bool().then(|| pick(rng, &TEXTS).to_owned()),
            };
            format!("{query:?}: {:?}", rows(store, query.clone()).await)
        }
        _ => {
            let up_to = if rng.bool() { u64::MAX } else { rng.u64(0..4) };
            let (shard, limit) = (pick(rng, &SHARDS).to_owned(), rng.usize(0..4));
            let query = DueQuery { shard, up_to, limit, after: None };
            format!("{query:?}: {:?}", due(store, query.clone()).await)
        }
    }
}

#[tokio::test]
async fn it_answers_as_the_memory_store() {
    let server = Dynoxide::start();
    for seed in seeds(20) {
        let store = crate::patient(server.client(), &format!("seed-{seed}"));
        store.create_table().await.unwrap();
        let (model, mut rng) = (MemoryStore::new(), Rng::with_seed(seed));
        for _ in 0..60 {
            let mut same = rng.clone();
            let expected = answer(&model, &mut rng).await;
            assert_eq!(answer(&store, &mut same).await, expected, "BELDI_SEED={seed}");
        }
    }
}
