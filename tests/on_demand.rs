//! A service that runs only while it is invoked: nothing outlives an invocation, and none begins what it
//! cannot end.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use beldi::on_demand::{OnDemand, Progress, Starter, Unreachable};
use beldi::store::{MemoryStore, Store};
use beldi::testing::{FaultyStore, in_virtual_time};
use beldi::{App, Error, InstanceState, Limits, Outside, RealOutside, Table};
use futures_util::future::{BoxFuture, join_all};

const COUNTS: Table<str, u32> = Table::new("counts");

#[beldi::ssf]
async fn count(name: String) -> u32 {
    COUNTS.update(&name, |count| *count.insert(count.unwrap_or(0) + 1)).await
}

#[beldi::ssf]
async fn count_all(names: Vec<String>) {
    for name in names {
        COUNTS.update(&name, |count| *count = Some(count.unwrap_or(0) + 1)).await;
    }
}

#[beldi::ssf]
async fn refuse(why: String) -> Result<(), String> {
    Err(why)
}

#[beldi::ssf]
async fn count_later(name: String) {
    count(name).send().await;
}

fn app() -> App {
    App::new("counter").ssf(count).ssf(count_all).ssf(refuse).ssf(count_later)
}

fn on(store: impl Store) -> OnDemand {
    app().on_demand(store).unwrap()
}

/// A time this long from now, on the real clock.
fn within(time: Duration) -> Option<u64> {
    Some(RealOutside.now() + u64::try_from(time.as_millis()).unwrap())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

#[test]
fn answers_are_apart_from_errors() {
    in_virtual_time(async {
        let service = on(MemoryStore::new());
        assert_eq!(
            service.ssfs().collect::<Vec<_>>(),
            ["count", "count_all", "count_later", "refuse"]
        );
        let invocation = service.invocation(None);
        let answer = invocation.call("refuse", Some("k".into()), b"\"no\"").await.unwrap();
        assert_eq!((&*answer.key, answer.output), ("k", Err("no".into())));
        let wrong = invocation.call("count", None, b"{").await.unwrap_err();
        assert!(matches!(&wrong, Error::BadRequest(text) if text.contains("`count`")), "{wrong}");
        let unknown = invocation.call("nobody", None, b"1").await.unwrap_err();
        assert!(matches!(unknown, Error::UnknownSsf { .. }));
    });
}

/// What was registered is done once, whoever follows it, and whatever comes again.
#[test]
fn registered_and_followed() {
    in_virtual_time(async {
        let service = on(MemoryStore::new());
        for _ in 0..3 {
            let invocation = service.invocation(None);
            let key = invocation.register("count", Some("m-1".into()), b"\"a\"").await.unwrap();
            assert_eq!(invocation.follow(&key).await.unwrap(), Progress::Done);
            invocation.end().await;
        }
        let answer = service.invocation(None).call("count", Some("m-2".into()), b"\"a\"").await;
        assert_eq!(answer.unwrap().output, Ok(2.into()));
        let unknown = service.invocation(None).follow("m-3").await;
        assert!(matches!(unknown, Err(Error::UnknownInstance { .. })));
    });
}

/// Notes what it is to begin.
#[derive(Clone, Default)]
struct Noted(Arc<Mutex<Vec<String>>>);

impl Starter for Noted {
    fn start(&self, key: &str) -> BoxFuture<'_, Result<(), Unreachable>> {
        self.0.lock().unwrap().push(key.to_owned());
        Box::pin(async { Ok(()) })
    }
}

/// A send is begun by the starter when the invocation ends, or by the next tick of the collector.
#[test]
fn what_is_sent_is_begun_elsewhere() {
    in_virtual_time(async {
        let (service, noted) = (on(MemoryStore::new()), Noted::default());
        service.start_with(noted.clone());
        let invocation = service.invocation(None);
        invocation.call("count_later", Some("k".into()), b"\"a\"").await.unwrap();
        invocation.end().await;
        let started = noted.0.lock().unwrap().clone();
        assert_eq!(started.len(), 1);
        let invocation = service.invocation(None);
        assert_eq!(invocation.follow(&started[0]).await.unwrap(), Progress::Done);
        invocation.end().await;
        let invocation = service.invocation(None);
        let round = invocation.collect().await.unwrap();
        assert_eq!((round.begun, round.waiting), (0, 0));
        let answer = invocation.call("count", None, b"\"a\"").await.unwrap();
        assert_eq!(answer.output, Ok(2.into()));
    });
}

