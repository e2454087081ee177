//! What was decided stands, also where the run that decided it loses sight of it.

use std::cell::RefCell;
use std::future::IntoFuture;
use std::time::Duration;

use beldi::testing::RequestKind::{Get, Query, Update};
use beldi::testing::{Fault, Gate, World, in_virtual_time};
use beldi::{App, Error, Limits};

use crate::schedule::{dies, disturb, held};
use crate::{VALUES, add_one, assert_unlocked, owned, set};

const DECISION: &str = "root/k/txn/*";
const ATTEMPT: Duration = Duration::from_secs(1);

#[beldi::ssf]
async fn note() {
    VALUES.update("notes", |count| *count = Some(count.unwrap_or(0) + 1)).await;
}

/// Nothing but its decision says that there is such a root.
#[beldi::txn]
async fn put_and_note() -> Result<(), String> {
    VALUES.put("x", &1).await;
    note().send().await;
    Ok(())
}

/// What was read before decides whether there is a transaction, and it locks nothing.
#[beldi::ssf]
async fn send_or_put() -> Result<u64, String> {
    let place = VALUES.get("place").await.unwrap_or(0);
    if place == 0 {
        beldi::txn(async {
            note().send().await;
            Ok::<_, String>(())
        })
        .await?;
    } else {
        VALUES.put("x", &place).await;
    }
    Ok(place)
}

#[beldi::txn(read_only)]
async fn y_and_z() -> (Option<u64>, Option<u64>) {
    (VALUES.get("y").await, VALUES.get("z").await)
}

/// What was put before a snapshot stays what it was when the snapshot has to be taken again.
#[beldi::ssf]
async fn put_then_look() -> u64 {
    let place = VALUES.get("place").await.unwrap_or(0);
    VALUES.put("x", &place).await;
    y_and_z().await;
    place
}

/// Goes on after a transaction that carries the root.
#[beldi::ssf]
async fn commit_then_look() -> Option<u64> {
    put_and_note().await.unwrap();
    VALUES.get("place").await
}

#[beldi::ssf(read_only)]
async fn is_even() -> bool {
    let age = beldi::now().await.duration_since(std::time::UNIX_EPOCH).unwrap();
    age.as_millis().is_multiple_of(2)
}

thread_local! {
    /// What the runs of [`put_if_even`] were told.
    static TOLD: RefCell<Vec<bool>> = const { RefCell::new(Vec::new()) };
}

/// What it locks depends on what the callee saw.
#[beldi::txn]
async fn put_if_even() -> Result<(), String> {
    let even = is_even().await;
    TOLD.with_borrow_mut(|told| told.push(even));
    VALUES.put(if even { "x" } else { "y" }, &1).await;
    Ok(())
}

fn world() -> World {
    let limits = Limits { attempt_time: ATTEMPT, ..Limits::default() };
    let app = App::new("decisions").limits(limits).ssf(add_one).ssf(set);
    World::new(
        app.ssf(note)
            .ssf(send_or_put)
            .ssf(y_and_z)
            .ssf(put_then_look)
            .ssf(put_and_note)
            .ssf(commit_then_look)
            .ssf(is_even)
            .ssf(put_if_even),
    )
}

async fn in_the_end(world: &World) {
    tokio::time::sleep(Duration::from_secs(60)).await;
    world.new_host().settle().await.unwrap();
    assert_unlocked(world);
}

#[test]
fn what_led_to_a_transaction_without_locks_is_logged_before_it_is_decided() {
    in_virtual_time(async {
        let (world, gate) = (world(), Gate::default());
        disturb(world.store(), [(Update, DECISION, Fault::WaitBefore(gate.clone()))]);
        let meanwhile = async {
            let other = world.new_host();
            other.call(set(("place".into(), 2))).await.unwrap();
            assert_eq!(other.call(send_or_put()).key("k").await.unwrap(), Ok(0));
        };
        assert_eq!(held(world.call(send_or_put()).key("k"), gate, meanwhile).await, Ok(0));
        in_the_end(&world).await;
        assert_eq!((world.peek(VALUES, "notes"), world.peek(VALUES, "x")), (Some(1), None));
    });
}

#[test]
fn what_a_read_only_callee_saw_is_logged_before_the_next_lock() {
    in_virtual_time(async {
        let world = world();
        disturb(world.store(), [(Update, DECISION, Fault::Hang)]);
        let first = async { world.call(put_if_even()).key("k").await };
        let _ = tokio::time::timeout(Duration::from_millis(101), first).await;
        let second = world.new_host().call(put_if_even()).key("k").await;
        assert_eq!(TOLD.take(), [true, true], "{second:?}");
        second.unwrap().unwrap();
        in_the_end(&world).await;
        assert_eq!((world.peek(VALUES, "x"), world.peek(VALUES, "y")), (Some(1), None));
    });
}

