//! Nobody starves, and who dies for ever holds nobody up for long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use beldi::testing::{Fault, RequestKind, World, in_virtual_time};
use beldi::{App, Limits};
use futures_util::future::join_all;

use crate::{VALUES, add_one, assert_unlocked, owned};

const WRITERS: u64 = 64;
/// The longest wait between two looks at a lock, and the longest between two tries.
const PAUSE: u64 = 64;
const ASIDE: u64 = 256;

/// What the writers of two hot items lived through, in milliseconds.
#[derive(Debug)]
struct Lived {
    fewest_of_a_writer: u64,
    longest: u64,
    longest_as_the_oldest: u64,
    retries: u64,
}

/// Half of the writers lock the items in one order, half in the other, again and again.
fn lived(minutes: u64, latency: u64, patience: Duration) -> Lived {
    in_virtual_time(async {
        let limits = Limits { lock_wait: patience, attempt_time: patience, ..Limits::default() };
        let world = World::new(App::new("hot").limits(limits).ssf(add_one));
        world.store().latency(move || Duration::from_millis(latency));
        let end = world.now() + minutes * 60_000;
        let writers = (0..WRITERS).map(async |writer| {
            let keys = if writer % 2 == 0 { ["a", "b"] } else { ["b", "a"] };
            tokio::time::sleep(Duration::from_millis(writer)).await;
            let mut spans = Vec::new();
            while world.now() < end {
                let asked = world.now();
                world.call(add_one(owned(&keys))).await.unwrap().unwrap();
                spans.push((asked, world.now()));
            }
            spans
        });
        let writers = join_all(writers).await;
        world.settle().await.unwrap();
        assert_unlocked(&world);

        let spans: Vec<_> = writers.concat();
        let commits = spans.len() as u64;
        assert_eq!(world.peek(VALUES, "a"), Some(commits));
        assert_eq!(world.peek(VALUES, "b"), Some(commits));
        println!("{commits} commits");
        Lived {
            fewest_of_a_writer: writers.iter().map(Vec::len).min().unwrap_or(0) as u64,
            longest: spans.iter().map(|(asked, told)| told - asked).max().unwrap_or(0),
            longest_as_the_oldest: longest_as_the_oldest(spans),
            retries: most_retries(&world),
        }
    })
}

/// The longest that a transaction took from when all older ones had ended.
fn longest_as_the_oldest(mut spans: Vec<(u64, u64)>) -> u64 {
    spans.sort_unstable();
    let mut others_ended = 0;
    let as_the_oldest = spans.into_iter().map(|(asked, told)| {
        let since = asked.max(others_ended);
        others_ended = others_ended.max(told);
        told.saturating_sub(since)
    });
    as_the_oldest.max().unwrap_or(0)
}

/// The most tries of any transaction before its last, by the numbers of the decisions on them.
fn most_retries(world: &World) -> u64 {
    let stored = world.stored();
    let numbers =
        stored.iter().filter_map(|(key, _)| key.sort.strip_prefix("txn/")?.split('/').nth(1));
    numbers.map(|number| number.parse().unwrap()).max().unwrap_or(0)
}

/// The oldest gives way to nobody and has the next turn at whatever it waits for, so it needs only
/// as long as two younger ones take to give way or to end, a few looks and requests each.
#[test]
fn no_writer_of_two_hot_items_starves() {
    for latency in [50, 100] {
        let lived = lived(10, latency, Duration::from_secs(600));
        println!("{latency} ms: {lived:?}");
        assert!(lived.fewest_of_a_writer >= 1, "{lived:?}");
        assert!(lived.longest_as_the_oldest <= 100 * latency, "{lived:?}");
        assert!(lived.longest <= WRITERS * lived.longest_as_the_oldest, "{lived:?}");
        // It gives way to older ones only, and each of these is in its way a few times at most.
        assert!(lived.retries <= WRITERS, "{lived:?}");
    }
}

/// The n-th request of a coordinator is its last; how long another transaction over the same items
/// takes then, without a collector. `None` if there are not so many.
fn blocked_after(n: u64, crash: fn() -> Fault, keys: [&str; 2]) -> Option<u64> {
    in_virtual_time(async {
        let world = World::new(App::new("dying").ssf(add_one));
        world.store().latency(|| Duration::from_millis(1));
        let seen = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&seen);
        world.store().script(move |request| {
            let counts = request.kind != RequestKind::Due;
            let now = count.fetch_add(u64::from(counts), Ordering::Relaxed) + u64::from(counts);
            if counts && now == n { crash() } else { Fault::None }
        });
        let first = async {
            let _ = world.call(add_one(owned(&["a", "b"]))).key("dying").await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        tokio::select! {
            () = first => {}
            () = world.store().died() => {}
        }
        if seen.load(Ordering::Relaxed) < n {
            return None;
        }
        let (other, asked) = (world.new_host(), world.now());
        other.call(add_one(owned(&keys))).key("other").await.unwrap().unwrap();
        Some(other.now() - asked)
    })
}

#[test]
fn who_dies_for_ever_blocks_nobody_longer_than_a_transaction_may_take() {
    let txn_time = u64::try_from(Limits::default().txn_time.as_millis()).unwrap();
    // Besides: a look at the lock, a try aside, and the few requests of a transaction, which may have to
    // be repeated.
    let bound = txn_time + PAUSE + ASIDE + txn_time / 20;
    let mut longest = 0;
    for crash in [|| Fault::CrashBefore, || Fault::CrashAfter] {
        for keys in [["a", "b"], ["b", "a"]] {
            let steps: Vec<_> = (1..).map_while(|n| blocked_after(n, crash, keys)).collect();
            println!("{:?} {keys:?}: {steps:?} ms", crash());
            assert!(steps.len() >= 5, "two locks, a decision, two items: {steps:?}");
            longest = steps.into_iter().fold(longest, u64::max);
        }
    }
    assert!(longest <= bound, "{longest} ms of {bound}");
    assert!(longest >= txn_time / 2, "a holder that may be alive is left alone: {longest} ms");
}
