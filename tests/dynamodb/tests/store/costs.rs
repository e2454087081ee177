//! What handlers cost in HTTP requests, counted where they leave: the limits that `tests/cost.rs` holds in
//! round trips.

use std::cell::RefCell;
use std::time::Duration;

use beldi::store::DynamoStore;
use beldi::testing::dynamodb::Wire;
use beldi::testing::{Fault, RequestKind, World, in_virtual_time};
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

/// What was begun and nobody waits for is done after it.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Stores in new tables of these names, over one way whose requests are counted from now on.
async fn stores<const N: usize>(server: &Dynoxide, tables: [&str; N]) -> [DynamoStore; N] {
    let wire = Wire::to(&server.url());
    let stores = tables.map(|table| patient(wire.client(), table));
    for store in &stores {
        store.create_table().await.unwrap();
    }
    WIRE.set(Some(wire));
    LAPS.take();
    stores
}

/// A host whose collectors have looked whether there is something to do.
async fn host(server: &Dynoxide, app: App) -> Host {
    let [store] = stores(server, ["costs"]).await;
    let host = app.open(store).unwrap();
    a_moment().await;
    host
}

/// Two services of different owners, without collectors until they are asked.
async fn world(server: &Dynoxide) -> World {
    let [own, other] = stores(server, ["costs", "payments"]).await;
    let payments = App::new("payments").ssf(payments::charge);
    let app = App::new("costs").ssf(one_put).ssf(two_items).ssf(two_callees).ssf(pay);
    World::new(app.ssf(take_one)).over(|_| own).with(World::new(payments).over(|_| other))
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
    COUNTS.lock("locked").await.unwrap();
    lap("lock");
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
            ("lock", 1),
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
fn reads_send_one_request_each_and_so_do_locks_but_the_first() {
    let server = Dynoxide::start();
    in_virtual_time(async {
        let app = App::new("costs").ssf(tree).ssf(leaf).ssf(two_items);
        let host = host(&server, app).await;
        lap("");
        host.call(tree()).await.unwrap();
        lap("read-only tree of 5 reads");
        host.call(two_items()).await.unwrap().unwrap();
        // Beside the first lock of a request that is not registered, whether a root stands under its key.
        assert_eq!(laps(), [("read-only tree of 5 reads", 5), ("locks of 2 items", 3)]);
    });
}

#[beldi::ssf]
async fn one_put() {
    COUNTS.put("one", &1).await;
    lap("root start and put");
}

/// The finish follows the reply.
#[test]
fn a_root_is_finished_with_one_request() {
    let server = Dynoxide::start();
    in_virtual_time(async {
        let world = world(&server).await;
        lap("");
        world.call(one_put()).await.unwrap();
        lap("reply");
        a_moment().await;
        lap("finish");
        assert_eq!(laps(), [("root start and put", 2), ("reply", 0), ("finish", 1)]);
    });
}

#[beldi::ssf]
async fn take_one(key: String) -> Result<(), String> {
    let left = COUNTS.get(&key).await.unwrap_or(9).checked_sub(1).ok_or("none left")?;
    COUNTS.put(&key, &left).await;
    lap("lock in a callee");
    Ok(())
}

#[beldi::txn]
async fn two_callees() -> Result<(), String> {
    take_one("hotel".into()).await?;
    take_one("flight".into()).await
}

mod payments {
    use super::{COUNTS, lap};

    #[beldi::ssf]
    pub(super) async fn charge() -> Result<(), String> {
        let left = COUNTS.get("balance").await.unwrap_or(9).checked_sub(1).ok_or("none left")?;
        COUNTS.put("balance", &left).await;
        lap("lock elsewhere");
        Ok(())
    }
}

#[beldi::ssf(service = "payments")]
async fn charge() -> Result<(), String>;

#[beldi::txn]
async fn pay() -> Result<(), String> {
    take_one("hotel".into()).await?;
    charge().await?;
    lap("vote");
    Ok(())
}

/// n items, r callees in other services: n + r + 1 one after another to the reply, and what is done beside them.
#[test]
fn transactions_send_what_they_may() {
    let server = Dynoxide::start();
    in_virtual_time(async {
        let world = world(&server).await;
        lap("");
        world.call(two_items()).await.unwrap().unwrap();
        lap("decision");
        a_moment().await;
        lap("settled");
        world.call(two_callees()).await.unwrap().unwrap();
        lap("decision");
        a_moment().await;
        lap("settled");
        world.call(pay()).await.unwrap().unwrap();
        lap("decision");
        a_moment().await;
        lap("settled");
        let limits = [
            // Beside the first, whether a root stands under the key.
            ("locks of 2 items", 3),
            ("decision", 1),
            // Both items; the finish, for which the decision stood, is handed over.
            ("settled", 4),
            ("lock in a callee", 2),
            ("lock in a callee", 1),
            ("decision", 1),
            ("settled", 4),
            ("lock in a callee", 2),
            // The root is registered beside it.
            ("lock elsewhere", 2),
            ("vote", 1),
            ("decision", 1),
            // The other service looks what it has prepared; both items, and the finish.
            ("settled", 4),
        ];
        assert_eq!(laps(), limits);
    });
}

#[beldi::ssf]
async fn steps() {
    for step in 0..20 {
        let count = COUNTS.get("steps").await.unwrap_or(0);
        COUNTS.put("steps", &(count + step)).await;
    }
    lap("replay of 40 steps");
    COUNTS.put("new", &1).await;
    lap("put");
}

/// The claim and the journal, and the put after the last slot once more.
#[test]
fn a_replay_sends_what_it_may() {
    let server = Dynoxide::start();
    in_virtual_time(async {
        let [store] = stores(&server, ["costs"]).await;
        let world = World::new(App::new("costs").ssf(steps)).over(|_| store);
        world.store().script(|request| match request.kind {
            RequestKind::Update if request.target == "table/counts/new" => Fault::CrashBefore,
            _ => Fault::None,
        });
        tokio::select! {
            _ = IntoFuture::into_future(world.call(steps())) => unreachable!("the host dies"),
            () = world.store().died() => {}
        }
        LAPS.take();
        let mut is_begun = false;
        world.store().script(move |request| {
            if request.kind != RequestKind::Due && !std::mem::replace(&mut is_begun, true) {
                lap("");
            }
            Fault::None
        });
        world.new_host().settle().await.unwrap();
        assert_eq!(laps(), [("replay of 40 steps", 3), ("put", 1)]);
    });
}
