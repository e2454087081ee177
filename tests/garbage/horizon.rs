//! The horizon: it never falls, is held by every unfinished root, and whoever registers below it gets a
//! new epoch before anything is done.

use std::cell::Cell;
use std::time::Duration;

use beldi::store::Key;
use beldi::testing::RequestKind::{self, Due, Get, Update};
use beldi::testing::{Fault, Gate, Weakness, World, in_virtual_time};
use beldi::{App, InstanceState, Limits};

use crate::schedule::{dies, disturb};
use crate::zombies::{add, carry, count_up, note, put_then_send};
use crate::{
    AT_LAST, Gone, KEY, LAG, VALUES, assert_sound, collected, late, limits, set, set_all, settled,
};

const INTENT: &str = "root/k/intent";
const ROUND: &str = "service/horizon";
const HOUR: Duration = Duration::from_secs(3600);

thread_local! {
    /// Whether who has come so far fails.
    static FAILS: Cell<bool> = const { Cell::new(false) };
}

#[beldi::ssf]
async fn put_and_wait() {
    VALUES.put("x", &1).await;
    assert!(!FAILS.get(), "as it was told");
}

#[beldi::ssf]
async fn erase() {
    VALUES.delete("x").await;
}

#[beldi::ssf]
async fn one() {
    VALUES.get("a").await;
    VALUES.put("y", &1).await;
}

#[beldi::ssf]
async fn two() {
    VALUES.get("b").await;
    VALUES.update("x", |x| *x = Some(x.unwrap_or(0) + 1)).await;
}

#[beldi::ssf]
async fn both() {
    beldi::join(one(), two()).await;
}

fn app(limits: Limits) -> App {
    let app = App::new("horizon").limits(limits).ssf(set).ssf(put_and_wait).ssf(erase);
    let app = app.ssf(one).ssf(two).ssf(both).ssf(count_up);
    app.ssf(add).ssf(carry).ssf(note).ssf(put_then_send)
}

fn world() -> World {
    World::new(app(limits(16)))
}

/// Where hosts die, and others go on.
fn mortal() -> World {
    let Limits { attempt_time, request_time, attempts, .. } = Limits::default();
    World::new(app(Limits { attempt_time, request_time, attempts, ..limits(16) }))
}

/// The horizon as everybody can read it.
fn horizon(world: &World) -> u64 {
    let at = Key::new("service", "horizon");
    let row = world.stored().into_iter().find(|(key, _)| *key == at);
    row.and_then(|(_, row)| u64::try_from(row.int("h")?).ok()).unwrap_or(0)
}

async fn parks(world: &World) {
    FAILS.set(true);
    assert!(world.call(put_and_wait()).key(KEY).await.is_err());
    FAILS.set(false);
    assert_eq!(world.instance(KEY).await.unwrap().state, InstanceState::Parked);
}

async fn resumed(world: &World) {
    world.resume(KEY).await.unwrap();
    settled(world).await;
    assert_eq!(world.instance(KEY).await.unwrap().state, InstanceState::Done);
}

#[test]
fn the_horizon_follows_the_clock_and_the_oldest_unfinished_root() {
    in_virtual_time(async {
        let world = world();
        let lag = LAG.as_millis() as u64;
        for _ in 0..3 {
            tokio::time::sleep(LAG).await;
            assert_eq!(world.collect_garbage().await.unwrap().horizon, world.now() - lag);
            assert_eq!(horizon(&world), world.now() - lag);
        }
        tokio::time::sleep(2 * LAG).await;
        let began = world.now();
        parks(&world).await;
        for pause in [LAG / 2, 2 * LAG, AT_LAST] {
            tokio::time::sleep(pause).await;
            let before = horizon(&world);
            // Another host goes on where this one was.
            world.new_host().collect_garbage().await.unwrap();
            assert_eq!(horizon(&world), began.min(world.now() - lag));
            assert!(horizon(&world) >= before);
        }
        resumed(&world).await;
        assert_eq!(world.collect_garbage().await.unwrap().horizon, world.now() - lag);
    });
}

