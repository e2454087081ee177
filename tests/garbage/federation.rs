//! Two owners' services: what one keeps for the other, until that tells that it is swept; and that
//! each collects alone.

use std::cell::Cell;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use beldi::store::{MemoryStore, Store};
use beldi::testing::RequestKind::Update;
use beldi::testing::{Fault, Gate, PostFault, Weakness, World, in_virtual_time};
use beldi::{App, InstanceState};

use crate::schedule::disturb;
use crate::{
    AT_LAST, Gone, KEY, LAG, VALUES, WINDOW, assert_sound, collected, late, limits, set, set_all,
    settled,
};

const X: &str = "table/values/x";

thread_local! {
    /// Whether who has come so far fails.
    static FAILS: Cell<bool> = const { Cell::new(false) };
}

/// The service that has `x`.
mod bank {
    use std::time::UNIX_EPOCH;

    use super::{App, VALUES, limits, set};

    /// Adds one to `x`, and has it noted.
    #[beldi::ssf]
    pub(super) async fn pay() -> u64 {
        let value = VALUES.get("x").await.unwrap_or(0) + 1;
        VALUES.put("x", &value).await;
        note().send().await;
        value
    }

    /// What it has noted goes another way each millisecond.
    #[beldi::ssf]
    pub(super) async fn pay_by_the_clock() -> u64 {
        let now = beldi::now().await.duration_since(UNIX_EPOCH).unwrap();
        let value = VALUES.get("x").await.unwrap_or(0) + 1;
        VALUES.put("x", &value).await;
        if now.as_millis().is_multiple_of(2) {
            let _ = beldi::uuid().await;
        }
        note().send().await;
        value
    }

    #[beldi::ssf]
    async fn note() {
        VALUES.update("notes", |notes| *notes = Some(notes.unwrap_or(0) + 1)).await;
    }

    pub(super) fn app(marks: u32) -> App {
        App::new("bank").limits(limits(marks)).ssf(pay).ssf(pay_by_the_clock).ssf(note).ssf(set)
    }
}

#[beldi::ssf(service = "bank")]
async fn pay() -> u64;

#[beldi::ssf(service = "bank")]
async fn pay_by_the_clock() -> u64;

#[beldi::ssf]
pub(crate) async fn buy_by_the_clock() -> Result<u64, ()> {
    VALUES.put("thinks", &1).await;
    beldi::txn(async { Ok(pay_by_the_clock().await) }).await
}

/// Pays, and logs that.
#[beldi::ssf]
pub(crate) async fn order() -> u64 {
    let value = pay().await;
    assert!(!FAILS.get(), "before it has logged what it paid");
    let _ = beldi::now().await;
    VALUES.put("paid", &value).await;
    value
}

/// The same, and does not come to an end.
#[beldi::ssf]
async fn order_and_wait() -> u64 {
    let value = pay().await;
    let _ = beldi::now().await;
    VALUES.put("paid", &value).await;
    assert!(!FAILS.get(), "as it was told");
    value
}

/// Pays in a transaction, which is not the end.
#[beldi::ssf]
pub(crate) async fn buy() -> Result<u64, ()> {
    let value = beldi::txn(async {
        let value = pay().await;
        VALUES.put("bought", &value).await;
        Ok(value)
    })
    .await?;
    assert!(!FAILS.get(), "as it was told");
    Ok(value)
}

/// Pays in a transaction, long after it began.
#[beldi::ssf]
async fn think_and_buy() -> Result<u64, ()> {
    VALUES.put("thinks", &1).await;
    assert!(!FAILS.get(), "as it was told");
    beldi::txn(async { Ok(pay().await) }).await
}

pub(crate) fn world(marks: u32) -> World {
    shop(marks).with(World::new(bank::app(marks)))
}

/// The bank has another store.
pub(crate) fn world_over<S: Store>(store: fn(Arc<MemoryStore>) -> S) -> World {
    shop(16).with(World::new(bank::app(16)).over(store))
}

fn shop(marks: u32) -> World {
    let app = App::new("shop").limits(limits(marks)).ssf(set);
    let app = app.ssf(order).ssf(order_and_wait).ssf(buy).ssf(buy_by_the_clock).ssf(think_and_buy);
    World::new(app)
}

fn x(world: &World) -> Option<u64> {
    world.service("bank").peek(VALUES, "x")
}

fn notes(world: &World) -> Option<u64> {
    world.service("bank").peek(VALUES, "notes")
}

/// Somebody else's business with `x`.
async fn others_pay(world: &World) {
    set_all(world.service("bank"), &[("x", 50), ("x", 60), ("x", 70)]).await;
}

