//! Log before effect (P2, b), one winner a slot (P4), slots in order (k), loading (j).

use beldi::testing::RequestKind::{Get, Query, Update};
use beldi::testing::{Fault, Gate, World, in_virtual_time};
use beldi::{App, When};

use crate::{TEXTS, VALUES, beginning_with, dies, disturb, held, keys, set_all, world};

pub(crate) fn register(app: App) -> App {
    let app = app.ssf(route).ssf(route_later).ssf(try_route).ssf(update_route).ssf(stamp_time);
    app.ssf(parity).ssf(three_branches).ssf(copy_texts).ssf(all_texts).ssf(six_slots)
}

/// Where it writes depends on what it read.
#[beldi::ssf]
async fn route() -> u64 {
    let x = VALUES.get("x").await.unwrap_or(0);
    VALUES.put(&format!("at-{x}"), &1).await;
    x
}

/// The same when the root is registered already: its flush is a row of its own.
#[beldi::ssf]
async fn route_later() -> u64 {
    VALUES.put("begun", &1).await;
    let x = VALUES.get("x").await.unwrap_or(0);
    VALUES.put(&format!("at-{x}"), &1).await;
    x
}

/// Trying is an effect too.
#[beldi::ssf]
async fn try_route() -> bool {
    let x = VALUES.get("x").await.unwrap_or(0);
    VALUES.put(&format!("at-{x}"), &1).when(When::absent()).await
}

#[beldi::ssf]
async fn update_route() -> u64 {
    let x = VALUES.get("x").await.unwrap_or(0);
    VALUES.update(&format!("at-{x}"), |at| *at = Some(1)).await;
    x
}

#[beldi::ssf]
async fn stamp_time() {
    let now = beldi::now().await.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    VALUES.put(&format!("at-{now}"), &1).await;
}

/// Ends with an observation that decided that there is no more effect.
#[beldi::ssf]
pub(crate) async fn parity() -> u64 {
    VALUES.put("begun", &1).await;
    let x = VALUES.get("x").await.unwrap_or(0);
    if !x.is_multiple_of(2) {
        VALUES.put("odd", &x).await;
    }
    x
}

#[beldi::ssf]
async fn three_branches() {
    VALUES.put("begun", &1).await;
    beldi::join_all(["x", "y", "z"].map(|name| async move {
        let value = VALUES.get(name).await.unwrap_or(0);
        VALUES.put(&format!("{name}-{value}"), &1).await;
    }))
    .await;
}

#[beldi::ssf(read_only)]
async fn all_texts() -> Vec<String> {
    TEXTS.scan(..).await.into_iter().map(|(_, text)| text).collect()
}

/// Megabytes in one slot: of a scan, of many gets, of a callee's reply.
#[beldi::ssf]
async fn copy_texts() -> u64 {
    let scanned = TEXTS.scan(..).await;
    VALUES.put("scanned", &(scanned.len() as u64)).await;
    let keys: Vec<_> = scanned.iter().map(|(key, _)| key.as_str()).collect();
    let got = TEXTS.get_many(keys).await.into_iter().flatten().map(|text| text.len());
    VALUES.put("got", &(got.sum::<usize>() as u64)).await;
    let replied = all_texts().await.iter().map(String::len).sum::<usize>() as u64;
    VALUES.put(&format!("replied-{replied}"), &1).await;
    replied
}

/// Six slots that do not fit into one page.
#[beldi::ssf]
async fn six_slots() -> u64 {
    let mut sum = 0;
    for number in 0..TEXTS_THERE {
        let text = TEXTS.get(&format!("text-{number}")).await.unwrap_or_default();
        let x = VALUES.get("x").await.unwrap_or(0);
        sum += x + text.len() as u64;
        VALUES.put(&format!("at-{number}-{x}"), &1).await;
    }
    sum
}

const TEXTS_THERE: usize = 6;
/// Four of these are more than a page.
const TEXT: usize = 300_000;
const ALL_TEXTS: u64 = (TEXTS_THERE * TEXT) as u64;

fn world_of_texts(length: usize) -> World {
    (0..TEXTS_THERE).fold(world(&[]), |world, number| {
        world.row(TEXTS, &format!("text-{number}"), &"t".repeat(length))
    })
}

/// An attempt that dies right after its effect, then another with other values before it.
macro_rules! dies_after_its_effect {
    ($call:expr) => {
        in_virtual_time(async {
            let world = world(&[("x", 1)]);
            disturb(world.store(), [(Update, "table/values/at-*", Fault::CrashAfter)]);
            dies(&world, world.call($call).key("r")).await;
            let host = world.new_host();
            set_all(&host, &[("x", 2)]).await;
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            host.call($call).key("r").await.unwrap();
            assert_eq!(keys(&host, "at-").len(), 1, "two histories left effects");
        })
    };
}

#[test]
fn p2_flush_after_the_effect() {
    dies_after_its_effect!(route());
    dies_after_its_effect!(route_later());
}

#[test]
fn b_a_conditional_write_is_an_effect() {
    dies_after_its_effect!(try_route());
}

