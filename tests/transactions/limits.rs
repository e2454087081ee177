//! Every limit of a transaction is told by a code, and by a text that names the item and its holder.

use std::time::Duration;

use beldi::testing::{Fault, Gate, RequestKind, World, in_virtual_time};
use beldi::{App, Call, Limits, Reason, Ssf, Table};

use crate::schedule::{disturb, held};
use crate::{add_one, assert_unlocked, owned, reason};

const TEXTS: Table<u32, String> = Table::new("texts");

#[beldi::txn]
async fn write_much(texts: u32) -> Result<(), String> {
    for text in 0..texts {
        TEXTS.put(&text, &"x".repeat(100_000)).await;
    }
    Ok(())
}

/// The macro refuses these where it sees them; in an SSF that is called, it cannot.
#[beldi::ssf]
async fn charge() {
    TEXTS.put(&0, &"charged".to_owned()).await;
    beldi::effect("charge", async |_key| {}).await;
}

#[beldi::ssf]
async fn count() -> usize {
    TEXTS.scan(..).await.len()
}

#[beldi::txn]
async fn charge_in_txn() -> Result<(), String> {
    charge().await;
    Ok(())
}

#[beldi::txn]
async fn count_in_txn() -> Result<usize, String> {
    Ok(count().await)
}

#[beldi::txn]
async fn lock() -> Result<(), String> {
    let _ = TEXTS.lock(&0).await;
    Ok(())
}

fn world() -> World {
    let limits =
        Limits { attempts: 1, txn_keys: 2, lock_wait: Duration::from_secs(3), ..Limits::default() };
    let app = App::new("limits").limits(limits).ssf(add_one).ssf(write_much);
    let app = app.ssf(charge).ssf(count).ssf(charge_in_txn).ssf(count_in_txn);
    World::new(app.ssf(lock))
}

/// Why a call is refused; it changes nothing and leaves no lock.
fn refused<S: Ssf>(call: Call<S>) -> Reason
where
    S::Output: std::fmt::Debug,
{
    in_virtual_time(async {
        let world = world();
        let reason = reason(world.call(call).key("k").await.unwrap_err());
        world.settle().await.unwrap();
        assert!(world.rows(TEXTS).is_empty() && world.rows(crate::VALUES).is_empty());
        assert_unlocked(&world);
        reason
    })
}

#[track_caller]
fn says(reason: &Reason, code: &str, texts: &[&str]) {
    assert_eq!(reason.code, code, "{reason}");
    for text in texts {
        assert!(reason.message.contains(text), "{reason} does not say {text}");
    }
}

#[test]
fn one_item_too_many_is_named() {
    let reason = refused(add_one(owned(&["a", "b", "c"])));
    says(&reason, "txn_keys", &["`c` in table `values`", "limit is 2", "Limits::txn_keys"]);
}

#[test]
fn more_than_a_decision_can_hold_is_refused_with_the_sizes() {
    in_virtual_time(async {
        let roomy = Limits { attempts: 1, ..Limits::default() };
        let world = World::new(App::new("limits").limits(roomy).ssf(write_much));
        let reason = reason(world.call(write_much(5)).key("k").await.unwrap_err());
        says(&reason, "txn_too_large", &["the transaction takes 500", "Nothing was changed"]);
        world.settle().await.unwrap();
        assert!(world.rows(TEXTS).is_empty());
        assert_unlocked(&world);
    });
}

#[test]
fn what_cannot_be_taken_back_is_refused() {
    says(&refused(charge_in_txn()), "not_in_txn", &["effect", "inside a transaction"]);
    says(&refused(count_in_txn()), "not_in_txn", &["inside a transaction"]);
    says(&refused(lock()), "not_in_txn", &["`lock`", "locked already"]);
}

#[test]
fn who_waits_too_long_is_told_for_whom() {
    in_virtual_time(async {
        let (world, gate) = (world(), Gate::default());
        let decision = (RequestKind::Update, "root/slow/txn/*", Fault::WaitBefore(gate.clone()));
        disturb(world.store(), [decision]);
        let add = || add_one(owned(&["x"]));
        let meanwhile = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let asked = world.now();
            let refused = world.new_host().call(add()).key("fast").await.unwrap_err();
            let holder = "locked by a transaction of `slow` in service `limits`";
            says(&reason(refused), "lock_wait", &["`x` in table `values`", holder]);
            let waited = world.now() - asked;
            assert!((3000..3000 + 100).contains(&waited), "waited {waited} ms");
        };
        let told = held(world.call(add()).key("slow"), gate, meanwhile).await;
        assert_eq!(told, Ok(0), "and the holder is not disturbed");
    });
}

#[test]
fn who_took_too_long_begins_again() {
    in_virtual_time(async {
        let limits = Limits { request_time: Duration::from_secs(20), ..Limits::default() };
        let txn_time = limits.txn_time;
        let app = App::new("limits").limits(limits).ssf(add_one);
        let (world, gate) = (World::new(app), Gate::default());
        let decision = (RequestKind::Update, "root/slow/txn/*", Fault::WaitBefore(gate.clone()));
        disturb(world.store(), [decision]);
        let add = || add_one(owned(&["x"]));
        let meanwhile = async {
            let began = world.now();
            assert_eq!(world.new_host().call(add()).key("fast").await.unwrap(), Ok(0));
            let waited = Duration::from_millis(world.now() - began);
            assert!(waited >= txn_time, "aborted after {waited:?}");
        };
        let told = held(world.call(add()).key("slow"), gate, meanwhile).await;
        assert_eq!(told, Ok(1), "after the one that aborted it");
    });
}