/// Runs a root that parks.
macro_rules! parks {
    ($host:expr, $call:expr) => {{
        FAILS.set(true);
        assert!($host.call($call).key(KEY).await.is_err());
        settled(&$host).await;
        FAILS.set(false);
        assert_eq!($host.instance(KEY).await.unwrap().state, InstanceState::Parked);
    }};
}

/// A root that is to call the bank again when it goes on.
pub(crate) async fn parks_after_paying(world: &World) {
    parks!(*world, order());
}

async fn resumed(world: &World) {
    world.resume(KEY).await.unwrap();
    settled(world).await;
    assert_eq!(world.instance(KEY).await.unwrap().state, InstanceState::Done);
}

/// Time passes in which both collect what they may.
async fn long_after(world: &World) {
    Gone::Tombstones.by(world).await;
}

/// Rows of the bank in partitions with such names, and how many of them are whole.
fn records(world: &World, prefix: &str, whole: &str) -> (usize, usize) {
    let rows = world.service("bank").stored().into_iter();
    let rows: Vec<_> = rows.filter(|(key, _)| key.partition.starts_with(prefix)).collect();
    let is_whole = |(_, row): &&(_, beldi::store::Row)| row.get(whole).is_some();
    (rows.len(), rows.iter().filter(is_whole).count())
}

/// The caller has not logged the result, and is resumed long after.
fn a_callee_asked_again() -> Option<u64> {
    in_virtual_time(async {
        let world = world(16);
        parks!(world, order());
        long_after(&world).await;
        resumed(&world).await;
        x(&world)
    })
}

#[test]
fn h_callee_recycled_when_it_finished() {
    assert_eq!(a_callee_asked_again(), Some(1));
    assert_eq!(Weakness::CallersUnasked.during(a_callee_asked_again), Some(2));
}

/// The caller has logged the result, but an attempt of it has not heard.
fn a_callee_asked_late() -> Option<u64> {
    in_virtual_time(async {
        let (world, gate) = (world(16), Gate::default());
        disturb(world.store(), [(Update, "root/~*", Fault::WaitBefore(gate.clone()))]);
        let host = world.new_host();
        let told = late(world.call(order_and_wait()).key(KEY), gate, async {
            parks!(host, order_and_wait());
            long_after(&host).await;
        });
        let _ = told.await;
        x(&world)
    })
}

#[test]
fn h_callee_recycled_when_the_caller_logged() {
    assert_eq!(a_callee_asked_late(), Some(1));
    assert_eq!(Weakness::CallersUnasked.during(a_callee_asked_late), Some(2));
}

/// The root is finished, so only the window is left.
#[test]
fn a_late_call_of_a_finished_caller_gets_the_first_result() {
    for gone in Gone::WITHIN_THE_WINDOW {
        in_virtual_time(async {
            let (world, gate) = (world(16), Gate::default());
            disturb(world.store(), [(Update, "root/~*", Fault::WaitBefore(gate.clone()))]);
            let host = world.new_host();
            let told = late(world.call(order()).key(KEY), gate, async {
                host.call(order()).key(KEY).await.unwrap();
                settled(&host).await;
                others_pay(&host).await;
                gone.by(&host).await;
            });
            assert_eq!(told.await.unwrap(), 1, "{gone:?}");
            settled(&host).await;
            assert_eq!((x(&world), notes(&world)), (Some(70), Some(1)), "{gone:?}");
        });
    }
}

/// One copy of the call's registration is on its way for minutes, until its caller is swept.
#[test]
fn a_late_call_of_a_caller_that_slept_and_was_swept_is_charged_once() {
    in_virtual_time(async {
        let world = world(16);
        parks!(world, order());
        long_after(&world).await;
        disturb(world.store(), [(Update, "root/~*", Fault::Late(15 * LAG))]);
        resumed(&world).await;
        tokio::time::sleep(3 * LAG).await;
        for _ in 0..4 {
            collected(&world).await;
            tokio::time::sleep(5 * LAG).await;
        }
        settled(&world).await;
        assert_eq!((x(&world), notes(&world)), (Some(1), Some(1)));
    });
}

#[test]
fn a_record_of_a_call_goes_when_its_caller_is_swept() {
    in_virtual_time(async {
        let world = world(16);
        parks!(world, order());
        long_after(&world).await;
        // The receiver of the callee's send came from here, and is gone.
        assert_eq!(records(&world, "root/~", "state"), (1, 1));
        resumed(&world).await;
        long_after(&world).await;
        long_after(&world).await;
        assert_eq!(records(&world, "root/~", "state"), (0, 0));
    });
}

