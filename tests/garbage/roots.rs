//! Late duplicates of requests, roots that sleep longer than anything is kept, and decisions that come
//! when nobody waits for them any more.

use std::cell::Cell;
use std::time::Duration;

use beldi::testing::RequestKind::Update;
use beldi::testing::{Fault, Gate, Weakness, World, in_virtual_time};
use beldi::{App, Error, InstanceState};

use crate::schedule::{dies, disturb, held};
use crate::{
    AT_LAST, Gone, KEY, LAG, VALUES, assert_sound, collected, head, late, limits, set, set_all,
    settled,
};

const X: &str = "table/values/x";

thread_local! {
    /// Whether who has come so far fails.
    static FAILS: Cell<bool> = const { Cell::new(false) };
}

#[beldi::ssf]
async fn add((key, by): (String, u64)) -> u64 {
    VALUES.update(&key, |value| *value.insert(value.unwrap_or(0) + by)).await
}

#[beldi::ssf]
async fn look(key: String) -> Option<u64> {
    VALUES.get(&key).await
}

/// Nothing but its decision says that there is such a root.
#[beldi::txn]
async fn add_in_txn((key, by): (String, u64)) -> Result<u64, ()> {
    let value = VALUES.get(&key).await.unwrap_or(0) + by;
    VALUES.put(&key, &value).await;
    Ok(value)
}

#[beldi::ssf]
async fn note() {
    VALUES.update("notes", |notes| *notes = Some(notes.unwrap_or(0) + 1)).await;
}

#[beldi::ssf]
async fn send_and_wait() {
    note().send().await;
    assert!(!FAILS.get(), "as it was told");
}

#[beldi::ssf]
async fn commit_and_wait() -> Result<(), ()> {
    beldi::txn(async {
        VALUES.get("x").await;
        note().send().await;
        Ok::<_, ()>(())
    })
    .await?;
    assert!(!FAILS.get(), "as it was told");
    Ok(())
}

#[beldi::ssf]
async fn add_and_wait() {
    VALUES.update("x", |x| *x = Some(x.unwrap_or(0) + 1)).await;
    assert!(!FAILS.get(), "as it was told");
}

#[beldi::ssf]
async fn lock_and_wait() {
    let _ = VALUES.lock("x").await;
    assert!(!FAILS.get(), "as it was told");
    VALUES.unlock("x").await;
}

#[beldi::ssf]
async fn erase(key: String) {
    VALUES.delete(&key).await;
}

#[beldi::ssf]
async fn add_at_a_step(second: bool) -> Result<u64, ()> {
    if second {
        let _ = beldi::uuid().await;
    }
    beldi::txn(async {
        let value = VALUES.get("x").await.unwrap_or(0) + 1;
        VALUES.put("x", &value).await;
        Ok(value)
    })
    .await
}

fn world(marks: u32) -> World {
    let app = App::new("roots").limits(limits(marks)).ssf(set).ssf(add).ssf(look).ssf(add_in_txn);
    let app = app
        .ssf(note)
        .ssf(send_and_wait)
        .ssf(commit_and_wait)
        .ssf(add_and_wait)
        .ssf(erase)
        .ssf(lock_and_wait)
        .ssf(add_at_a_step);
    World::new(app)
}

async fn resumed(world: &World) {
    world.resume(KEY).await.unwrap();
    settled(world).await;
    assert_eq!(world.instance(KEY).await.unwrap().state, InstanceState::Done);
}

async fn long_after(world: &World) {
    Gone::Tombstones.by(world).await;
}

