//! Random commands: the embedded store answers each as the memory store does, also when reopened.

use beldi::Value;
use beldi::store::{
    Compare, Condition, DUE_ORDER, DUE_SHARD, DueQuery, EmbeddedStore, Key, MemoryStore, Query,
    Store, Update,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Clone, Debug)]
enum Command {
    Get(Key),
    Update(Key, Update),
    Delete(Key, Condition),
    Query(Query),
    Due(DueQuery),
    Reopen,
}

fn text() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "b", "\0", "é", "\u{10ffff}"]), 0..3).prop_map(|parts| parts.concat())
}

fn name() -> impl Strategy<Value = String> {
    select(vec!["a", "b", DUE_SHARD, DUE_ORDER]).prop_map(str::to_owned)
}

fn key() -> impl Strategy<Value = Key> {
    (text(), text()).prop_map(|(partition, sort)| Key::new(partition, sort))
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-2_i64..5).prop_map(Value::from),
        (-2_i64..5).prop_map(|n| Value::Float(n as f64 / 2.0)),
        select(vec!["a", "b"]).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        // Half of a page's bytes, so that pages are cut by size as well.
        Just(Value::Bytes(vec![0; 300_000])),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let compare = select(vec![Compare::Less, Compare::GreaterOrEqual]);
    let leaf = prop_oneof![
        Just(Condition::always()),
        Just(Condition::always()),
        name().prop_map(Condition::exists),
        name().prop_map(Condition::absent),
        (name(), value()).prop_map(|(name, value)| Condition::equals(name, value)),
        (name(), compare, value()).prop_map(|(name, c, value)| Condition::compares(name, c, value)),
    ];
    leaf.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Condition::All),
            vec(inner.clone(), 0..3).prop_map(Condition::Any),
            inner.prop_map(|inner| Condition::Not(Box::new(inner))),
        ]
    })
}

fn update() -> impl Strategy<Value = Update> {
    let set = vec((name(), value()), 0..4);
    let add = vec((name(), -3_i64..4), 0..2);
    let due = (select(vec!["a", "b"]), 0_u64..4);
    (condition(), set, add, vec(name(), 0..2), proptest::option::of(due)).prop_map(
        |(when, set, add, remove, due)| {
            let update = Update { when, set, add, remove };
            match due {
                Some((shard, order)) => update.set(DUE_SHARD, shard).set(DUE_ORDER, order),
                None => update,
            }
        },
    )
}

fn query() -> impl Strategy<Value = Query> {
    (text(), text(), any::<bool>(), 0_usize..5, proptest::option::of(text())).prop_map(
        |(partition, prefix, descending, limit, after)| Query {
            partition,
            prefix,
            descending,
            limit,
            after,
        },
    )
}

fn due() -> impl Strategy<Value = DueQuery> {
    let after = proptest::option::of((0_u64..4, key()));
    let up_to = prop_oneof![0_u64..4, Just(u64::MAX)];
    (select(vec!["a", "b", ""]), up_to, 0_usize..5, after).prop_map(
        |(shard, up_to, limit, after)| DueQuery { shard: shard.to_owned(), up_to, limit, after },
    )
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        2 => key().prop_map(Command::Get),
        10 => (key(), update()).prop_map(|(key, update)| Command::Update(key, update)),
        2 => (key(), condition()).prop_map(|(key, when)| Command::Delete(key, when)),
        3 => query().prop_map(Command::Query),
        3 => due().prop_map(Command::Due),
        1 => Just(Command::Reopen),
    ]
}

/// What a store answers, in words.
async fn answer(store: &impl Store, command: &Command) -> String {
    match command {
        Command::Get(key) => format!("{:?}", store.get(key).await),
        Command::Update(key, update) => format!("{:?}", store.update(key, update).await),
        Command::Delete(key, when) => format!("{:?}", store.delete(key, when).await),
        Command::Query(query) => format!("{:?}", store.query(query).await),
        Command::Due(query) => format!("{:?}", store.due(query).await),
        Command::Reopen => String::new(),
    }
}

async fn compare(commands: Vec<Command>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.beldi");
    let model = MemoryStore::new();
    let mut store = Some(EmbeddedStore::open(&path).unwrap());
    for command in &commands {
        if matches!(command, Command::Reopen) {
            store = None;
        }
        let store = store.get_or_insert_with(|| EmbeddedStore::open(&path).unwrap());
        assert!(
            answer(store, command).await == answer(&model, command).await,
            "different answers to {command:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn the_embedded_store_answers_as_the_memory_store(commands in vec(command(), 1..60)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(compare(commands));
    }
}