#[test]
fn b_the_clock_is_an_event() {
    dies_after_its_effect!(stamp_time());
}

#[test]
fn f_target_depends_on_the_read() {
    dies_after_its_effect!(update_route());
}

/// Both have observed; the second wins the slot; what the first does next must not be its own.
async fn overtaken_at_its_flush(world: &World, second_dies: bool) -> u64 {
    let gate = Gate::default();
    let flush = (Update, "root/r/slot/*", Fault::WaitBefore(gate.clone()));
    let death = (Update, "table/values/at-*", Fault::CrashAfter);
    disturb(world.store(), std::iter::once(flush).chain(second_dies.then_some(death)));
    let other = world.new_host();
    held(world.call(route_later()).key("r"), gate, async {
        set_all(&other, &[("x", 2)]).await;
        let second = other.call(route_later()).key("r");
        if second_dies {
            dies(&other, second).await;
        } else {
            assert_eq!(second.await.unwrap(), 2);
        }
    })
    .await
}

#[test]
fn p4_unconditional_flush() {
    in_virtual_time(async {
        let world = world(&[("x", 1)]);
        assert_eq!(overtaken_at_its_flush(&world, true).await, 2);
        assert_eq!(keys(&world, "at-"), ["at-2"]);
    });
}

#[test]
fn p4_loser_keeps_its_values() {
    in_virtual_time(async {
        let world = world(&[("x", 1)]);
        assert_eq!(overtaken_at_its_flush(&world, false).await, 2);
        assert_eq!(keys(&world, "at-"), ["at-2"]);
    });
}

/// The result is an outcome like any other: a slot decides, not who finishes first.
#[test]
fn p4_a_result_belongs_to_the_history_of_the_log() {
    in_virtual_time(async {
        let world = world(&[("x", 0)]);
        let gate = Gate::default();
        let registration = (Update, "root/r/intent", Fault::None);
        let end = (Update, "root/r/*", Fault::WaitBefore(gate.clone()));
        let death = (Update, "table/values/odd", Fault::CrashAfter);
        disturb(world.store(), [registration, end, death]);
        let other = world.new_host();
        let seen = held(world.call(parity()).key("r"), gate, async {
            set_all(&other, &[("x", 1)]).await;
            dies(&other, other.call(parity()).key("r")).await;
        })
        .await;
        assert_eq!(seen, 1, "an effect of the run that saw 1 is there");
        assert_eq!(world.peek(VALUES, "odd"), Some(1));
    });
}

/// The other way round: nothing may follow a result that says otherwise.
#[test]
fn p4_no_effect_after_a_result_without_it() {
    in_virtual_time(async {
        let world = world(&[("x", 1)]);
        let gate = Gate::default();
        let flush = (Update, "root/r/slot/*", Fault::WaitBefore(gate.clone()));
        disturb(world.store(), [flush]);
        let other = world.new_host();
        let seen = held(world.call(parity()).key("r"), gate, async {
            set_all(&other, &[("x", 2)]).await;
            assert_eq!(other.call(parity()).key("r").await.unwrap(), 2);
        })
        .await;
        assert_eq!(seen, 2);
        assert_eq!(world.peek(VALUES, "odd"), None);
    });
}

/// Slot 2 must not become durable while slot 1 is on its way.
#[test]
fn k_flushes_do_not_overtake() {
    in_virtual_time(async {
        let world = world(&[("x", 1), ("y", 1), ("z", 1)]);
        let gate = Gate::default();
        let flush = (Update, "root/r/slot/*", Fault::WaitBefore(gate.clone()));
        disturb(world.store(), [flush]);
        let host = world.new_host();
        tokio::select! {
            () = dies(&world, world.call(three_branches()).key("r")) => {}
            () = async {
                gate.reached().await;
                let slots = world.stored().into_iter();
                assert_eq!(slots.filter(|(key, _)| key.sort.starts_with("slot/")).count(), 0);
                assert_eq!(keys(&world, "y-").len() + keys(&world, "z-").len(), 0);
                world.store().kill();
                tokio::task::yield_now().await;
            } => {}
        }
        set_all(&host, &[("x", 2), ("y", 2), ("z", 2)]).await;
        host.settle().await.unwrap();
        for name in ["x-", "y-", "z-"] {
            assert_eq!(beginning_with(&host, name), [(format!("{name}2"), 1)]);
        }
    });
}

/// One branch flushed for another, and lost the slot: the other must not go on.
#[test]
fn k_branches_stop_with_the_one_that_lost_their_slot() {
    in_virtual_time(async {
        let world = world(&[("x", 1), ("y", 1), ("z", 1)]);
        let [first, second] = [Gate::default(), Gate::default()];
        let held_at = |gate: &Gate| (Update, "root/r/slot/*", Fault::WaitBefore(gate.clone()));
        disturb(world.store(), [held_at(&first), held_at(&second)]);
        let other = world.new_host();
        let open_first = async {
            first.reached().await;
            first.open();
        };
        let attempt = held(world.call(three_branches()).key("r"), second, async {
            set_all(&other, &[("x", 2), ("y", 2), ("z", 2)]).await;
            other.call(three_branches()).key("r").await.unwrap();
        });
        tokio::join!(attempt, open_first);
        let all = ["x-", "y-", "z-"].map(|name| keys(&world, name));
        assert!(all.iter().all(|keys| keys.len() == 1), "{all:?}");
        // Whichever branch came first is in the log.
        let old = all.iter().flatten().filter(|key| key.ends_with("-1"));
        assert_eq!(old.count(), 1, "{all:?}");
    });
}