#[test]
fn a_duplicate_of_a_request_gets_the_first_result_as_long_as_it_is_known() {
    for gone in Gone::WITHIN_THE_WINDOW {
        in_virtual_time(async {
            let world = world(2);
            assert_eq!(world.call(add(("x".into(), 1))).key("plain").await.unwrap(), 1);
            assert_eq!(world.call(look("x".into())).key("only reads").await.unwrap(), Some(1));
            assert_eq!(world.call(add_in_txn(("x".into(), 1))).key(KEY).await.unwrap(), Ok(2));
            settled(&world).await;
            set_all(&world, &[("x", 50), ("x", 60)]).await;
            gone.by(&world).await;
            set_all(&world, &[("x", 70)]).await;

            assert_eq!(world.call(add(("x".into(), 1))).key("plain").await.unwrap(), 1);
            assert_eq!(world.call(look("x".into())).key("only reads").await.unwrap(), Some(1));
            assert_eq!(world.call(add_in_txn(("x".into(), 1))).key(KEY).await.unwrap(), Ok(2));
            let other = world.call(add(("x".into(), 5))).key("plain").await;
            assert!(matches!(other, Err(Error::KeyReused { .. })), "{gone:?}: {other:?}");
            let other = world.call(look("y".into())).key("only reads").await;
            assert!(matches!(other, Err(Error::KeyReused { .. })), "{gone:?}: {other:?}");
            let other = world.call(add_in_txn(("x".into(), 5))).key(KEY).await;
            assert!(matches!(other, Err(Error::KeyReused { .. })), "{gone:?}: {other:?}");

            settled(&world).await;
            assert_eq!(world.peek(VALUES, "x"), Some(70), "{gone:?}");
            for key in ["plain", "only reads", KEY] {
                let instance = world.instance(key).await.unwrap();
                assert_eq!(instance.state, InstanceState::Done, "{gone:?}");
                assert!(instance.result.is_some(), "{gone:?}");
            }
            assert_sound(&world);
        });
    }
}

/// Then it is a new request.
#[test]
fn a_request_is_run_again_when_its_window_is_over() {
    in_virtual_time(async {
        let world = world(2);
        assert_eq!(world.call(add(("x".into(), 1))).key(KEY).await.unwrap(), 1);
        settled(&world).await;
        long_after(&world).await;
        assert!(matches!(world.instance(KEY).await, Err(Error::UnknownInstance { .. })));
        assert_eq!(world.call(add(("x".into(), 1))).key(KEY).await.unwrap(), 2);
    });
}

/// The root was never registered: only the abort by a rival tells of it.
#[test]
fn a_late_commit_of_a_try_that_a_rival_has_aborted_is_refused() {
    for gone in Gone::WITHIN_THE_WINDOW {
        in_virtual_time(async {
            let (world, gate) = (world(16), Gate::default());
            let decision = (Update, "root/k/txn/*", Fault::WaitBefore(gate.clone()));
            disturb(world.store(), [decision]);
            let host = world.new_host();
            let told = held(world.call(add_in_txn(("x".into(), 1))).key(KEY), gate, async {
                set_all(&host, &[("x", 50), ("x", 60)]).await;
                gone.by(&host).await;
                set_all(&host, &[("x", 70)]).await;
            });
            assert_eq!(told.await, Ok(71), "{gone:?}");
            settled(&world).await;
            assert_eq!(world.peek(VALUES, "x"), Some(71), "{gone:?}");
            assert_sound(&world);
        });
    }
}

#[test]
fn an_abort_goes_when_its_window_is_over() {
    in_virtual_time(async {
        let world = world(16);
        disturb(world.store(), [(Update, "root/k/txn/*", Fault::CrashBefore)]);
        dies(&world, world.call(add_in_txn(("x".into(), 1))).key(KEY)).await;
        let host = world.new_host();
        set_all(&host, &[("x", 50)]).await;
        let decisions =
            || host.stored().into_iter().filter(|(key, _)| key.sort.starts_with("txn/")).count();
        tokio::time::sleep(2 * LAG).await;
        collected(&host).await;
        assert_eq!(decisions(), 1);
        long_after(&host).await;
        assert_eq!(decisions(), 0);
    });
}

#[test]
fn what_was_sent_runs_once_though_the_sender_sleeps_longer_than_the_window() {
    in_virtual_time(async {
        let world = world(16);
        FAILS.set(true);
        assert!(world.call(send_and_wait()).key(KEY).await.is_err());
        settled(&world).await;
        FAILS.set(false);
        long_after(&world).await;
        long_after(&world).await;
        resumed(&world).await;
        assert_eq!(world.peek(VALUES, "notes"), Some(1));
    });
}

