//! A write carries its mark (P1), false is an outcome (P5), `update` is one step (f).

use std::time::Duration;

use beldi::testing::{Fault, Gate, RequestKind::Update, in_virtual_time};
use beldi::{App, When};

use crate::{VALUES, dies, disturb, held, keys, set, set_all, world};

pub(crate) fn register(app: App) -> App {
    app.ssf(swap).ssf(swap_and_tell).ssf(bump_if_even).ssf(count_up)
}

#[beldi::ssf]
pub(crate) async fn swap((from, to): (u64, u64)) -> bool {
    VALUES.put("x", &to).when(When::equals(&from)).await
}

#[beldi::ssf]
async fn swap_and_tell() -> bool {
    let swapped = VALUES.put("x", &10).when(When::equals(&1_u64)).await;
    VALUES.put(if swapped { "told-yes" } else { "told-no" }, &1).await;
    swapped
}

/// Changes an even number only, then goes on.
#[beldi::ssf]
async fn bump_if_even() -> u64 {
    let seen = VALUES
        .update("x", |x| {
            let seen = x.unwrap_or(0);
            if seen.is_multiple_of(2) {
                *x = Some(seen + 1);
            }
            seen
        })
        .await;
    VALUES.put(&format!("saw-{seen}"), &1).await;
    seen
}

#[beldi::ssf]
pub(crate) async fn count_up() -> u64 {
    VALUES
        .update("x", |x| {
            let next = x.unwrap_or(0) + 1;
            *x = Some(next);
            next
        })
        .await
}

#[test]
fn p1_late_delivery_after_another_writer() {
    in_virtual_time(async {
        let world = world(&[]);
        let gate = Gate::default();
        disturb(world.store(), [(Update, "table/values/x", Fault::WaitBefore(gate.clone()))]);
        let other = world.new_host();
        held(world.call(set(("x".into(), 1))).key("r"), gate, async {
            other.call(set(("x".into(), 1))).key("r").await.unwrap();
            set_all(&other, &[("x", 2)]).await;
        })
        .await;
        assert_eq!(world.peek(VALUES, "x"), Some(2));
    });
}

#[test]
fn p1_the_clients_own_retry_is_late() {
    in_virtual_time(async {
        let world = world(&[]);
        let hour = Duration::from_secs(3600);
        disturb(world.store(), [(Update, "table/values/x", Fault::Late(hour))]);
        world.call(set(("x".into(), 1))).key("r").await.unwrap();
        set_all(&world, &[("x", 2)]).await;
        tokio::time::sleep(hour * 2).await;
        assert_eq!(world.peek(VALUES, "x"), Some(2));
    });
}

#[test]
fn p1_late_delivery_after_the_precondition_is_restored() {
    in_virtual_time(async {
        let world = world(&[("x", 1)]);
        let gate = Gate::default();
        disturb(world.store(), [(Update, "table/values/x", Fault::WaitBefore(gate.clone()))]);
        let other = world.new_host();
        let swapped = held(world.call(swap((1, 5))).key("r"), gate, async {
            assert!(other.call(swap((1, 5))).key("r").await.unwrap());
            set_all(&other, &[("x", 1)]).await;
        })
        .await;
        assert!(swapped);
        assert_eq!(world.peek(VALUES, "x"), Some(1));
    });
}

#[test]
fn p5_false_only_in_the_journal() {
    in_virtual_time(async {
        let world = world(&[("x", 0)]);
        let gate = Gate::default();
        disturb(world.store(), [(Update, "table/values/x", Fault::WaitBefore(gate.clone()))]);
        let other = world.new_host();
        let swapped = held(world.call(swap_and_tell()).key("r"), gate, async {
            assert!(!other.call(swap_and_tell()).key("r").await.unwrap());
            set_all(&other, &[("x", 1)]).await;
        })
        .await;
        assert!(!swapped);
        assert_eq!(world.peek(VALUES, "x"), Some(1));
        assert_eq!(keys(&world, "told"), ["told-no"]);
    });
}

#[test]
fn p5_crash_before_false_is_marked() {
    in_virtual_time(async {
        let world = world(&[("x", 0)]);
        let false_mark = (Update, "table/values/x", Fault::CrashBefore);
        disturb(world.store(), [(Update, "table/values/x", Fault::None), false_mark]);
        dies(&world, world.call(swap_and_tell()).key("r")).await;
        let host = world.new_host();
        set_all(&host, &[("x", 1)]).await;
        assert!(host.call(swap_and_tell()).key("r").await.unwrap(), "nobody acted on false");
        assert_eq!(keys(&host, "told"), ["told-yes"]);
    });
}

#[test]
fn f_write_skipped_for_some_values() {
    in_virtual_time(async {
        let world = world(&[("x", 0)]);
        let gate = Gate::default();
        disturb(world.store(), [(Update, "table/values/x", Fault::WaitBefore(gate.clone()))]);
        let other = world.new_host();
        let seen = held(world.call(bump_if_even()).key("r"), gate, async {
            set_all(&other, &[("x", 1)]).await;
            assert_eq!(other.call(bump_if_even()).key("r").await.unwrap(), 1);
            set_all(&other, &[("x", 2)]).await;
        })
        .await;
        assert_eq!(seen, 1);
        assert_eq!(world.peek(VALUES, "x"), Some(2), "the run that saw an odd number went on");
        assert_eq!(keys(&world, "saw"), ["saw-1"]);
    });
}

#[test]
fn f_update_overtaken_by_other_writers() {
    in_virtual_time(async {
        let world = world(&[("x", 0)]);
        let gate = Gate::default();
        disturb(world.store(), [(Update, "table/values/x", Fault::WaitBefore(gate.clone()))]);
        let other = world.new_host();
        let first = held(world.call(count_up()).key("r"), gate, async {
            assert_eq!(other.call(count_up()).key("another").await.unwrap(), 1);
            assert_eq!(other.call(count_up()).key("r").await.unwrap(), 2);
            set_all(&other, &[("x", 0)]).await;
        })
        .await;
        assert_eq!(first, 2);
        assert_eq!(world.peek(VALUES, "x"), Some(0));
    });
}
