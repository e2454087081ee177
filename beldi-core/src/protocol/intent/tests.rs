use super::*;
use crate::path::Path;
use crate::store::MemoryStore;
use crate::value::Value;

fn root() -> Intent {
    let root = Intent::new("order-17".into(), "order", Value::Null, 1_800_000_000_000);
    Intent { by: "run 1".into(), attempts: 1, ..root }
}

fn first_slot() -> Slot {
    let (instance, reached) = (root().instance("shop"), Path::default());
    Slot { instance, number: 0, code: 0, by: "run 1".into(), reached, entries: Vec::new() }
}

#[tokio::test]
async fn a_registration_that_is_delivered_twice_is_the_runs_own() {
    for first in [None, Some(first_slot())] {
        let store = MemoryStore::new();
        for _ in 0..2 {
            let registered = register(&store, &root(), first.as_ref()).await.unwrap();
            assert!(matches!(registered, Registered::Mine), "{registered:?}");
        }
    }
}

/// It has the name of the run that decided, but neither its first slot nor its result.
#[tokio::test]
async fn what_a_collector_registered_is_not_the_runs_own() {
    let store = MemoryStore::new();
    register(&store, &root(), None).await.unwrap();
    let done = Intent { state: State::Done(Value::from(1)), ..root() };
    for registered in [
        register(&store, &root(), Some(&first_slot())).await.unwrap(),
        register(&store, &done, None).await.unwrap(),
    ] {
        assert!(matches!(registered, Registered::Theirs(_)), "{registered:?}");
    }
}
