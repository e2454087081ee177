//! A zombie at every request: each is held back in turn, then each reply, while everything else
//! happens, and whatever may be gone is gone.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use beldi::testing::{Fault, Gate, Points, RequestKind, Weakness, World, in_virtual_time, seeds};
use beldi::{Call, Ssf};

use crate::zombies::{add, add_where_told, carry, lock_and_add, put_then_carry, put_then_send};
use crate::{
    AT_LAST, Gone, KEY, VALUES, assert_sound, federation, late, set_all, settled, zombies,
};

/// What others set before another attempt runs, and when it has ended.
const BEFORE: [(&str, u64); 2] = [("place", 1), ("x", 40)];
const AFTER: [(&str, u64); 5] = [("place", 2), ("x", 50), ("at-0", 60), ("at-1", 70), ("x", 80)];

type Rows = Vec<(String, u64)>;

/// Where the values are: here, and where a callee is.
fn rows(world: &World, elsewhere: Option<&str>) -> (Rows, Rows) {
    let there = elsewhere.map(|name| world.service(name).rows(VALUES));
    (world.rows(VALUES), there.unwrap_or_default())
}

/// Others change everything, unless the root holds a lock that only its end takes away.
async fn others(host: &World, elsewhere: Option<&str>, values: &[(&str, u64)]) {
    if host.locks().await.unwrap().iter().any(|lock| !lock.in_transaction) {
        return;
    }
    set_all(host, values).await;
    if let Some(name) = elsewhere {
        set_all(host.service(name), values).await;
    }
}

/// Holds the n-th request of a root; tells whether there was one.
async fn held_at<S: Ssf>(
    n: usize,
    wait: fn(Gate) -> Fault,
    gone: Gone,
    (world, elsewhere): (World, Option<&str>),
    call: fn() -> Call<S>,
) -> bool
where
    S::Output: Debug + PartialEq,
{
    let (gate, is_met) = (Gate::default(), Arc::new(AtomicBool::new(false)));
    let (mut seen, reached, met) = (0, gate.clone(), Arc::clone(&is_met));
    world.store().script(move |request| {
        seen += usize::from(request.kind != RequestKind::Due);
        if seen != n || met.swap(true, Ordering::Relaxed) {
            return Fault::None;
        }
        wait(reached.clone())
    });
    let host = world.new_host();
    let (mut first, mut before) = (None, None);
    let zombie = late(world.call(call()).key(KEY), gate, async {
        others(&host, elsewhere, &BEFORE).await;
        first = Some(host.call(call()).key(KEY).await.unwrap());
        settled(&host).await;
        others(&host, elsewhere, &AFTER).await;
        gone.by(&host).await;
        others(&host, elsewhere, &AFTER).await;
        before = Some(rows(&host, elsewhere));
    });
    let told = tokio::select! {
        told = zombie => Some(told),
        // Nothing is held: the root has ended, and nobody comes to the gate.
        () = tokio::time::sleep(AT_LAST) => None,
    };
    let Some(told) = told else { return false };
    assert_eq!(told.ok(), first, "{gone:?}, request {n}");
    settled(&host).await;
    assert_eq!(Some(rows(&host, elsewhere)), before, "{gone:?}, request {n}");
    assert_sound(&host);
    if let Some(name) = elsewhere {
        assert_sound(host.service(name));
    }
    is_met.load(Ordering::Relaxed)
}