/// The decision, which carries the registration, comes when the horizon is above the root's epoch: it
/// gets another, later than that of what it has sent.
#[test]
fn what_a_late_commit_has_sent_runs_once_though_its_root_sleeps_longer_than_the_window() {
    for row in [X, "root/k/txn/*"] {
        in_virtual_time(async {
            let (world, gate) = (world(16), Gate::default());
            disturb(world.store(), [(Update, row, Fault::WaitBefore(gate.clone()))]);
            let host = world.new_host();
            FAILS.set(true);
            let told = late(world.call(commit_and_wait()).key(KEY), gate, async {
                tokio::time::sleep(2 * LAG).await;
                collected(&host).await;
                host.store().latency(|| Duration::from_millis(10));
            });
            assert!(told.await.is_err());
            settled(&host).await;
            FAILS.set(false);
            assert_eq!(host.instance(KEY).await.unwrap().state, InstanceState::Parked);
            assert_eq!(host.peek(VALUES, "notes"), Some(1));
            long_after(&host).await;
            long_after(&host).await;
            resumed(&host).await;
            assert_eq!(host.peek(VALUES, "notes"), Some(1), "held at {row}");
        });
    }
}

/// What it wrote before it was parked is not written again over what others have written.
fn a_root_that_sleeps() -> Option<u64> {
    in_virtual_time(async {
        let world = world(2);
        FAILS.set(true);
        assert!(world.call(add_and_wait()).key(KEY).await.is_err());
        FAILS.set(false);
        set_all(&world, &[("x", 50), ("x", 60), ("x", 70)]).await;
        long_after(&world).await;
        set_all(&world, &[("x", 80), ("x", 90)]).await;
        resumed(&world).await;
        assert_sound(&world);
        world.peek(VALUES, "x")
    })
}

#[test]
fn a_parked_root_goes_on_after_any_time() {
    assert_eq!(a_root_that_sleeps(), Some(90));
    let weak = Weakness::ParkedRootsForgotten.during(a_root_that_sleeps);
    assert_eq!(weak, Some(91));
}

/// Nothing is left of the item but its fence.
#[test]
fn a_late_write_of_an_item_that_was_deleted_is_refused() {
    for marks in [1, 2, 16] {
        in_virtual_time(async {
            let (world, gate) = (world(marks), Gate::default());
            disturb(world.store(), [(Update, X, Fault::WaitBefore(gate.clone()))]);
            let host = world.new_host();
            let told = held(world.call(set(("x".into(), 1))).key(KEY), gate, async {
                host.call(set(("x".into(), 1))).key(KEY).await.unwrap();
                host.call(erase("x".into())).await.unwrap();
                settled(&host).await;
                Gone::AllThatIsEmptied.by(&host).await;
                assert_eq!(crate::marks(&head(&host, "x")), 0);
                assert_ne!(head(&host, "x").int("f"), None);
            });
            told.await;
            assert_eq!(world.peek(VALUES, "x"), None);
            long_after(&host).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(head(&host, "x").0.is_empty(), "in the end nothing is left at all");
        });
    }
}

#[test]
fn a_late_unlock_leaves_the_lock_of_another_root() {
    for gone in Gone::ALL {
        in_virtual_time(async {
            let world = world(2);
            let late = [Fault::None, Fault::Late(AT_LAST)].map(|fault| (Update, X, fault));
            disturb(world.store(), late);
            world.call(lock_and_wait()).key(KEY).await.unwrap();
            settled(&world).await;
            set_all(&world, &[("x", 50), ("x", 60)]).await;
            gone.by(&world).await;
            FAILS.set(true);
            assert!(world.call(lock_and_wait()).key("another").await.is_err());
            FAILS.set(false);
            tokio::time::sleep(AT_LAST).await;
            let holders: Vec<_> =
                world.locks().await.unwrap().into_iter().map(|lock| lock.holder).collect();
            assert_eq!(holders, ["another"], "{gone:?}");
        });
    }
}

/// A decision that carries a registration stands where its step tells: who decides at another step does not
/// meet it, and looks for the root.
#[test]
fn a_key_used_again_for_a_transaction_at_another_step_is_refused() {
    for gone in Gone::WITHIN_THE_WINDOW {
        in_virtual_time(async {
            let world = world(16);
            assert_eq!(world.call(add_at_a_step(false)).key(KEY).await.unwrap(), Ok(1));
            settled(&world).await;
            gone.by(&world).await;
            let other = world.call(add_at_a_step(true)).key(KEY).await;
            assert!(matches!(other, Err(Error::KeyReused { .. })), "{gone:?}: {other:?}");
            assert_eq!(world.peek(VALUES, "x"), Some(1), "{gone:?}");
        });
    }
}
