//! How many durable updates a second the embedded store acknowledges, by the number of writers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use beldi::Value;
use beldi::store::{Condition, EmbeddedStore, Key, Store, Update, Updated};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Runtime;

/// Rows to choose from, so that writers seldom meet.
const ROWS: u64 = 10_000;

fn key(nth: u64) -> Key {
    Key::new(format!("table {}", nth % 16), format!("row {:05}", nth % ROWS))
}

/// A row of about 300 bytes, changed under a condition as the engine does.
async fn write(store: &EmbeddedStore, nth: u64) {
    let update = Update::when(Condition::absent("lock"))
        .set("value", Value::Bytes(vec![7; 260]))
        .set("mark", nth)
        .add("version", 1);
    let ended = store.update(&key(nth), &update).await.unwrap();
    assert!(matches!(ended, Updated::Applied(_)));
}

/// Spreads the updates over so many writers, each waiting for its last before the next.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn write_all(store: &Arc<EmbeddedStore>, writers: u64, updates: u64) -> Duration {
    let start = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                for nth in (writer..updates).step_by(writers as usize) {
                    write(&store, nth * 7919).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    start.elapsed()
}

fn embedded(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(EmbeddedStore::open(folder.path().join("bench.beldi")).unwrap());
    let runtime = Runtime::new().unwrap();
    runtime.block_on(write_all(&store, 256, ROWS));

    let mut group = c.benchmark_group("embedded");
    group.sample_size(10).measurement_time(Duration::from_secs(4));
    group.throughput(Throughput::Elements(1));
    for writers in [1, 64] {
        group.bench_function(format!("durable update, {writers} writers"), |b| {
            b.iter_custom(|updates| runtime.block_on(write_all(&store, writers, updates)));
        });
    }
    group.bench_function("get", |b| {
        let mut nth = 0;
        b.iter(|| {
            nth += 7919;
            runtime.block_on(store.get(&key(nth))).unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, embedded);
criterion_main!(benches);