fn does_no_harm<S: Ssf>(world: fn(u32) -> (World, Option<&'static str>), call: fn() -> Call<S>)
where
    S::Output: Debug + PartialEq,
{
    let points = Points::new();
    for gone in Gone::WITHIN_THE_WINDOW {
        for wait in [Fault::WaitBefore, Fault::WaitAfter] {
            for marks in [1, 16] {
                let held = |n| in_virtual_time(held_at(n, wait, gone, world(marks), call));
                let visited = points.visit(held);
                assert!(visited.requests > 1, "{visited}");
            }
        }
    }
}

fn alone(marks: u32) -> (World, Option<&'static str>) {
    (zombies::world(marks), None)
}

fn together(marks: u32) -> (World, Option<&'static str>) {
    (federation::world(marks), Some("bank"))
}

#[test]
fn a_zombie_at_any_request_changes_nothing() {
    does_no_harm(alone, carry);
    does_no_harm(alone, put_then_carry);
    does_no_harm(alone, lock_and_add);
    does_no_harm(alone, put_then_send);
}

#[test]
fn a_zombie_in_a_transaction_changes_nothing() {
    does_no_harm(alone, add);
    does_no_harm(alone, add_where_told);
}

#[test]
fn a_zombie_across_two_services_changes_nothing() {
    does_no_harm(together, federation::order);
    does_no_harm(together, federation::buy);
    does_no_harm(together, federation::buy_by_the_clock);
}

/// Delivers requests of a root twice, the second time long after everything else, in their order: all
/// of them, or those that the seed picks.
async fn redelivered<S: Ssf>(
    seed: u64,
    gone: Gone,
    (world, elsewhere): (World, Option<&str>),
    call: fn() -> Call<S>,
) where
    S::Output: Debug + PartialEq,
{
    let (mut sent, mut repeated) = (0, BTreeSet::new());
    world.store().script(move |request| {
        // What is late is sent again at once, which is to come through.
        if request.kind != RequestKind::Update || repeated.remove(&request.target) {
            return Fault::None;
        }
        sent += 1;
        if seed > 0 && (seed >> (sent % 5)) & 1 == 0 {
            return Fault::None;
        }
        repeated.insert(request.target.clone());
        Fault::Late(AT_LAST + Duration::from_millis(sent))
    });
    world.call(call()).key(KEY).await.unwrap();
    settled(&world).await;
    world.store().script(|_| Fault::None);
    others(&world, elsewhere, &AFTER).await;
    gone.by(&world).await;
    others(&world, elsewhere, &AFTER).await;
    let before = rows(&world, elsewhere);
    tokio::time::sleep(2 * AT_LAST).await;
    settled(&world).await;
    assert_eq!(rows(&world, elsewhere), before, "{gone:?}, seed {seed}");
    assert_sound(&world);
    if let Some(name) = elsewhere {
        assert_sound(world.service(name));
    }
}

fn comes_again<S: Ssf>(world: fn(u32) -> (World, Option<&'static str>), call: fn() -> Call<S>)
where
    S::Output: Debug + PartialEq,
{
    for gone in Gone::WITHIN_THE_WINDOW {
        for marks in [1, 16] {
            for seed in seeds(32) {
                in_virtual_time(redelivered(seed, gone, world(marks), call));
            }
        }
    }
}

#[test]
fn requests_that_all_come_again_change_nothing() {
    comes_again(alone, carry);
    comes_again(alone, put_then_carry);
    comes_again(alone, lock_and_add);
    comes_again(alone, put_then_send);
    comes_again(alone, add);
    comes_again(alone, add_where_told);
    comes_again(together, federation::order);
    comes_again(together, federation::buy);
}

/// What must be caught can be caught.
#[test]
fn a_weaker_collector_is_caught() {
    let zombies: [(Weakness, fn()); 7] = [
        (Weakness::PruneWithoutFence, a_zombie_at_any_request_changes_nothing),
        (Weakness::DeletedSlots, a_zombie_at_any_request_changes_nothing),
        (Weakness::DeletedIntents, a_zombie_at_any_request_changes_nothing),
        (Weakness::DeletedDecisions, a_zombie_in_a_transaction_changes_nothing),
        (Weakness::PruneWithoutFence, a_zombie_across_two_services_changes_nothing),
        (Weakness::PruneWithoutFence, requests_that_all_come_again_change_nothing),
        (Weakness::DeletedIntents, requests_that_all_come_again_change_nothing),
    ];
    for (weakness, test) in zombies {
        let caught = catch_unwind(|| weakness.during(test));
        assert!(caught.is_err(), "{weakness:?}");
    }
}