/// An invocation costs money: there is none for what has come to its end in this one.
#[test]
fn what_has_ended_is_not_begun_elsewhere() {
    in_virtual_time(async {
        let backoff = Duration::from_millis(1);
        let limits = Limits { attempts: 1, backoff, ..Limits::default() };
        let service = app().ssf(panic).limits(limits).on_demand(MemoryStore::new()).unwrap();
        let noted = Noted::default();
        service.start_with(noted.clone());
        let invocation = service.invocation(None);
        for (key, ssf, input) in
            [("done", "count", "\"a\""), ("left", "count", "\"a\""), ("parked", "panic", "null")]
        {
            invocation.register(ssf, Some(key.into()), input.as_bytes()).await.unwrap();
        }
        assert_eq!(invocation.follow("done").await.unwrap(), Progress::Done);
        assert!(matches!(invocation.follow("parked").await.unwrap(), Progress::Parked(_)));
        invocation.end().await;
        assert_eq!(*noted.0.lock().unwrap(), ["left"]);

        noted.0.lock().unwrap().clear();
        let invocation = service.invocation(None);
        assert!(matches!(invocation.follow("parked").await.unwrap(), Progress::Parked(_)));
        invocation.resume("parked").await.unwrap();
        invocation.end().await;
        assert_eq!(*noted.0.lock().unwrap(), ["parked"], "it is not at its end any more");
    });
}

#[beldi::ssf]
async fn panic() {
    COUNTS.put("panics", &1).await;
    panic!("as always");
}

/// It hangs.
struct Hangs;

impl Starter for Hangs {
    fn start(&self, _: &str) -> BoxFuture<'_, Result<(), Unreachable>> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn a_start_that_hangs_does_not_hold_the_reply_back() {
    in_virtual_time(async {
        let service = on(MemoryStore::new());
        service.start_with(Hangs);
        for (left, longest) in [(600_000, 1000), (500, 499)] {
            let began = tokio::time::Instant::now();
            let invocation = service.invocation(Some(RealOutside.now() + left));
            invocation.call("count_later", Some(format!("k-{left}")), b"\"a\"").await.unwrap();
            invocation.end().await;
            let took = began.elapsed().as_millis();
            assert!((1..=longest).contains(&took), "{took} ms of {left}");
        }
    });
}

#[test]
fn a_tick_begins_what_is_overdue() {
    in_virtual_time(async {
        let service = on(MemoryStore::new());
        let invocation = service.invocation(None);
        for number in 0..20 {
            let key = Some(format!("m-{number}"));
            invocation.register("count", key, b"\"a\"").await.unwrap();
        }
        invocation.end().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        let tick = service.invocation(None);
        assert_eq!(tick.collect().await.unwrap().begun, 20);
        tick.end().await;
        let answer = service.invocation(None).call("count", None, b"\"a\"").await.unwrap();
        assert_eq!(answer.output, Ok(21.into()));
    });
}

/// An attempt stops in time, tells that it goes on, and does not count as failed; another invocation
/// goes on where it was.
#[test]
fn deadline_cut() {
    runtime().block_on(async {
        let store = FaultyStore::new(MemoryStore::new());
        store.latency(|| Duration::from_millis(20));
        let service = on(store);
        let longer = service.invocation(within(Duration::from_secs(60)));
        longer.end().await;

        let names: Vec<_> = (0..40).map(|number| format!("n-{number}")).collect();
        let input = serde_json::to_vec(&names).unwrap();
        let began = RealOutside.now();
        let invocation = service.invocation(within(Duration::from_millis(400)));
        let cut = invocation.call("count_all", Some("k".into()), &input).await.unwrap_err();
        invocation.end().await;
        assert!(RealOutside.now() - began <= 450, "it took {} ms", RealOutside.now() - began);
        assert!(matches!(&cut, Error::Unfinished { key, .. } if key == "k"), "{cut}");

        let rest = service.invocation(within(Duration::from_secs(20)));
        assert_eq!(rest.follow("k").await.unwrap(), Progress::Done);
        let answer = rest.call("count", None, b"\"n-39\"").await.unwrap();
        assert_eq!(answer.output, Ok(2.into()), "each name was counted once");
        rest.end().await;
    });
}

