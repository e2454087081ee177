//! The store over a bad wire: every fault is met, and guarded updates happen once.

use beldi::store::{Condition, DynamoStore, Key, Store, StoreError, Update};
use beldi::testing::dynamodb::{Wire, WireFault, WireFaults};
use beldi::testing::in_virtual_time;
use dynamodb::Dynoxide;

use crate::patient;

/// Sends an update, as often as the store gives up.
async fn insist(store: &DynamoStore, key: &Key, update: &Update) {
    loop {
        match store.update(key, update).await {
            Ok(_) => return,
            Err(StoreError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

async fn count_to_60(wire: &Wire) -> Option<i128> {
    let store = DynamoStore::new(wire.client(), "travel");
    let key = Key::new("p", "s");
    for nth in 0..60 {
        let mark = format!("mark {nth}");
        let once = Update::when(Condition::absent(&*mark)).set(mark, true).add("count", 1);
        insist(&store, &key, &once).await;
    }
    loop {
        if let Ok(row) = store.get(&key).await {
            return row?.int("count");
        }
    }
}

#[test]
fn marked_updates_happen_once_whatever_happens_to_requests() {
    let server = Dynoxide::start();
    let plain = || DynamoStore::new(Wire::to(&server.url()).client(), "travel");
    for faults in ["1", "throttle=0.9, 2", "lost-reply=0.5, late=0.3, 3", "conflict=0.7, 4"] {
        in_virtual_time(async {
            plain().create_table().await.unwrap();
            let wire = Wire::to(&server.url()).faults(faults.parse().unwrap());
            assert_eq!(count_to_60(&wire).await, Some(60), "{faults}");
            assert!(!wire.injected().is_empty());
            plain().delete(&Key::new("p", "s"), &Condition::always()).await.unwrap();
        });
    }
}

#[test]
fn every_fault_happens() {
    let server = Dynoxide::start();
    in_virtual_time(async {
        patient(Wire::to(&server.url()).client(), "travel").create_table().await.unwrap();
        let wire = Wire::to(&server.url()).faults(WireFaults::seeded(5));
        let store = patient(wire.client(), "travel");
        for nth in 0..300 {
            let due = Update::when(Condition::always()).set("due", "s").set("ord", nth);
            store.update(&Key::new("p", format!("{nth:03}")), &due).await.unwrap();
            let query = beldi::store::DueQuery {
                shard: "s".into(),
                up_to: u64::MAX,
                limit: 5,
                after: None,
            };
            store.due(&query).await.unwrap();
        }
        let injected = wire.injected();
        for fault in [
            WireFault::LostRequest,
            WireFault::LostReply,
            WireFault::Late,
            WireFault::Throttled,
            WireFault::Conflict,
            WireFault::InProgress,
            WireFault::EmptyPage,
            WireFault::StaleIndex,
        ] {
            assert!(injected.contains_key(&fault), "{fault:?} in {injected:?}");
        }
    });
}
