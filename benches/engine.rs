//! The engine's own time per step: the memory store, one thread, handlers of a hundred steps.

use beldi::store::MemoryStore;
use beldi::testing::RawHost;
use beldi::{App, RealOutside, Table};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tokio::runtime::{Builder, Runtime};

const COUNTS: Table<str, u64> = Table::new("counts");
const STEPS: u64 = 100;

#[beldi::ssf]
async fn hundred_gets() -> u64 {
    let mut sum = 0;
    for _ in 0..STEPS {
        sum += COUNTS.get("one").await.unwrap_or(1);
    }
    sum
}

#[beldi::ssf]
async fn hundred_puts() {
    for step in 0..STEPS {
        COUNTS.put(&format!("row-{step}"), &step).await;
    }
}

#[beldi::ssf]
async fn fifty_gets_and_puts() {
    for step in 0..STEPS / 2 {
        let name = format!("row-{step}");
        let count = COUNTS.get(&name).await.unwrap_or(0);
        COUNTS.put(&name, &(count + 1)).await;
    }
}

#[beldi::ssf]
async fn hundred_calls() -> u64 {
    let mut sum = 0;
    for step in 0..STEPS {
        sum += echo(step).await;
    }
    sum
}

#[beldi::ssf(read_only)]
async fn echo(number: u64) -> u64 {
    number
}

fn app() -> App {
    App::new("bench")
        .ssf(hundred_gets)
        .ssf(hundred_puts)
        .ssf(fifty_gets_and_puts)
        .ssf(hundred_calls)
        .ssf(echo)
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// One handler with beldi and without, a fresh store for each measurement of criterion's.
macro_rules! compare {
    ($criterion:ident, $name:literal, $ssf:ident) => {{
        let mut group = $criterion.benchmark_group($name);
        group.throughput(Throughput::Elements(STEPS)).sample_size(20);
        let runtime = runtime();
        let host = runtime.block_on(async { app().open(MemoryStore::new()) }).unwrap();
        group.bench_function("beldi", |bencher| {
            bencher
                .iter(|| runtime.block_on(async { black_box(host.call($ssf()).await.unwrap()) }));
        });
        let raw = RawHost::open(app(), MemoryStore::new(), RealOutside).unwrap();
        group.bench_function("raw", |bencher| {
            bencher.iter(|| runtime.block_on(async { black_box(raw.call($ssf()).await.unwrap()) }));
        });
        group.finish();
    }};
}

fn engine(criterion: &mut Criterion) {
    compare!(criterion, "100 gets", hundred_gets);
    compare!(criterion, "100 puts", hundred_puts);
    compare!(criterion, "50 gets and puts", fifty_gets_and_puts);
    compare!(criterion, "100 read-only calls", hundred_calls);
}

criterion_group!(benches, engine);
criterion_main!(benches);
