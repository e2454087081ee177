//! One key, many writers: heads spill throughout, nothing is lost and nothing doubled.

use std::time::Duration;

use beldi::testing::{World, in_virtual_time};
use beldi::{App, Table};
use futures_util::future::join_all;

const COUNTS: Table<str, u64> = Table::new("counts");

#[beldi::ssf]
async fn increment() -> u64 {
    COUNTS
        .update("hot", |count| {
            let next = count.unwrap_or(0) + 1;
            *count = Some(next);
            next
        })
        .await
}

const WRITERS: u64 = 64;
const UPDATES: u64 = 10_000;

#[test]
fn ten_thousand_updates_by_64_writers() {
    in_virtual_time(async {
        let world = World::new(App::new("hot").ssf(increment));
        let mut latency = fastrand::Rng::with_seed(1);
        world.store().latency(move || Duration::from_micros(latency.u64(500..1_500)));

        let started = world.now();
        let clients = (0..WRITERS).map(|client| {
            let world = &world;
            async move {
                let mut counts = Vec::new();
                for n in (client..UPDATES).step_by(usize::try_from(WRITERS).unwrap()) {
                    counts.push(world.call(increment()).key(format!("{n}")).await.unwrap());
                }
                counts
            }
        });
        let mut counts: Vec<u64> = join_all(clients).await.into_iter().flatten().collect();
        let elapsed = world.now() - started;
        world.settle().await.unwrap();

        counts.sort_unstable();
        assert!(counts.into_iter().eq(1..=UPDATES), "each update saw a count of its own");
        assert_eq!(world.peek(COUNTS, "hot"), Some(UPDATES));
        let spilled = older_rows(&world);
        assert!(
            spilled >= 500,
            "16 marks a head make at least 500 older rows of 10,000: {spilled}"
        );

        let requests = world.store().counts().total();
        println!(
            "{UPDATES} updates by {WRITERS} writers: {:.1} requests and {:.2} ms each, {spilled} older rows",
            requests as f64 / UPDATES as f64,
            elapsed as f64 / UPDATES as f64,
        );
    });
}

fn older_rows(world: &World) -> usize {
    world.stored().iter().filter(|(key, _)| key.partition.starts_with("older/")).count()
}
