//! What a block sees fits together, also in a try that others have aborted meanwhile.

use std::cell::RefCell;
use std::time::Duration;

use beldi::testing::RequestKind::Update;
use beldi::testing::{Fault, Gate, World, in_virtual_time};
use beldi::{App, Limits};

use crate::schedule::{disturb, held};
use crate::{VALUES, set};

const TXN_TIME: Duration = Duration::from_secs(1);

thread_local! {
    /// What the blocks have seen.
    static SEEN: RefCell<Vec<(u64, u64)>> = const { RefCell::new(Vec::new()) };
}

/// Locks what a value outside names, then reads two items that always change together.
#[beldi::ssf]
async fn lock_where_told_and_look() -> Result<(), String> {
    VALUES.put("begun", &1).await;
    let place = VALUES.get("place").await.unwrap_or(0);
    beldi::txn(async {
        VALUES.get(&format!("at-{place}")).await;
        let y = VALUES.get("y").await.unwrap_or(0);
        let z = VALUES.get("z").await.unwrap_or(0);
        SEEN.with_borrow_mut(|seen| seen.push((y, z)));
        Ok(())
    })
    .await
}

#[beldi::txn]
async fn set_both(value: u64) -> Result<(), String> {
    VALUES.put("y", &value).await;
    VALUES.put("z", &value).await;
    Ok(())
}

fn world() -> World {
    let limits = Limits { txn_time: TXN_TIME, ..Limits::default() };
    let app = App::new("opacity").limits(limits).ssf(set).ssf(set_both);
    World::new(app.ssf(lock_where_told_and_look))
}

#[test]
fn an_attempt_does_not_rely_on_locks_that_an_earlier_one_makes_overdue() {
    in_virtual_time(async {
        let (world, gate) = (world(), Gate::default());
        // The first attempt locks `at-0`, and is gone before the log says why.
        let log = Fault::WaitBefore(Gate::default());
        disturb(world.store(), [(Update, "root/k/slot/*", log)]);
        let first = async { world.call(lock_where_told_and_look()).key("k").await };
        let _ = tokio::time::timeout(TXN_TIME * 7 / 10, first).await;
        // The second locks `at-2` and `y`, when `at-0` is nearly overdue.
        let [second, other] = [world.new_host(), world.new_host()];
        other.call(set(("place".into(), 2))).await.unwrap();
        disturb(second.store(), [(Update, "table/values/z", Fault::WaitBefore(gate.clone()))]);
        let meanwhile = async {
            tokio::time::sleep(TXN_TIME * 4 / 10).await;
            other.call(set(("at-0".into(), 7))).await.unwrap();
            other.call(set_both(7)).await.unwrap().unwrap();
        };
        held(second.call(lock_where_told_and_look()).key("k"), gate, meanwhile).await.unwrap();
        SEEN.with_borrow(|seen| assert!(seen.iter().all(|(y, z)| y == z), "{seen:?}"));
    });
}