/// What never ends within an invocation of full length is parked, not tried for ever.
#[test]
fn what_takes_longer_than_any_invocation_is_parked() {
    runtime().block_on(async {
        let store = FaultyStore::new(MemoryStore::new());
        store.latency(|| Duration::from_millis(20));
        let backoff = Duration::from_millis(1);
        let limits = Limits { attempts: 2, backoff, ..Limits::default() };
        let service = app().ssf(idle).limits(limits).on_demand(store).unwrap();
        let mut progress = Progress::Done;
        for _ in 0..6 {
            let invocation = service.invocation(within(Duration::from_secs(1)));
            let key = invocation.register("idle", Some("k".into()), b"null").await;
            progress = match key {
                Ok(key) => invocation.follow(&key).await.unwrap(),
                Err(Error::InDoubt { .. }) => continue,
                Err(error) => panic!("{error}"),
            };
            invocation.end().await;
            if matches!(progress, Progress::Parked(_)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            let tick = service.invocation(within(Duration::from_secs(1)));
            tick.collect().await.unwrap();
            tick.end().await;
        }
        let Progress::Parked(reason) = progress else { panic!("{progress:?}") };
        assert_eq!(reason.code, "attempt_time");
    });
}

#[beldi::ssf]
async fn idle() {
    COUNTS.put("idle", &1).await;
    beldi::effect("wait", async |_| std::future::pending::<()>().await).await;
}

/// Sixty-four invocations in one process, each with its own answer; nothing of one is seen by another.
#[test]
fn concurrent_isolation() {
    in_virtual_time(async {
        let service = on(FaultyStore::new(MemoryStore::new()));
        let calls = (0..64).map(async |number: u32| {
            let invocation = service.invocation(None);
            let input = format!("\"n-{}\"", number % 8);
            let answer = invocation.call("count", Some(format!("k-{number}")), input.as_bytes());
            let output = answer.await.unwrap().output.unwrap();
            invocation.end().await;
            (number % 8, output.as_u64().unwrap())
        });
        let mut answers = join_all(calls).await;
        answers.sort_unstable();
        let wanted: Vec<_> = (0..8).flat_map(|n| (1..=8).map(move |count| (n, count))).collect();
        assert_eq!(answers, wanted);
    });
}

/// What is parked can be looked at and resumed, by whoever may invoke the process.
#[test]
fn parked_and_resumed() {
    in_virtual_time(async {
        let backoff = Duration::from_millis(1);
        let limits = Limits { attempts: 1, backoff, ..Limits::default() };
        let service = app().ssf(panic_once).limits(limits).on_demand(MemoryStore::new()).unwrap();
        let invocation = service.invocation(None);
        invocation.register("panic_once", Some("k".into()), b"null").await.unwrap();
        assert!(matches!(invocation.follow("k").await.unwrap(), Progress::Parked(_)));
        assert_eq!(invocation.instance("k").await.unwrap().state, InstanceState::Parked);
        invocation.resume("k").await.unwrap();
        assert_eq!(invocation.follow("k").await.unwrap(), Progress::Done);
        assert!(matches!(invocation.resume("k").await, Err(Error::NotParked { .. })));
    });
}

static RUNS: AtomicU32 = AtomicU32::new(0);

#[beldi::ssf]
async fn panic_once() {
    COUNTS.put("panics", &1).await;
    let runs = || RUNS.fetch_add(1, Ordering::Relaxed);
    assert!(runs() > 0, "the first one");
}

/// An invocation that is dropped, as when the process is killed, leaves work for the next.
#[test]
fn dropped_in_the_middle() {
    in_virtual_time(async {
        let service = on(MemoryStore::new());
        let invocation = service.invocation(None);
        invocation.register("count", Some("k".into()), b"\"a\"").await.unwrap();
        drop(invocation.follow("k"));
        drop(invocation);
        let again = service.invocation(None);
        assert_eq!(again.follow("k").await.unwrap(), Progress::Done);
    });
}