#[test]
fn an_attempt_that_ends_while_it_commits_does_not_take_the_commit_back() {
    in_virtual_time(async {
        let world = world();
        disturb(world.store(), [(Update, DECISION, Fault::WaitAfter(Gate::default()))]);
        let _ = world.call(add_one(owned(&["x"]))).key("k").await;
        let told = world.call(add_one(owned(&["x"]))).key("k").await.unwrap();
        in_the_end(&world).await;
        assert_eq!((told, world.peek(VALUES, "x")), (Ok(0), Some(1)));
    });
}

#[test]
fn who_may_have_committed_is_not_told_that_nothing_was_changed() {
    for fault in [Fault::LoseReply, Fault::Late(ATTEMPT)] {
        in_virtual_time(async {
            let world = world();
            let lost = fault.clone();
            world.store().script(move |request| {
                let decides = request.kind == Update && request.target.starts_with("root/k/txn/");
                if decides { lost.clone() } else { Fault::None }
            });
            let error = world.call(add_one(owned(&["x"]))).key("k").await.unwrap_err();
            assert!(matches!(error, Error::InDoubt { .. }), "{error}");
            world.store().script(|_| Fault::None);
            in_the_end(&world).await;
            assert_eq!(world.peek(VALUES, "x"), Some(1));
        });
    }
}

#[test]
fn a_run_that_takes_its_snapshot_again_goes_on_from_what_it_has_logged() {
    in_virtual_time(async {
        let (world, gate) = (world(), Gate::default());
        disturb(world.store(), [(Get, "table/values/z", Fault::WaitBefore(gate.clone()))]);
        let meanwhile = async {
            let other = world.new_host();
            for key in ["y", "place"] {
                other.call(set((key.into(), 2))).await.unwrap();
            }
        };
        let told = held(world.call(put_then_look()).key("k"), gate, meanwhile).await;
        assert_eq!((told, world.peek(VALUES, "x")), (0, Some(0)));
    });
}

/// A client that is told so may ask for everything again, under another key.
#[test]
fn who_has_put_something_is_not_told_that_nothing_was_changed() {
    in_virtual_time(async {
        let (world, gate) = (world(), Gate::default());
        let away = [(Get, "table/values/place", Fault::Fail), (Query, "*", Fault::Fail)];
        let away = away.into_iter().flat_map(|rule| vec![rule; 100]);
        let rules = [
            (Get, "table/values/z", Fault::WaitBefore(gate.clone())),
            (Get, "table/values/place", Fault::None),
        ];
        disturb(world.store(), rules.into_iter().chain(away));
        let meanwhile = async {
            gate.reached().await;
            world.new_host().call(set(("y".into(), 2))).await.unwrap();
            gate.open();
        };
        let told = tokio::join!(world.call(put_then_look()).key("k").into_future(), meanwhile).0;
        let error = told.unwrap_err();
        assert!(matches!(error, Error::Unfinished { .. } | Error::InDoubt { .. }), "{error}");
        in_the_end(&world).await;
        assert_eq!(world.peek(VALUES, "x"), Some(0));
    });
}

#[test]
fn who_goes_on_after_a_commit_is_not_told_that_nothing_was_changed() {
    in_virtual_time(async {
        let world = world();
        disturb(world.store(), [(Update, DECISION, Fault::CrashAfter)]);
        dies(&world, world.call(commit_then_look()).key("k")).await;
        let host = world.new_host();
        disturb(host.store(), vec![(Get, "table/values/place", Fault::Fail); 4]);
        let error = host.call(commit_then_look()).key("k").await.unwrap_err();
        assert!(matches!(error, Error::Unfinished { .. } | Error::InDoubt { .. }), "{error}");
        in_the_end(&host).await;
        assert_eq!((host.peek(VALUES, "notes"), host.peek(VALUES, "x")), (Some(1), Some(1)));
    });
}

#[test]
fn a_root_that_only_a_decision_stands_for_is_finished_without_its_client() {
    in_virtual_time(async {
        let world = world();
        disturb(world.store(), [(Update, DECISION, Fault::CrashAfter)]);
        dies(&world, world.call(put_and_note()).key("k")).await;
        in_the_end(&world).await;
        assert_eq!((world.peek(VALUES, "notes"), world.peek(VALUES, "x")), (Some(1), Some(1)));
    });
}
