//! The loop that means "exactly once": something goes wrong at the first store request, everything
//! comes to its end, the result is checked; then at the second; until a run ends untouched.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};

use super::faulty::Gate;
use super::{Fault, Points, RequestKind, Visited, World, in_virtual_time};

/// Everything that can go wrong with one request, for the loop.
const FAULTS: [Fault; 6] = [
    Fault::CrashBefore,
    Fault::CrashAfter,
    Fault::LoseReply,
    Fault::Twice,
    Fault::Late(Duration::from_millis(1)),
    Fault::Late(AT_LAST),
];

/// The faults of which pairs are tried.
const CRASHES: [Fault; 3] = [Fault::CrashBefore, Fault::CrashAfter, Fault::LoseReply];

/// Late enough for everything else to be over.
const AT_LAST: Duration = Duration::from_secs(6 * 3600);

impl World {
    /// Disturbs a run at every store request in turn: a crash before it, a crash after it, its
    /// reply lost, delivered twice, delivered late. After a crash a new host starts, the intent
    /// collector finishes what is left, and the client runs again from its beginning (its calls
    /// keep their keys); each crash is tried in the other order too. `check` sees the client's
    /// last outcome, when nothing is left to do.
    ///
    /// Where a store is slow, `BELDI_STRIDE=7` has it visit every seventh point only, see [`Points`].
    ///
    /// ```
    /// use beldi::testing::World;
    ///
    /// const VISITS: beldi::Table<str, u64> = beldi::Table::new("visits");
    ///
    /// #[beldi::ssf]
    /// async fn visit(page: String) -> u64 {
    ///     VISITS.update(&page, |visits| *visits.insert(visits.unwrap_or(0) + 1)).await
    /// }
    ///
    /// let visited = World::crash_everywhere(
    ///     || World::new(beldi::App::new("site").ssf(visit)),
    ///     async |world| world.call(visit("home".into())).await.unwrap(),
    ///     |world, count| {
    ///         assert_eq!(count, 1);
    ///         assert_eq!(world.peek(VISITS, "home"), Some(1));
    ///     },
    /// );
    /// assert!(visited.points > 10, "{visited}");
    /// ```
    ///
    /// # Panics
    ///
    /// When `run` or `check` does, after a line that says at which point. Do not call it in a
    /// runtime: it starts its own.
    pub fn crash_everywhere<T>(
        setup: impl Fn() -> Self,
        run: impl AsyncFn(&Self) -> T,
        check: impl Fn(&Self, T),
    ) -> Visited {
        let runner = Runner::new(setup, run, check);
        let mut visited = Visited::default();
        for fault in FAULTS {
            for order in Order::after(&fault) {
                visited += runner.points.visit(|n| {
                    let plan = vec![(n, fault.clone())];
                    runner.disturbed(&plan, *order) > 0
                });
            }
        }
        visited
    }

    /// Disturbs a run at every pair of store requests by a crash before, a crash after or a lost
    /// reply: the second counted from the first on. Runs grow with the square of the requests. See
    /// [`crash_everywhere`](World::crash_everywhere).
    ///
    /// # Panics
    ///
    /// As [`World::crash_everywhere`].
    pub fn crash_everywhere_twice<T>(
        setup: impl Fn() -> Self,
        run: impl AsyncFn(&Self) -> T,
        check: impl Fn(&Self, T),
    ) -> Visited {
        let runner = Runner::new(setup, run, check);
        let mut visited = Visited::default();
        for (first, second) in CRASHES.iter().flat_map(|a| CRASHES.iter().map(move |b| (a, b))) {
            let firsts = runner.points.visit(|n| {
                let mut touched = false;
                let seconds = runner.points.visit(|m| {
                    let plan = vec![(n, first.clone()), (m, second.clone())];
                    let met = runner.disturbed(&plan, Order::CollectorFirst);
                    touched |= met > 0;
                    met == 2
                });
                visited.points += seconds.points;
                touched
            });
            visited.requests = firsts.requests;
        }
        visited
    }

    /// At every store request in turn, holds the request back (then its reply), lets a second host
    /// run the same client to its end, and only then lets the first go on. `check` sees the outcome
    /// of the second, then that of the first. See [`crash_everywhere`](World::crash_everywhere).
    ///
    /// # Panics
    ///
    /// As [`World::crash_everywhere`].
    pub fn second_attempt_everywhere<T>(
        setup: impl Fn() -> Self,
        run: impl AsyncFn(&Self) -> T,
        check: impl Fn(&Self, T),
    ) -> Visited {
        let runner = Runner::new(setup, run, check);
        let mut visited = Visited::default();
        for wait in [Fault::WaitBefore, Fault::WaitAfter] {
            visited += runner.points.visit(|n| runner.overtaken(n, wait));
        }
        visited
    }
}

/// Who acts first after a crash.
#[derive(Clone, Copy, Debug)]
enum Order {
    CollectorFirst,
    ClientFirst,
}