#[test]
fn a_prepare_record_is_emptied_when_its_coordinator_is_swept() {
    in_virtual_time(async {
        let world = world(16);
        parks!(world, buy());
        long_after(&world).await;
        assert_eq!(records(&world, "prepare/", "writes"), (1, 1));
        resumed(&world).await;
        assert_eq!(world.instance(KEY).await.unwrap().state, InstanceState::Done);
        // The longer it had to be kept, the less often it is looked at.
        tokio::time::sleep(10 * LAG).await;
        collected(&world).await;
        assert_eq!(records(&world, "prepare/", "writes"), (1, 0));
        long_after(&world).await;
        assert_eq!(records(&world, "prepare/", "writes"), (0, 0));
        assert_eq!((x(&world), notes(&world)), (Some(1), Some(1)));
    });
}

#[test]
fn a_root_older_than_everything_elsewhere_still_takes_part_there() {
    in_virtual_time(async {
        let world = world(16);
        parks!(world, think_and_buy());
        for _ in 0..2 {
            others_pay(&world).await;
            long_after(&world).await;
        }
        let fence = crate::head(world.service("bank"), "x").int("f");
        assert!(fence.is_some(), "the bank has collected");
        resumed(&world).await;
        assert_eq!((x(&world), notes(&world)), (Some(71), Some(1)));
        assert_sound(world.service("bank"));
    });
}

/// The lock comes late, when the try is committed and its root still unfinished.
fn a_late_lock_of_an_unfinished_root() -> Option<u64> {
    in_virtual_time(async {
        let world = world(16);
        disturb(world.store(), [(Update, X, Fault::Late(AT_LAST))]);
        parks!(world, buy());
        others_pay(&world).await;
        long_after(&world).await;
        others_pay(&world).await;
        tokio::time::sleep(AT_LAST).await;
        settled(&world).await;
        assert_sound(world.service("bank"));
        x(&world)
    })
}

#[test]
fn a_tombstone_stays_as_long_as_the_root_elsewhere_is_unfinished() {
    assert_eq!(a_late_lock_of_an_unfinished_root(), Some(70));
    let weak = Weakness::ForeignMarksAsOwn.during(a_late_lock_of_an_unfinished_root);
    assert_eq!(weak, Some(1));
}

/// The n-th update of `x` comes late, after everything that is gone.
fn redelivered(gone: Gone, marks: u32, late: &[(usize, Duration)]) -> Option<u64> {
    in_virtual_time(async {
        let world = world(marks);
        let fault = |nth| late.iter().find(|(at, _)| *at == nth).map(|(_, time)| *time);
        let rules = (0..4).map(|nth| (Update, X, fault(nth).map_or(Fault::None, Fault::Late)));
        disturb(world.store(), rules.collect::<Vec<_>>());
        world.call(buy()).key(KEY).await.unwrap().unwrap();
        settled(&world).await;
        others_pay(&world).await;
        gone.by(&world).await;
        others_pay(&world).await;
        tokio::time::sleep(2 * AT_LAST).await;
        settled(&world).await;
        assert_sound(world.service("bank"));
        assert_eq!(notes(&world), Some(1));
        x(&world)
    })
}

#[test]
fn a_late_lock_or_settling_changes_nothing_when_both_have_collected() {
    for (gone, marks) in Gone::ALL.into_iter().flat_map(|gone| [(gone, 1), (gone, 16)]) {
        for nth in [0, 2] {
            let x = redelivered(gone, marks, &[(nth, AT_LAST)]);
            assert_eq!(x, Some(70), "{gone:?}, {marks} marks, {nth}");
        }
    }
}

/// Both the lock and what settles it: together they would change the value once more.
#[test]
fn a_late_lock_and_its_late_settling_change_nothing_when_both_have_collected() {
    let late = [(0, AT_LAST), (2, AT_LAST + Duration::from_secs(1) / 2)];
    let schedule = |gone, marks| redelivered(gone, marks, &late);
    for (gone, marks) in Gone::ALL.into_iter().flat_map(|gone| [(gone, 1), (gone, 16)]) {
        assert_eq!(schedule(gone, marks), Some(70), "{gone:?}, {marks} marks");
    }
    let weak = Weakness::PruneWithoutFence.during(|| schedule(Gone::AllThatIsEmptied, 16));
    assert_eq!(weak, Some(1));
}

/// A callee that takes part sleeps before a request of its own.
fn a_callee_that_sleeps(gone: Gone, target: &'static str) -> (Option<u64>, Option<u64>) {
    in_virtual_time(async {
        let (world, gate) = (world(16), Gate::default());
        disturb(world.store(), [(Update, target, Fault::WaitBefore(gate.clone()))]);
        let host = world.new_host();
        let told = late(world.call(buy()).key(KEY), gate, async {
            host.call(buy()).key(KEY).await.unwrap().unwrap();
            settled(&host).await;
            others_pay(&host).await;
            gone.by(&host).await;
            others_pay(&host).await;
        });
        assert_eq!(told.await.unwrap(), Ok(1), "{gone:?}");
        settled(&host).await;
        assert_sound(world.service("bank"));
        (x(&world), notes(&world))
    })
}