/// A root that is parked stays in its place in the index, so no look misses it on its way.
#[test]
fn a_root_that_is_resumed_while_a_round_looks_is_not_passed() {
    for nth in 0..4 {
        for wait in [Fault::WaitBefore, Fault::WaitAfter] {
            in_virtual_time(async {
                let (world, gate) = (world(), Gate::default());
                let began = world.now();
                parks(&world).await;
                tokio::time::sleep(3 * LAG).await;
                let mut rules = vec![(Due, "intent/*", Fault::None); nth];
                rules.push((Due, "intent/*", wait(gate.clone())));
                disturb(world.store(), rules);
                let host = world.new_host();
                let meanwhile = async {
                    gate.reached().await;
                    host.resume(KEY).await.unwrap();
                    gate.open();
                };
                let (collected, ()) = tokio::join!(world.collect_garbage(), meanwhile);
                assert_eq!(collected.unwrap().horizon, began);
                settled(&host).await;
                assert_eq!(host.instance(KEY).await.unwrap().state, InstanceState::Done);
            });
        }
    }
}

/// The registration comes when the horizon is above it, and with it a slot that says where to go.
#[test]
fn a_root_that_registers_too_late_begins_anew() {
    for wait in [Fault::WaitBefore, Fault::WaitAfter] {
        in_virtual_time(async {
            let (world, gate) = (world().row(VALUES, "place", &0), Gate::default());
            let is_lost = matches!(wait(gate.clone()), Fault::WaitBefore(_));
            disturb(world.store(), [(Update, INTENT, wait(gate.clone()))]);
            let host = world.new_host();
            let told = late(world.call(carry()).key(KEY), gate, async {
                set_all(&host, &[("place", 1)]).await;
                tokio::time::sleep(2 * LAG).await;
                collected(&host).await;
            });
            let place = u64::from(is_lost);
            assert_eq!(told.await.unwrap(), place);
            settled(&host).await;
            let places = host.rows(VALUES).into_iter().filter(|(key, _)| key.starts_with("at-"));
            assert_eq!(places.collect::<Vec<_>>(), [(format!("at-{place}"), 1)]);
            assert_eq!(host.call(carry()).key(KEY).await.unwrap(), place);
        });
    }
}

/// A request that its host did not live to repeat comes after hours, in which the horizon has passed.
async fn arrives_late(world: &World, target: &'static str) -> World {
    let rules = [(Update, target, Fault::Late(2 * HOUR)), (Update, target, Fault::CrashBefore)];
    disturb(world.store(), rules);
    match target {
        INTENT => dies(world, world.call(count_up()).key(KEY)).await,
        _ => dies(world, world.call(add()).key(KEY)).await,
    }
    let host = world.new_host();
    tokio::time::sleep(HOUR).await;
    collected(&host).await;
    tokio::time::sleep(2 * HOUR).await;
    host
}

#[test]
fn a_root_whose_registration_outlives_its_host_runs_once() {
    in_virtual_time(async {
        let world = mortal();
        let host = arrives_late(&world, INTENT).await;
        settled(&host).await;
        assert_eq!(host.peek(VALUES, "x"), Some(1));
        assert_eq!(host.call(count_up()).key(KEY).await.unwrap(), 1);
        Gone::Tombstones.by(&host).await;
        assert_eq!(host.peek(VALUES, "x"), Some(1));
        assert_sound(&host);
    });
}

/// The decision is the first thing that stands for its root.
#[test]
fn a_decision_that_outlives_its_host_counts_once() {
    for client_first in [false, true] {
        in_virtual_time(async {
            let world = mortal();
            let host = arrives_late(&world, "root/k/txn/*").await;
            if !client_first {
                settled(&host).await;
            }
            assert_eq!(host.call(add()).key(KEY).await.unwrap(), Ok(1));
            settled(&host).await;
            assert_eq!(host.peek(VALUES, "x"), Some(1));
            Gone::Tombstones.by(&host).await;
            assert_eq!(host.peek(VALUES, "x"), Some(1));
            assert_sound(&host);
        });
    }
}

