//! What breaks weaker collectors, by the names of `docs/bounds.md`: each schedule set up exactly, safe
//! with the protocol and, where a condition can be forgotten, broken without it.

use beldi::testing::RequestKind::{self, Update};
use beldi::testing::{Fault, Gate, Weakness, World, in_virtual_time};
use beldi::{Call, Ssf};

use crate::schedule::disturb;
use crate::zombies::{add_where_told, carry, count_up, put, put_if, put_then_carry, world};
use crate::{
    AT_LAST, Gone, KEY, LAG, VALUES, assert_sound, collected, head, late, marks, older_rows, set,
    set_all, settled, stopped,
};

const X: &str = "table/values/x";

/// Runs a root whose n-th request to such a row is held until `meanwhile` is over.
async fn held<S: Ssf>(
    world: &World,
    call: Call<S>,
    (kind, target, nth): (RequestKind, &'static str, usize),
    meanwhile: impl Future<Output = ()>,
) -> beldi::Result<S::Output> {
    let gate = Gate::default();
    let mut rules = vec![(kind, target, Fault::None); nth];
    rules.push((kind, target, Fault::WaitBefore(gate.clone())));
    disturb(world.store(), rules);
    late(world.call(call).key(KEY), gate, meanwhile).await
}

/// The places that roots have carried something to.
fn places(world: &World) -> Vec<String> {
    let keys = world.rows(VALUES).into_iter().map(|(key, _)| key);
    keys.filter(|key| key.starts_with("at-")).collect()
}

/// A write arrives when its mark is gone, and others have written since.
fn a_late_write(gone: Gone) -> (bool, Option<u64>) {
    in_virtual_time(async {
        let world = world(16);
        let host = world.new_host();
        let told = held(&world, put(), (Update, X, 0), async {
            host.call(put()).key(KEY).await.unwrap();
            set_all(&host, &[("x", 2), ("x", 3)]).await;
            gone.by(&host).await;
        });
        (told.await.is_ok(), world.peek(VALUES, "x"))
    })
}

#[test]
fn p6_marks_pruned_without_a_fence() {
    let schedule = || a_late_write(Gone::AllThatIsEmptied);
    assert_eq!(schedule(), (true, Some(3)));
    assert_eq!(Weakness::PruneWithoutFence.during(schedule), (true, Some(1)));
}

/// Nothing is left but the fence, and no clock is asked.
#[test]
fn n2_fence_refuses_a_collected_instance() {
    let schedule = || a_late_write(Gone::Tombstones);
    assert_eq!(schedule(), (false, Some(3)));
    assert_eq!(Weakness::PruneWithoutFence.during(schedule), (true, Some(1)));
}

/// An attempt that has read something else comes to its first slot when the journal is gone.
fn a_late_flush<S: Ssf>(call: fn() -> Call<S>, row: &'static str) -> Vec<String> {
    in_virtual_time(async {
        let world = world(16).row(VALUES, "place", &0);
        let host = world.new_host();
        let told = held(&world, call(), (Update, row, 0), async {
            set_all(&host, &[("place", 1)]).await;
            assert!(host.call(call()).key(KEY).await.is_ok());
            settled(&host).await;
            Gone::AllThatIsEmptied.by(&host).await;
        });
        let _ = told.await;
        places(&world)
    })
}

#[test]
fn b_journal_deleted() {
    let schedule = || a_late_flush(put_then_carry, "root/k/slot/*");
    assert_eq!(schedule(), ["at-1"]);
    assert_eq!(Weakness::DeletedSlots.during(schedule), ["at-0", "at-1"]);
}

#[test]
fn d_never_registered_is_not_collected() {
    // The other place has moved on, so that who runs again goes there.
    let schedule = || {
        in_virtual_time(async {
            let world = world(16).row(VALUES, "place", &0);
            let host = world.new_host();
            let told = held(&world, carry(), (Update, "root/k/intent", 0), async {
                host.call(carry()).key(KEY).await.unwrap();
                set_all(&host, &[("place", 1)]).await;
                Gone::AllThatIsEmptied.by(&host).await;
            });
            (told.await.unwrap(), places(&world).join(" "))
        })
    };
    assert_eq!(schedule(), (0, "at-0".to_owned()));
    assert_eq!(Weakness::DeletedIntents.during(schedule), (1, "at-0 at-1".to_owned()));
}

/// A write arrives when the older row that had its mark is gone, and its head was never pruned.
fn a_late_write_whose_mark_was_spilled() -> Option<u64> {
    in_virtual_time(async {
        let world = world(2);
        let host = world.new_host();
        let told = held(&world, put(), (Update, X, 0), async {
            host.call(put()).key(KEY).await.unwrap();
            set_all(&host, &[("x", 2), ("x", 3)]).await;
            assert_eq!(older_rows(&host, "x"), 1);
            Gone::AllThatIsEmptied.by(&host).await;
            assert_eq!(older_rows(&host, "x"), 0);
        });
        let _ = told.await;
        world.peek(VALUES, "x")
    })
}

#[test]
fn e_older_row_deleted_before_the_fence() {
    assert_eq!(a_late_write_whose_mark_was_spilled(), Some(3));
    let weak = Weakness::OlderRowsWithoutFence.during(a_late_write_whose_mark_was_spilled);
    assert_eq!(weak, Some(1));
}

/// The copy of a head goes before the spill goes on that made it, so the marks are still in the head.
fn a_late_write_whose_mark_is_spilled_too_late() -> Option<u64> {
    in_virtual_time(async {
        let world = world(1);
        let (host, spiller) = (world.new_host(), world.new_host());
        let told = held(&world, put(), (Update, X, 0), async {
            host.call(put()).key(KEY).await.unwrap();
            settled(&host).await;
            tokio::time::sleep(LAG).await;
            let gate = Gate::default();
            let swing = (Update, X, Fault::WaitBefore(gate.clone()));
            disturb(spiller.store(), [(Update, X, Fault::None), swing]);
            let spill = late(spiller.call(set(("x".into(), 2))).key("spiller"), gate, async {
                assert_eq!(older_rows(&host, "x"), 1);
                tokio::time::sleep(2 * LAG).await;
                collected(&host).await;
                assert_eq!(older_rows(&host, "x"), 0);
            });
            spill.await.unwrap();
        });
        let _ = told.await;
        assert_sound(&world);
        world.peek(VALUES, "x")
    })
}

#[test]
fn e_older_row_deleted_before_the_swing() {
    assert_eq!(a_late_write_whose_mark_is_spilled_too_late(), Some(2));
    let weak = Weakness::OlderRowsWithoutFence.during(a_late_write_whose_mark_is_spilled_too_late);
    assert_eq!(weak, Some(1));
}

/// A helper copies the log of a head whose older row, with the same log, is gone already.
#[test]
fn e_older_row_put_again_by_a_late_helper() {
    for gone in [Gone::AllThatIsEmptied, Gone::Tombstones] {
        in_virtual_time(async {
            let world = world(2);
            set_all(&world, &[("x", 1), ("x", 2)]).await;
            disturb(world.store(), [(Update, "older/values*", Fault::Late(AT_LAST))]);
            set_all(&world, &[("x", 3), ("x", 4)]).await;
            gone.by(&world).await;
            assert_eq!(older_rows(&world, "x"), 0);
            set_all(&world, &[("x", 5)]).await;
            tokio::time::sleep(AT_LAST).await;
            assert_eq!(older_rows(&world, "x"), 1, "it came late");
            set_all(&world, &[("x", 6), ("x", 7), ("x", 8), ("x", 9)]).await;
            assert_sound(&world);
            Gone::Tombstones.by(&world).await;
            assert_eq!((older_rows(&world, "x"), world.peek(VALUES, "x")), (0, Some(9)));
            assert_sound(&world);
        });
    }
}

/// An attempt goes on to an item of its own when the decision on its try is gone.
fn a_late_try() -> Vec<String> {
    in_virtual_time(async {
        let world = world(16).row(VALUES, "place", &0);
        let host = world.new_host();
        let told = held(&world, add_where_told(), (Update, "table/values/at-0", 0), async {
            set_all(&host, &[("place", 1)]).await;
            host.call(add_where_told()).key(KEY).await.unwrap().unwrap();
            settled(&host).await;
            Gone::AllThatIsEmptied.by(&host).await;
        });
        let _ = told.await;
        settled(&world).await;
        places(&world)
    })
}

#[test]
fn g_decision_deleted() {
    assert_eq!(a_late_try(), ["at-1"]);
    assert_eq!(Weakness::DeletedDecisions.during(a_late_try), ["at-0", "at-1"]);
}

/// A host that spills or prunes a full head is overtaken by one that does either, at the n-th update
/// of the head. Tells whether the head counts its marks right.
fn two_that_make_room(prunes: bool, other_prunes: bool, nth: usize) -> bool {
    in_virtual_time(async {
        let world = world(2);
        set_all(&world, &[("x", 1), ("x", 2)]).await;
        tokio::time::sleep(2 * LAG).await;
        let (slow, fast) = (world.new_host(), world.new_host());
        for (host, prunes) in [(&fast, other_prunes), (&slow, prunes)] {
            if prunes {
                stopped(host, RequestKind::Due, "garbage/").await;
            }
        }
        let told = held(&slow, set(("x".into(), 3)), (Update, X, nth), async {
            fast.call(set(("x".into(), 4))).key("fast").await.unwrap();
        });
        told.await.unwrap();
        let head = head(&world, "x");
        head.int("c") == Some(marks(&head) as i128)
    })
}

#[test]
fn e_marks_spilled_and_pruned_at_once() {
    for prunes in [false, true] {
        for nth in [0, 1] {
            assert!(two_that_make_room(prunes, !prunes, nth), "{prunes}, {nth}");
        }
        let weak = Weakness::MarksTakenTwice.during(|| two_that_make_room(prunes, !prunes, 1));
        assert!(!weak, "{prunes}");
    }
}

#[test]
fn e_marks_pruned_twice_at_once() {
    for nth in [0, 1] {
        assert!(two_that_make_room(true, true, nth));
    }
    assert!(!Weakness::MarksTakenTwice.during(|| two_that_make_room(true, true, 1)));
}

/// Who prunes is refused also when another has pruned meanwhile: that does not deny its condition.
#[test]
fn e_marks_pruned_by_another_do_not_deny_a_condition() {
    in_virtual_time(async {
        let world = world(2);
        set_all(&world, &[("x", 1), ("x", 2)]).await;
        tokio::time::sleep(2 * LAG).await;
        let (slow, fast) = (world.new_host(), world.new_host());
        for host in [&fast, &slow] {
            stopped(host, RequestKind::Due, "garbage/").await;
        }
        let told = held(&slow, put_if((2, 3)), (Update, X, 1), async {
            fast.call(set(("x".into(), 2))).key("fast").await.unwrap();
        });
        assert!(told.await.unwrap(), "it was 2 all the time");
        assert_eq!(world.peek(VALUES, "x"), Some(3));
    });
}

/// The collector prunes what a writer prunes.
fn a_collector_beside_a_writer() -> bool {
    in_virtual_time(async {
        let world = world(16);
        set_all(&world, &[("x", 1), ("x", 2), ("x", 3)]).await;
        tokio::time::sleep(2 * LAG).await;
        let (slow, fast, gate) = (world.new_host(), world.new_host(), Gate::default());
        stopped(&fast, RequestKind::Due, "garbage/").await;
        disturb(slow.store(), [(Update, X, Fault::WaitBefore(gate.clone()))]);
        let meanwhile = async {
            gate.reached().await;
            fast.call(count_up()).key(KEY).await.unwrap();
            gate.open();
        };
        let (removed, ()) = tokio::join!(slow.collect_garbage(), meanwhile);
        removed.unwrap();
        let head = head(&world, "x");
        head.int("c") == Some(marks(&head) as i128)
    })
}

#[test]
fn e_marks_pruned_by_the_collector_and_a_writer() {
    assert!(a_collector_beside_a_writer());
    assert!(!Weakness::MarksTakenTwice.during(a_collector_beside_a_writer));
}
