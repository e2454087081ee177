//! Beldi, beldi with locks that nobody waits for, and the bare store, under rising contention: in
//! memory and in virtual time, so that what is compared is waiting and aborting, nothing else.

use std::time::Duration;

use beldi::Limits;
use beldi::store::MemoryStore;
use beldi::testing::{FaultyStore, RawHost, VirtualOutside, Weakness, World, in_virtual_time};

use crate::Result;
use crate::aborts::Aborts;
use crate::args::Args;
use crate::audit::Audit;
use crate::load::{Driven, drive, transfers};
use crate::service::{Transfer, app, books, transfer};

/// Makes all transfers on something, and audits it.
type On = fn(&Args, &[Transfer]) -> Result<(Driven, Audit)>;

const SKEWS: [f64; 3] = [0.0, 0.9, 0.99];

/// What a store request takes: 2.5 ms on average, as the clock knows whole ones only.
fn latency(seed: u64) -> impl FnMut() -> Duration {
    let mut random = fastrand::Rng::with_seed(seed);
    move || Duration::from_millis(random.u64(2..=3))
}

/// Prints a table in Markdown; tells whether both variants of beldi conserved the money.
pub(crate) fn run(args: &Args, aborts: &Aborts) -> Result<bool> {
    println!("{} transfers, {} clients, seed {}\n", args.transfers, args.clients, args.seed());
    println!(
        "| skew | | transfers a second | tries aborted | p50, ms | p99, ms | money created | entries doubled / lost |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut exact = true;
    for skew in SKEWS {
        let transfers = transfers(args.transfers, skew, args.seed())?;
        let run = |on: On| {
            let before = aborts.count();
            let (driven, audit) = on(args, &transfers)?;
            Ok::<_, crate::Error>((driven, audit, aborts.count() - before))
        };
        let beldi = run(on_beldi)?;
        let no_wait = Weakness::NoWait.during(|| run(on_beldi))?;
        let raw = run(on_raw_store)?;
        exact &= [&beldi, &no_wait]
            .iter()
            .all(|(_, audit, _)| audit.is_conserved() && audit.duplicates + audit.losses == 0);
        for (name, (driven, audit, aborted)) in
            [("beldi, wait-die", beldi), ("beldi, no-wait", no_wait), ("raw store", raw)]
        {
            println!("{}", row(skew, name, &driven, &audit, aborted));
        }
    }
    Ok(exact)
}

fn row(skew: f64, name: &str, driven: &Driven, audit: &Audit, aborted: u64) -> String {
    format!(
        "| {skew} | {name} | {:.0} | {:.1} % | {} | {} | {} | {} / {} |",
        driven.throughput(),
        driven.abort_rate(aborted) * 100.0,
        driven.latency(50).as_millis(),
        driven.latency(99).as_millis(),
        audit.created,
        audit.duplicates,
        audit.losses,
    )
}

fn on_beldi(args: &Args, transfers: &[Transfer]) -> Result<(Driven, Audit)> {
    in_virtual_time(async {
        let world = World::new(app().limits(Limits { attempts: 1000, ..Limits::default() }));
        world.store().latency(latency(args.seed()));
        let ask = async |asked: Transfer| {
            world.call(transfer(asked)).key(format!("transfer-{}", asked.id)).await.ok()
        };
        let driven = drive(transfers, args.clients.into(), ask, || {}).await?;
        world.settle().await?;
        let audit = Audit::new(&driven.answered, &world.call(books()).await?);
        Ok((driven, audit))
    })
}

fn on_raw_store(args: &Args, transfers: &[Transfer]) -> Result<(Driven, Audit)> {
    in_virtual_time(async {
        let store = FaultyStore::new(MemoryStore::new());
        store.latency(latency(args.seed()));
        let host = RawHost::open(app(), store, VirtualOutside::new(args.seed()))?;
        let ask = async |asked: Transfer| host.call(transfer(asked)).await.ok();
        let driven = drive(transfers, args.clients.into(), ask, || {}).await?;
        let audit = Audit::new(&driven.answered, &host.call(books()).await?);
        Ok((driven, audit))
    })
}
