//! What handlers cost in HTTP requests, counted where they leave: the limits that `tests/cost.rs` holds in
//! round trips.

use std::cell::RefCell;
use std::time::Duration;

use beldi::testing::dynamodb::Wire;
use beldi::testing::in_virtual_time;
use beldi::{App, Host, Table, When};
use dynamodb::Dynoxide;

use crate::patient;

const COUNTS: Table<str, u64> = Table::new("counts");

thread_local! {
    static WIRE: RefCell<Option<Wire>> = const { RefCell::new(None) };
    static LAPS: RefCell<Vec<(&'static str, u64)>> = const { RefCell::new(Vec::new()) };
}

fn requests() -> u64 {
    WIRE.with_borrow(|wire| wire.iter().flat_map(|wire| wire.requests().into_values()).sum())
}

/// Ends what is called so.
fn lap(name: &'static str) {
    LAPS.with_borrow_mut(|laps| laps.push((name, requests())));
}

/// Each lap with its requests, from the first on.
fn laps() -> Vec<(&'static str, u64)> {
    let laps = LAPS.take();
    laps.windows(2).map(|pair| (pair[1].0, pair[1].1 - pair[0].1)).collect()
}

/// A host whose collectors have looked whether there is something to do.
async fn host(server: &Dynoxide, app: App) -> Host {
    let wire = Wire::to(&server.url());
    let store = patient(wire.client(), "costs");
    store.create_table().await.unwrap();
    WIRE.set(Some(wire));
    LAPS.take();
    let host = app.open(store).unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    host
}

#[beldi::ssf]
async fn nothing() {}

#[beldi::ssf]
async fn operations() {
    lap("");
    COUNTS.put("first", &0).await;
    lap("root start and put");
    COUNTS.put("five", &5).await;
    lap("put");
    COUNTS.delete("first").await;
    lap("delete");
    let holds = COUNTS.put("five", &6).when(When::equals(&5)).await;
    lap("put when true");
    let fails = COUNTS.put("five", &7).when(When::equals(&5)).await;
    lap("put when false");
    COUNTS.update("five", |count| *count = Some(count.unwrap_or(0) + 1)).await;
    lap("update");
    nothing().send().await;
    lap("send");
    nothing().await;
    lap("call");
    let seen = COUNTS.get("five").await;
    lap("get");
    assert_eq!((holds, fails, seen), (true, false, Some(7)));
}

#[test]
fn operations_send_what_they_may() {
    let server = Dynoxide::start();
    in_virtual_time(async {
        let host = host(&server, App::new("costs").ssf(operations).ssf(nothing)).await;
        host.call(operations()).await.unwrap();
        let limits = [
            ("root start and put", 2),
            ("put", 1),
            ("delete", 1),
            ("put when true", 1),
            ("put when false", 2),
            ("update", 2),
            ("send", 1),
            ("call", 0),
            ("get", 1),
        ];
        assert_eq!(laps(), limits);
    });
}

#[beldi::ssf(read_only)]
async fn tree() -> u64 {
    let own = COUNTS.get("a").await.unwrap_or(0);
    own + leaf("b".into()).await + leaf("c".into()).await
}

#[beldi::ssf(read_only)]
async fn leaf(name: String) -> u64 {
    let first = COUNTS.get(&name).await.unwrap_or(0);
    first + COUNTS.get(&format!("{name}{first}")).await.unwrap_or(0)
}

#[beldi::txn]
async fn two_items() -> Result<(), ()> {
    let one = COUNTS.get("one").await.unwrap_or(0);
    let two = COUNTS.get("two").await.unwrap_or(0);
    COUNTS.put("one", &(one + 1)).await;
    COUNTS.put("two", &(two + 1)).await;
    lap("locks of 2 items");
    Ok(())
}

#[test]
fn reads_and_locks_send_one_request_each() {
    let server = Dynoxide::start();
    in_virtual_time(async {
        let app = App::new("costs").ssf(tree).ssf(leaf).ssf(two_items);
        let host = host(&server, app).await;
        lap("");
        host.call(tree()).await.unwrap();
        lap("read-only tree of 5 reads");
        host.call(two_items()).await.unwrap().unwrap();
        assert_eq!(laps(), [("read-only tree of 5 reads", 5), ("locks of 2 items", 2)]);
    });
}