#[test]
fn a_decision_that_comes_after_hours_counts_once() {
    in_virtual_time(async {
        let (world, gate) = (world(), Gate::default());
        disturb(world.store(), [(Update, "root/k/txn/*", Fault::WaitBefore(gate.clone()))]);
        let host = world.new_host();
        let told = late(world.call(add()).key(KEY), gate, async {
            tokio::time::sleep(3 * HOUR).await;
            collected(&host).await;
        });
        assert_eq!(told.await.unwrap(), Ok(1));
        settled(&host).await;
        Gone::AllThatIsEmptied.by(&host).await;
        assert_eq!(host.call(add()).key(KEY).await.unwrap(), Ok(1));
        assert_eq!(host.peek(VALUES, "x"), Some(1));
        assert_sound(&host);
    });
}

/// What was sent is begun by a claim, which is the second change of its intent.
#[test]
fn a_claim_that_comes_after_everything_begins_nothing() {
    for gone in Gone::ALL {
        in_virtual_time(async {
            let world = world();
            let rules = [Fault::None, Fault::Late(AT_LAST)];
            disturb(world.store(), rules.map(|fault| (Update, "root/~*", fault)));
            world.call(put_then_send()).key(KEY).await.unwrap();
            settled(&world).await;
            assert_eq!(world.peek(VALUES, "notes"), Some(1));
            gone.by(&world).await;
            tokio::time::sleep(AT_LAST).await;
            settled(&world).await;
            assert_eq!(world.peek(VALUES, "notes"), Some(1), "{gone:?}");
        });
    }
}

/// The put of what was sent outlives the sender's host, and the sender holds the horizon below it.
#[test]
fn what_is_sent_late_runs_once() {
    in_virtual_time(async {
        let world = mortal();
        let late = [Fault::Late(2 * HOUR), Fault::CrashBefore];
        disturb(world.store(), late.map(|fault| (Update, "root/~*", fault)));
        dies(&world, world.call(put_then_send()).key(KEY)).await;
        let host = world.new_host();
        for _ in 0..3 {
            tokio::time::sleep(HOUR).await;
            collected(&host).await;
        }
        settled(&host).await;
        Gone::Tombstones.by(&host).await;
        settled(&host).await;
        assert_eq!(host.peek(VALUES, "notes"), Some(1));
    });
}

/// What a root has written that was parked is not written again, when somebody has deleted it since.
async fn sleeps_and_goes_on(world: &World) -> Option<u64> {
    FAILS.set(false);
    world.call(erase()).await.unwrap();
    settled(world).await;
    for _ in 0..2 {
        Gone::Tombstones.by(world).await;
    }
    world.resume(KEY).await.unwrap();
    settled(world).await;
    world.peek(VALUES, "x")
}

/// The horizon is above a root before that is registered.
fn registered_behind_the_horizon() -> Option<u64> {
    in_virtual_time(async {
        let (world, gate) = (world(), Gate::default());
        disturb(world.store(), [(Update, INTENT, Fault::WaitBefore(gate.clone()))]);
        let host = world.new_host();
        FAILS.set(true);
        let told = late(world.call(put_and_wait()).key(KEY), gate, async {
            tokio::time::sleep(2 * LAG).await;
            collected(&host).await;
        });
        assert!(told.await.is_err());
        sleeps_and_goes_on(&host).await
    })
}

#[test]
fn a_root_confirms_that_the_horizon_is_not_above_it() {
    assert_eq!(registered_behind_the_horizon(), None);
    let weak = Weakness::UnconfirmedRoots.during(registered_behind_the_horizon);
    assert_eq!(weak, Some(1));
}

/// A root is registered when a round has looked, and before it has published.
fn registered_during_a_round() -> Option<u64> {
    in_virtual_time(async {
        let (world, root, round) = (world(), Gate::default(), Gate::default());
        disturb(
            world.store(),
            [
                (Update, INTENT, Fault::WaitBefore(root.clone())),
                (Update, ROUND, Fault::None),
                (Update, ROUND, Fault::WaitBefore(round.clone())),
            ],
        );
        let host = world.new_host();
        FAILS.set(true);
        let attempt = async {
            let told = late(world.call(put_and_wait()).key(KEY), root, async {
                tokio::time::sleep(2 * LAG).await;
                round.reached().await;
            });
            assert!(told.await.is_err());
            round.open();
        };
        let collector = async {
            tokio::time::sleep(2 * LAG).await;
            host.collect_garbage().await.unwrap();
        };
        tokio::join!(attempt, collector);
        sleeps_and_goes_on(&host).await
    })
}