/// The same when the store does not answer the flush: nothing says that it is in the log.
#[test]
fn k_branches_stop_with_the_one_that_could_not_flush() {
    in_virtual_time(async {
        let world = world(&[("x", 1), ("y", 1), ("z", 1)]);
        let [first_flush, next_run] = [Gate::default(), Gate::default()];
        let flush = |fault| (Update, "root/r/slot/*", fault);
        let read = |fault| (Get, "table/values/z", fault);
        let rules = [
            flush(Fault::WaitBefore(first_flush.clone())),
            flush(Fault::Fail),
            flush(Fault::Fail),
            flush(Fault::Fail),
            flush(Fault::Fail),
            read(Fault::None),
            read(Fault::WaitBefore(next_run.clone())),
        ];
        disturb(world.store(), rules);
        let other = world.new_host();
        let open_first = async {
            first_flush.reached().await;
            first_flush.open();
        };
        let attempt = held(world.call(three_branches()).key("r"), next_run, async {
            set_all(&other, &[("x", 2), ("y", 2), ("z", 2)]).await;
        });
        tokio::join!(attempt, open_first);
        for name in ["x-", "y-", "z-"] {
            assert_eq!(keys(&world, name).len(), 1, "two histories left effects");
        }
    });
}

/// A sibling appends between two pages of the load.
#[test]
fn j_ascending_page() {
    in_virtual_time(async {
        let world = world_of_texts(TEXT);
        disturb(world.store(), [(Update, "table/values/at-4-*", Fault::CrashAfter)]);
        dies(&world, world.call(six_slots()).key("r")).await;
        let (loader, sibling) = (world.new_host(), world.new_host());
        let gate = Gate::default();
        let second_page = (Query, "root/r/*", Fault::WaitAfter(gate.clone()));
        disturb(world.store(), [second_page]);
        let sum = held(loader.call(six_slots()).key("r"), gate, async {
            set_all(&sibling, &[("x", 5)]).await;
            assert_eq!(sibling.call(six_slots()).key("r").await.unwrap(), ALL_TEXTS + 5);
        })
        .await;
        assert_eq!(sum, ALL_TEXTS + 5);
        let expected = ["at-0-0", "at-1-0", "at-2-0", "at-3-0", "at-4-0", "at-5-5"];
        assert_eq!(keys(&world, "at-"), expected);
    });
}

#[test]
fn j_journal_larger_than_a_page() {
    in_virtual_time(async {
        let world = world_of_texts(TEXT);
        disturb(world.store(), [(Update, "table/values/at-5-*", Fault::CrashAfter)]);
        dies(&world, world.call(six_slots()).key("r")).await;
        let host = world.new_host();
        set_all(&host, &[("x", 5)]).await;
        assert_eq!(host.call(six_slots()).key("r").await.unwrap(), ALL_TEXTS);
        assert_eq!(keys(&host, "at-").len(), TEXTS_THERE);
        assert!(keys(&host, "at-").iter().all(|key| key.ends_with("-0")));
    });
}

/// Parts lie there, their slot does not: they bind nobody.
#[test]
fn b_parts_without_their_slot() {
    in_virtual_time(async {
        let world = world_of_texts(TEXT);
        let parts = std::iter::repeat_n((Update, "root/r/slot/*/*/*", Fault::None), 5);
        let slot = (Update, "root/r/slot/*", Fault::CrashBefore);
        disturb(world.store(), parts.chain([slot]));
        dies(&world, world.call(copy_texts()).key("r")).await;
        let host = world.new_host();
        assert_eq!(host.call(copy_texts()).key("r").await.unwrap(), ALL_TEXTS);
        assert_eq!(host.peek(VALUES, "got"), Some(ALL_TEXTS));
    });
}

#[test]
fn b_slots_of_several_parts_crashed_everywhere() {
    const LENGTH: usize = 60_000;
    let setup = || world_of_texts(LENGTH);
    let run = async |world: &World| world.call(copy_texts()).await.unwrap();
    let check = |world: &World, replied: u64| {
        assert_eq!(replied, (TEXTS_THERE * LENGTH) as u64);
        assert_eq!(world.peek(VALUES, "scanned"), Some(TEXTS_THERE as u64));
        assert_eq!(world.peek(VALUES, "got"), Some(replied));
        assert_eq!(keys(world, "replied-"), [format!("replied-{replied}")]);
    };
    println!("{}", World::crash_everywhere(setup, run, check));
    println!("{}", World::second_attempt_everywhere(setup, run, check));
}
