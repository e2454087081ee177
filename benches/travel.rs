//! The travel service end to end on the embedded store, with beldi and without: bookings alone, and
//! the paper's mix, in which 199 of 200 requests only read. Prints the ratio of the two.

#[path = "../examples/travel/service.rs"]
#[allow(dead_code, unreachable_pub, reason = "the example uses all of it")]
mod service;

use std::time::{Duration, Instant};

use beldi::store::EmbeddedStore;
use beldi::testing::RawHost;
use beldi::{Host, RealOutside};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use service::{Booking, CUSTOMERS, PLACES, app, book, login, rate, stock, user};
use tokio::runtime::Runtime;

const CLIENTS: u32 = 32;
/// Requests of one measurement, on a store of its own: the service keeps its past.
const REQUESTS: u32 = 640;

/// Which requests book; the others look up a user and a rate.
#[derive(Clone, Copy)]
enum Load {
    Bookings,
    Mix,
}

impl Load {
    fn books(self, request: u32) -> bool {
        match self {
            Self::Bookings => true,
            Self::Mix => request.is_multiple_of(200),
        }
    }
}

fn booking(request: u32) -> Booking {
    let login = login(request % CUSTOMERS);
    Booking {
        id: request.to_string(),
        login,
        hotel: request * 7 % PLACES,
        flight: request * 13 % PLACES,
    }
}

macro_rules! drive {
    ($host:expr, $load:expr) => {{
        let (host, load) = ($host, $load);
        host.call(stock(40)).await.unwrap();
        let start = Instant::now();
        let clients = (0..CLIENTS).map(async |client| {
            for request in (client..REQUESTS).step_by(CLIENTS as usize) {
                if load.books(request) {
                    host.call(book(booking(request))).await.unwrap().unwrap();
                } else {
                    assert!(host.call(user(login(request % CUSTOMERS))).await.unwrap());
                    host.call(rate(request % PLACES)).await.unwrap();
                }
            }
        });
        join_all(clients).await;
        start.elapsed()
    }};
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn with_beldi(runtime: &Runtime, load: Load) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    runtime.block_on(async {
        let store = EmbeddedStore::open(folder.path().join("travel.redb")).unwrap();
        let host: Host = app().open(store).unwrap();
        let took = drive!(&host, load);
        host.shutdown(Duration::from_secs(10)).await;
        took
    })
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn without(runtime: &Runtime, load: Load) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    runtime.block_on(async {
        let store = EmbeddedStore::open(folder.path().join("travel.redb")).unwrap();
        let host = RawHost::open(app(), store, RealOutside).unwrap();
        drive!(&host, load)
    })
}

fn travel(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    for (name, load) in [("bookings", Load::Bookings), ("the paper's mix", Load::Mix)] {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10).throughput(Throughput::Elements(u64::from(REQUESTS)));
        let mut totals = [Duration::ZERO; 2];
        let [beldi, raw] = &mut totals;
        for (system, total, run) in
            [("beldi", beldi, with_beldi as fn(&Runtime, Load) -> Duration), ("raw", raw, without)]
        {
            let mut runs = 0;
            group.bench_function(system, |bencher| {
                bencher.iter_custom(|iterations| {
                    let took: Duration = (0..iterations).map(|_| run(&runtime, load)).sum();
                    *total += took;
                    runs += u32::try_from(iterations).unwrap();
                    took
                });
            });
            *total /= runs.max(1);
        }
        group.finish();
        let [beldi, raw] = totals.map(|time| time.as_secs_f64());
        println!("{name}: {:.2} times the raw store's time", beldi / raw);
    }
}

criterion_group!(benches, travel);
criterion_main!(benches);