#[test]
fn a_late_callee_changes_nothing_when_both_have_collected() {
    for gone in Gone::WITHIN_THE_WINDOW {
        for target in ["prepare/*", X, "root/k/txn/*", "root/~*"] {
            let seen = a_callee_that_sleeps(gone, target);
            assert_eq!(seen, (Some(70), Some(1)), "{gone:?}, {target}");
        }
    }
}

/// A callee comes to its prepare record late, when another way of it was committed; then an attempt that
/// has committed comes to tell so.
fn a_late_record_and_who_counts_it() -> (Option<u64>, Option<u64>) {
    in_virtual_time(async {
        let (world, prepares, commits) = (world(16), Gate::default(), Gate::default());
        let late_prepare = (Update, "prepare/*", Fault::WaitBefore(prepares.clone()));
        let late_commit = (Update, "root/k/txn/*", Fault::WaitAfter(commits.clone()));
        disturb(world.store(), [late_prepare, late_commit]);
        let (second, host) = (world.new_host(), world.new_host());
        let second = async {
            prepares.reached().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            let told = late(second.call(buy_by_the_clock()).key(KEY), commits, async {
                host.call(buy_by_the_clock()).key(KEY).await.unwrap().unwrap();
                settled(&host).await;
                others_pay(&host).await;
                Gone::AllThatIsEmptied.by(&host).await;
                prepares.open();
                tokio::time::sleep(Duration::from_secs(1)).await;
            });
            told.await
        };
        let first = world.call(buy_by_the_clock()).key(KEY).into_future();
        let (first, second) = tokio::join!(first, second);
        assert_eq!((first.unwrap(), second.unwrap()), (Ok(1), Ok(1)));
        settled(&host).await;
        (x(&world), notes(&world))
    })
}

#[test]
fn a_late_prepare_record_is_not_counted() {
    assert_eq!(a_late_record_and_who_counts_it(), (Some(70), Some(1)));
    let weak = Weakness::DeletedPrepareRecords.during(a_late_record_and_who_counts_it);
    assert_eq!(weak, (Some(70), Some(2)));
}

#[test]
fn an_unfinished_root_holds_back_nobody_elses_garbage() {
    in_virtual_time(async {
        let world = world(16);
        parks!(world, order());
        others_pay(&world).await;
        tokio::time::sleep(2 * LAG).await;
        let at_home = world.collect_garbage().await.unwrap();
        assert_eq!(at_home.held_back, None, "the bank is not");
        set_all(&world, &[("y", 1)]).await;
        tokio::time::sleep(WINDOW + 2 * LAG).await;
        let bank = world.service("bank").collect_garbage().await.unwrap();
        assert_eq!((bank.held_back, bank.unreachable), (None, vec![]));
        assert_eq!(records(&world, "root/call", "state"), (0, 0), "the bank's own are gone");
        assert_eq!(records(&world, "root/~", "state"), (1, 1));
    });
}

#[test]
fn a_peer_that_cannot_be_reached_keeps_its_records_and_nothing_else() {
    in_virtual_time(async {
        let world = world(16);
        world.call(buy()).key(KEY).await.unwrap().unwrap();
        settled(&world).await;
        others_pay(&world).await;
        tokio::time::sleep(2 * LAG).await;
        let alone = world.service("bank").new_host();
        let removed = alone.collect_garbage().await.unwrap();
        assert_eq!(removed.unreachable, ["shop"]);
        assert_eq!((removed.roots, removed.prepared), (4, 0));
        assert_eq!(records(&world, "prepare/", "writes"), (1, 1));
        // It is asked again after as long as it had to wait until now.
        tokio::time::sleep(4 * LAG).await;
        collected(&world).await;
        assert_eq!(records(&world, "prepare/", "writes"), (1, 0));
    });
}

/// Waiting for it is no time of the run, which would never be complete otherwise.
#[test]
fn a_peer_that_hangs_keeps_its_records_and_nothing_else() {
    in_virtual_time(async {
        let world = world(16);
        world.call(buy()).key(KEY).await.unwrap().unwrap();
        settled(&world).await;
        others_pay(&world).await;
        tokio::time::sleep(2 * LAG).await;
        world.post().script(|_, to| if to == "shop" { PostFault::Hang } else { PostFault::None });
        let bank = world.service("bank");
        let removed = tokio::time::timeout(100 * AT_LAST, bank.collect_garbage());
        let removed = removed.await.expect("one run, which is complete").unwrap();
        assert_eq!(removed.unreachable, ["shop"]);
        assert_eq!((removed.roots, removed.prepared), (4, 0));
    });
}