#[test]
fn a_round_whose_door_was_lowered_does_not_end() {
    assert_eq!(registered_during_a_round(), None);
    let weak = Weakness::RoundsEndUnasked.during(registered_during_a_round);
    assert_eq!(weak, Some(1));
}

#[test]
fn two_that_renew_a_root_at_once_run_it_once() {
    for wait in [Fault::WaitBefore, Fault::WaitAfter] {
        // The renewal, the claim, the end.
        for nth in 0..3 {
            in_virtual_time(async {
                let (world, gate) = (mortal(), Gate::default());
                let host = arrives_late(&world, INTENT).await;
                let mut rules = vec![(Update, INTENT, Fault::None); nth];
                rules.push((Update, INTENT, wait(gate.clone())));
                disturb(world.store(), rules);
                let other = world.new_host();
                let meanwhile = async {
                    gate.reached().await;
                    assert_eq!(other.call(count_up()).key(KEY).await.unwrap(), 1, "{nth}");
                    gate.open();
                };
                let both = async { tokio::join!(host.settle(), meanwhile).0 };
                let settled = tokio::time::timeout(AT_LAST, both).await;
                settled.expect("a request that is held").unwrap();
                assert_eq!(host.call(count_up()).key(KEY).await.unwrap(), 1);
                assert_eq!(host.peek(VALUES, "x"), Some(1), "{nth}");
                assert_sound(&host);
            });
        }
    }
}

/// One branch has registered the root, which may be lost; the other must not go on before that is known.
#[test]
fn a_branch_waits_until_its_root_is_confirmed() {
    in_virtual_time(async {
        let world = world();
        let [reads_a, reads_b, confirms] = [(); 3].map(|()| Gate::default());
        let wait = |gate: &Gate| Fault::WaitAfter(gate.clone());
        let rules: [(RequestKind, &str, Fault); 3] = [
            (Get, "table/values/a", wait(&reads_a)),
            (Get, "table/values/b", wait(&reads_b)),
            (Get, ROUND, Fault::WaitBefore(confirms.clone())),
        ];
        disturb(world.store(), rules);
        let host = world.new_host();
        let meanwhile = async {
            reads_a.reached().await;
            reads_b.reached().await;
            tokio::time::sleep(3 * LAG).await;
            collected(&host).await;
            reads_a.open();
            confirms.reached().await;
            reads_b.open();
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(host.peek(VALUES, "x"), None, "the root may be lost");
            confirms.open();
        };
        let told = async { world.call(both()).key(KEY).await.unwrap() };
        tokio::join!(told, meanwhile);
        settled(&host).await;
        assert_eq!((host.peek(VALUES, "x"), host.peek(VALUES, "y")), (Some(1), Some(1)));
        assert_sound(&host);
    });
}

/// A lag that is shorter than a few requests take costs new epochs, and nothing else.
#[test]
fn a_short_lag_only_costs_time() {
    for lag in [5, 20, 40] {
        in_virtual_time(async {
            let hurried = Limits { lag: Duration::from_millis(lag), attempts: 10, ..limits(2) };
            let world = World::new(app(hurried));
            world.store().latency(|| Duration::from_millis(4));
            let host = world.new_host();
            let collecting = async {
                loop {
                    host.collect_garbage().await.unwrap();
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            let calls = async {
                for n in 0..20 {
                    let key = format!("r{n}");
                    assert_eq!(world.call(count_up()).key(&key).await.unwrap(), n + 1);
                }
                settled(&world).await;
            };
            tokio::select! {
                () = calls => {}
                () = collecting => {}
            }
            assert_eq!(world.peek(VALUES, "x"), Some(20), "a lag of {lag} ms");
        });
    }
}
