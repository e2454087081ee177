//! Damage of every attribute of every kind of row: whoever meets it says so, goes on with everything
//! else, and never panics.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use beldi::store::{Condition, Key, MAX_ROW, MemoryStore, Store, Update};
use beldi::testing::{Fault, RequestKind, World, in_virtual_time};
use beldi::{App, Error, InstanceState, Limits, Table, Value};
use futures_util::FutureExt;

const ROOMS: Table<str, u32> = Table::new("rooms");
const MAILS: Table<str, u32> = Table::new("mails");

#[beldi::ssf]
async fn mail(hotel: String) {
    MAILS.put(&hotel, &1).await;
}

#[beldi::ssf]
async fn book(hotel: String) -> Result<u32, String> {
    let at = beldi::now().await;
    let free = ROOMS.get("spare").await.unwrap_or(0);
    ROOMS.put("spare", &(free + 1)).await;
    let left = beldi::txn(async {
        let left =
            ROOMS.get(&hotel).await.unwrap_or(0).checked_sub(1).ok_or("sold out".to_owned())?;
        ROOMS.put(&hotel, &left).await;
        mail(hotel.clone()).send().await;
        Ok::<_, String>(left)
    })
    .await?;
    MAILS.put("last", &u32::from(at > std::time::UNIX_EPOCH)).await;
    Ok(left)
}

/// A world in which a booking stopped before its last write, and a lock stands: it has rows of most kinds.
async fn broken_off() -> (World, Arc<MemoryStore>) {
    let mut store = None;
    let limits = Limits { attempts: 3, request_tries: 1, ..Limits::default() };
    let app = App::new("travel").ssf(book).ssf(mail).limits(limits);
    let world = World::new(app).over(|rows| {
        store = Some(Arc::clone(&rows));
        rows
    });
    let world = world.row(ROOMS, "ritz", &3);
    break_off(&world, "order-17").await;
    (world, store.unwrap())
}

async fn break_off(world: &World, key: &str) {
    world.store().script(|request| {
        let is_last = request.kind == RequestKind::Update && request.target.contains("mails");
        let is_settling = request.target.contains("rooms/ritz") && request.kind == RequestKind::Get;
        if is_last || is_settling { Fault::Fail } else { Fault::None }
    });
    let _ = world.call(book("ritz".into())).key(key).await;
    world.store().script(|_| Fault::None);
}

/// What an attribute is damaged to.
fn damaged(value: &Value) -> Vec<Value> {
    let mut damaged = vec![Value::Null, Value::Int(-1), Value::from(vec![0xff; 3])];
    if let Value::Bytes(bytes) = value {
        damaged.extend((0..bytes.len()).step_by(2).map(|position| {
            let mut bytes = bytes.clone();
            bytes[position] ^= 0x55;
            Value::Bytes(bytes)
        }));
        damaged.push(Value::Bytes(bytes[..bytes.len() / 2].to_vec()));
    }
    if let Value::Text(text) = value {
        damaged.push(Value::Text(format!("{text}?")));
    }
    damaged
}

fn attributes(rows: &MemoryStore) -> Vec<(Key, String, Value)> {
    let rows = rows.rows().into_iter();
    rows.flat_map(|(key, row)| {
        row.0.into_iter().map(move |(name, value)| (key.clone(), name, value))
    })
    .collect()
}

#[test]
fn every_attribute_may_be_damaged() {
    let all = in_virtual_time(async { attributes(&broken_off().await.1) });
    let kinds: std::collections::BTreeSet<_> =
        all.iter().map(|(key, ..)| key.partition.split('/').next().unwrap().to_owned()).collect();
    assert!(all.len() > 40, "{all:?}");
    assert!(kinds.contains("root") && kinds.contains("table"), "{kinds:?}");
    for (key, name, value) in all {
        for damage in damaged(&value) {
            in_virtual_time(async {
                let (world, rows) = broken_off().await;
                let update = Update::when(Condition::always()).set(&*name, damage.clone());
                rows.update(&key, &update).await.unwrap();
                let told = format!("{key} {name} = {damage:?}");
                let all = async {
                    let again = world.call(book("ritz".into())).key("order-17").await;
                    let settled = tokio::time::timeout(MINUTE, world.settle()).await;
                    let other = world.call(mail("savoy".into())).key("other").await;
                    (again, settled, other, world.locks().await)
                };
                let done = AssertUnwindSafe(all).catch_unwind().await;
                let (again, _, other, _) = done.unwrap_or_else(|_| panic!("{told}: a panic"));
                if let Err(error) = again {
                    assert!(error.to_string().len() > 20, "{told}: {error}");
                    assert!(!matches!(error, Error::UnknownSsf { .. }) || name == "ssf", "{told}");
                }
                assert!(other.is_ok(), "{told}: another request fails: {other:?}");
            });
        }
    }
}

/// Whatever the intent collector would note of a root has no room in its row.
#[test]
fn a_full_intent_holds_up_no_other_root() {
    in_virtual_time(async {
        let (world, rows) = broken_off().await;
        break_off(&world, "order-18").await;
        let key = Key::new("root/order-17", "intent");
        let overdue = Update::when(Condition::always()).set("attempts", 3).set("excused", 0);
        rows.update(&key, &overdue.set("next", 0).remove("reason")).await.unwrap();
        let used = rows.get(&key).await.unwrap().unwrap().size();
        let fill = "x".repeat(MAX_ROW - used - 60);
        rows.update(&key, &Update::when(Condition::always()).set("fill", fill)).await.unwrap();
        tokio::time::timeout(MINUTE, world.settle()).await.unwrap().unwrap();
        let state = async |key| world.instance(key).await.unwrap().state;
        assert_eq!(state("order-17").await, InstanceState::Running, "nor can it be parked");
        assert_eq!(state("order-18").await, InstanceState::Done);
    });
}

const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);
