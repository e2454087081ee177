//! Random schedules from a seed: latencies, faults, crashes, two clients, a collector beside them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{Either, join, select};

use super::environment::number;
use super::{Fault, Request, World, in_virtual_time};

/// What an exploration did. See [`explore`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Explored {
    /// Seeds, a run each.
    pub seeds: usize,
    /// Faults met in all of them.
    pub faults: usize,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "explored {} seeds with {} faults", self.seeds, self.faults)
    }
}

/// The most faults of one run; after them everything is delivered, so that a run ends.
const MAX_FAULTS: usize = 12;
/// The most requests of one run that hang: each costs a time-out, and an attempt has its time.
const MAX_HANGING: u32 = 3;

/// Runs a client under a random schedule per seed: every request takes a random time and may fail,
/// hang, be lost, doubled or late, hosts die and start again, and, under every other seed, a second
/// client with the same requests runs beside the first. `check` sees the outcome of each client, when
/// nothing is left to do.
///
/// Equal seeds give equal runs. With `BELDI_SEED` set, that seed alone is run. Take
/// [`seeds`](super::seeds) to have `BELDI_SEEDS` set how many are.
///
/// ```
/// use beldi::testing::{World, explore};
///
/// const VISITS: beldi::Table<str, u64> = beldi::Table::new("visits");
///
/// #[beldi::ssf]
/// async fn visit(page: String) -> u64 {
///     VISITS.update(&page, |visits| *visits.insert(visits.unwrap_or(0) + 1)).await
/// }
///
/// let explored = explore(
///     0..20,
///     || World::new(beldi::App::new("site").ssf(visit)),
///     async |world| world.call(visit("home".into())).await.unwrap(),
///     |world, count| {
///         assert_eq!(count, 1);
///         assert_eq!(world.peek(VISITS, "home"), Some(1));
///     },
/// );
/// println!("{explored}");
/// ```
///
/// # Panics
///
/// When `run` or `check` does, after a line with the seed. Do not call it in a runtime: it starts its
/// own.
pub fn explore<T>(
    seeds: impl IntoIterator<Item = u64>,
    setup: impl Fn() -> World,
    run: impl AsyncFn(&World) -> T,
    check: impl Fn(&World, T),
) -> Explored {
    let only = number("BELDI_SEED");
    let mut explored = Explored::default();
    for seed in only.map_or_else(|| seeds.into_iter().collect(), |seed| vec![seed]) {
        let body = AssertUnwindSafe(|| in_virtual_time(one(seed, &setup, &run, &check)));
        match catch_unwind(body) {
            Ok(faults) => explored.faults += faults,
            Err(panic) => {
                #[expect(
                    clippy::print_stderr,
                    reason = "beside the panic, where a test's reader looks"
                )]
                {
                    eprintln!(
                        "beldi: failed; to repeat it: BELDI_SEED={seed} cargo test <this test>"
                    );
                }
                resume_unwind(panic);
            }
        }
        explored.seeds += 1;
    }
    explored
}

async fn one<T>(
    seed: u64,
    setup: &impl Fn() -> World,
    run: &impl AsyncFn(&World) -> T,
    check: &impl Fn(&World, T),
) -> usize {
    let world = setup();
    world.reseed(seed);
    let faults = misbehave(&world, seed);
    let first = client(&world, run);
    let second = async {
        tokio::time::sleep(Duration::from_millis(seed % 40)).await;
        client(&world, run).await
    };
    let outcomes = if seed.is_multiple_of(2) {
        let (first, second) = join(first, second).await;
        vec![first, second]
    } else {
        vec![first.await]
    };
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    // A request that came late may have left work for the collectors of whoever is there then.
    while world.new_host().settle().await.is_err() {}
    if world.collects() {
        while world.new_host().collect_garbage().await.is_err() {}
    }
    for outcome in outcomes {
        check(&world, outcome);
    }
    faults.load(Ordering::Relaxed)
}

/// Runs the client, the collector beside it, on hosts that may die, until one lives through it.
async fn client<T>(world: &World, run: &impl AsyncFn(&World) -> T) -> T {
    loop {
        let host = world.new_host();
        let work = async {
            let collector = async {
                loop {
                    let _ = host.settle().await;
                    tokio::time::sleep(Duration::from_millis(7)).await;
                }
            };
            let collectors = async {
                let ((), never): ((), Infallible) = join(collector, garbage_collector(&host)).await;
                never
            };
            let (run, collectors) = (std::pin::pin!(run(&host)), std::pin::pin!(collectors));
            let outcome = match select(run, collectors).await {
                Either::Left((outcome, _)) => outcome,
                Either::Right((never, _)) => match never {},
            };
            while host.settle().await.is_err() {}
            outcome
        };
        if let Either::Left((outcome, _)) =
            select(std::pin::pin!(work), std::pin::pin!(host.store().died())).await
        {
            return outcome;
        }
    }
}

/// Collects garbage beside all that, if the world is told to.
async fn garbage_collector(host: &World) -> Infallible {
    if !host.collects() {
        return std::future::pending().await;
    }
    loop {
        let _ = host.collect_garbage().await;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

fn misbehave(world: &World, seed: u64) -> Arc<AtomicUsize> {
    let mut latency = fastrand::Rng::with_seed(seed ^ 0x6c61_7465);
    world.store().latency(move || Duration::from_micros(latency.u64(100..8_000)));
    let mut rng = fastrand::Rng::with_seed(seed);
    let rate = rng.f64() * 0.15;
    let met = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&met);
    let mut forgiven = Forgiven::new(world.request_tries());
    world.store().script(move |request| {
        if counter.load(Ordering::Relaxed) >= MAX_FAULTS || rng.f64() >= rate {
            return Fault::None;
        }
        let fault = any_fault(&mut rng);
        if !forgiven.allows(request, &fault) {
            return Fault::None;
        }
        counter.fetch_add(1, Ordering::Relaxed);
        fault
    });
    met
}

fn any_fault(rng: &mut fastrand::Rng) -> Fault {
    match rng.u8(0..8) {
        0 => Fault::Fail,
        1 => Fault::Hang,
        2 => Fault::LoseReply,
        3 => Fault::Twice,
        4 => Fault::Late(Duration::from_millis(rng.u64(1..60))),
        5 => Fault::Late(Duration::from_secs(rng.u64(1..7200))),
        6 => Fault::CrashBefore,
        _ => Fault::CrashAfter,
    }
}

/// Keeps unanswered requests below what a host forgives: a client that hears nothing but errors
/// has nothing to check.
struct Forgiven {
    tries: u32,
    /// Unanswered requests by what they asked.
    unanswered: BTreeMap<String, u32>,
    hanging: u32,
}

impl Forgiven {
    fn new(tries: u32) -> Self {
        Self { tries, unanswered: BTreeMap::new(), hanging: 0 }
    }

    fn allows(&mut self, request: &Request, fault: &Fault) -> bool {
        if matches!(fault, Fault::Twice | Fault::CrashBefore | Fault::CrashAfter) {
            return true;
        }
        let unanswered = self.unanswered.entry(request.to_string()).or_default();
        let hangs = u32::from(matches!(fault, Fault::Hang));
        if *unanswered + 1 >= self.tries || self.hanging + hangs > MAX_HANGING {
            return false;
        }
        *unanswered += 1;
        self.hanging += hangs;
        true
    }
}