impl Order {
    /// The orders worth trying: only a crash leaves work for both.
    fn after(fault: &Fault) -> &'static [Self] {
        match fault {
            Fault::CrashBefore | Fault::CrashAfter => &[Self::CollectorFirst, Self::ClientFirst],
            _ => &[Self::CollectorFirst],
        }
    }
}

struct Runner<S, R, C> {
    setup: S,
    run: R,
    check: C,
    points: Points,
}

impl<S, R, C, T> Runner<S, R, C>
where
    S: Fn() -> World,
    R: AsyncFn(&World) -> T,
    C: Fn(&World, T),
{
    fn new(setup: S, run: R, check: C) -> Self {
        Self { setup, run, check, points: Points::new() }
    }

    /// One run under a plan: the n-th request from the fault before on meets the fault. Returns how
    /// many faults were met.
    fn disturbed(&self, plan: &[(usize, Fault)], order: Order) -> usize {
        let met = Arc::new(AtomicUsize::new(0));
        self.named(&format!("{plan:?}, {order:?}"), || {
            in_virtual_time(async {
                let world = (self.setup)();
                let mut plan = Vec::from(plan).into_iter();
                let mut next = plan.next();
                let (mut seen, counter) = (0, Arc::clone(&met));
                world.store().script(move |request| {
                    if request.kind == RequestKind::Due {
                        return Fault::None;
                    }
                    seen += 1;
                    if next.as_ref().is_none_or(|(n, _)| *n != seen) {
                        return Fault::None;
                    }
                    counter.fetch_add(1, Ordering::Relaxed);
                    seen = 0;
                    std::mem::replace(&mut next, plan.next())
                        .map_or(Fault::None, |(_, fault)| fault)
                });
                let outcome = self.to_its_end(&world, order).await;
                tokio::time::sleep(AT_LAST * 2).await;
                // What came late may have left work for the collectors of whoever is there then.
                while world.new_host().settle().await.is_err() {}
                (self.check)(&world, outcome);
            });
        });
        met.load(Ordering::Relaxed)
    }

    /// One run whose n-th request waits while a second host does everything.
    fn overtaken(&self, n: usize, wait: fn(Gate) -> Fault) -> bool {
        let met = Arc::new(AtomicBool::new(false));
        self.named(&format!("second attempt at request {n}: {:?}", wait(Gate::default())), || {
            in_virtual_time(async {
                let world = (self.setup)();
                let gate = Gate::default();
                let (mut seen, reached, flag) = (0, gate.clone(), Arc::clone(&met));
                world.store().script(move |request| {
                    seen += usize::from(request.kind != RequestKind::Due);
                    if seen != n || flag.swap(true, Ordering::Relaxed) {
                        return Fault::None;
                    }
                    wait(reached.clone())
                });
                let first = self.to_its_end(&world, Order::ClientFirst);
                let other = world.new_host();
                let second = self.overtake(&other, &gate);
                let (outcome, unchecked) =
                    match select(std::pin::pin!(first), std::pin::pin!(second)).await {
                        Either::Left((outcome, second)) => {
                            let both = world.takes_time() && met.load(Ordering::Relaxed);
                            (outcome, if both { second.await } else { None })
                        }
                        Either::Right((unchecked, first)) => (first.await, unchecked),
                    };
                if let Some(outcome) = unchecked {
                    (self.check)(&other, outcome);
                }
                (self.check)(&world, outcome);
            });
        });
        met.load(Ordering::Relaxed)
    }

    /// Does everything while another host waits at the gate. Returns the outcome if it is still to be
    /// checked: where requests take time, the other host may be at work beside the one that waits.
    async fn overtake(&self, world: &World, gate: &Gate) -> Option<T> {
        gate.reached().await;
        let outcome = self.client_and_collector(world).await;
        let unchecked = if world.takes_time() {
            Some(outcome)
        } else {
            (self.check)(world, outcome);
            None
        };
        gate.open();
        unchecked
    }

    /// Runs the client until a host lives through it.
    async fn to_its_end(&self, world: &World, order: Order) -> T {
        let mut restarted = false;
        loop {
            let host = world.new_host();
            let collect_first = restarted && matches!(order, Order::CollectorFirst);
            let work = async {
                if collect_first {
                    let _ = host.settle().await;
                }
                self.client_and_collector(&host).await
            };
            match select(std::pin::pin!(work), std::pin::pin!(host.store().died())).await {
                Either::Left((outcome, _)) => return outcome,
                Either::Right(_) => restarted = true,
            }
        }
    }

    async fn client_and_collector(&self, world: &World) -> T {
        let outcome = (self.run)(world).await;
        #[expect(clippy::expect_used, reason = "the check would judge an unfinished world")]
        world.settle().await.expect("a store that answers in the end");
        outcome
    }

    /// Says where it happened when the body panics.
    fn named(&self, point: &str, body: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(body)) {
            #[expect(
                clippy::print_stderr,
                reason = "beside the panic, where a test's reader looks"
            )]
            {
                eprintln!("beldi: failed at {point}");
            }
            resume_unwind(panic);
        }
    }
}
