//! What the garbage collector takes away is never missed, however late a request comes.
//!
//! | file | what it holds |
//! |---|---|
//! | `zombies` | late requests of every kind, after everything that is taken away |
//! | `everywhere` | a zombie at every request of a root |
//! | `roots` | duplicates of requests, roots that sleep long, decisions nobody waits for |
//! | `counterexamples` | each schedule that breaks a weaker collector, safe here and broken there |
//! | `races` | collectors, readers and roots that cross each other's way |
//! | `together` | two services under random schedules, with collectors that cannot wait |
//! | `federation` | two owners' services, each of which collects alone |
//! | `collector` | the collector disturbed at every request, beside another, out of time, on its timer |
//! | `horizon` | it never falls; late registrations, decisions and claims; rounds that overlap with them |
//! | `leftovers` | what could stay for ever, or be put again |
//! | `report` | what a run costs, and what it tells |
//! | `stores` | stores that remove rows themselves, or whose index lags; windows of single SSFs |
//!
//! A **zombie** is an attempt of a root whose request is held back, or delivered late, while another
//! host finishes the root, others change the data, and the collector takes away what it may.

mod collector;
mod counterexamples;
mod everywhere;
mod federation;
mod horizon;
mod leftovers;
#[path = "../common/mod.rs"]
mod lines;
mod races;
mod report;
mod roots;
#[path = "../common/schedule.rs"]
mod schedule;
mod stores;
mod together;
mod zombies;

use std::future::IntoFuture;
use std::time::Duration;

use beldi::store::{Key, Row};
use beldi::testing::RequestKind::{Due, Update};
use beldi::testing::{Fault, Gate, World, WorldCall};
use beldi::{Limits, Ssf, Table};

const VALUES: Table<str, u64> = Table::new("values");
const TEXTS: Table<str, String> = Table::new("texts");

/// The request key of the root under test.
const KEY: &str = "k";
const LAG: Duration = Duration::from_secs(60);
const WINDOW: Duration = Duration::from_secs(3600);
/// Longer than everything else in a test takes together.
const AT_LAST: Duration = Duration::from_secs(24 * 3600);

/// Attempts that wait for their store for ever, as an attempt does whose host sleeps.
fn limits(marks: u32) -> Limits {
    Limits {
        marks,
        lag: LAG,
        redelivery: WINDOW,
        attempts: 1,
        attempt_time: 10 * AT_LAST,
        request_time: 10 * AT_LAST,
        call_time: 10 * AT_LAST,
        txn_time: Duration::from_secs(1),
        lock_wait: Duration::from_secs(5),
        ..Limits::default()
    }
}

/// What other clients do.
#[beldi::ssf]
async fn set((key, value): (String, u64)) {
    VALUES.put(&key, &value).await;
}

async fn set_all(world: &World, values: &[(&str, u64)]) {
    for (key, value) in values {
        world.call(set(((*key).to_owned(), *value))).await.unwrap();
    }
}

/// How much is gone when a late request arrives.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Gone {
    Nothing,
    /// The marks in the heads that others write now.
    Marks,
    /// Marks, older rows, slots and decisions.
    AllButTheIntent,
    AllThatIsEmptied,
    /// Also what is kept for the redelivery window.
    Tombstones,
}

impl Gone {
    const WITHIN_THE_WINDOW: [Self; 4] =
        [Self::Nothing, Self::Marks, Self::AllButTheIntent, Self::AllThatIsEmptied];
    const ALL: [Self; 5] = [
        Self::Nothing,
        Self::Marks,
        Self::AllButTheIntent,
        Self::AllThatIsEmptied,
        Self::Tombstones,
    ];

    /// Lets the collector of this host come so far.
    async fn by(self, host: &World) {
        if self == Self::Nothing {
            return;
        }
        tokio::time::sleep(2 * LAG).await;
        match self {
            Self::Nothing => {}
            // It learns of the horizon, and comes to nothing else.
            Self::Marks => stopped(host, Due, "garbage/").await,
            Self::AllButTheIntent => stopped(host, Update, "root/k/intent").await,
            Self::AllThatIsEmptied => collected(host).await,
            Self::Tombstones => {
                collected(host).await;
                tokio::time::sleep(WINDOW + 2 * LAG).await;
                collected(host).await;
            }
        }
    }
}

/// A collector that does not get through with requests of a kind.
async fn stopped(host: &World, kind: beldi::testing::RequestKind, target: &'static str) {
    host.store().script(move |request| {
        let stops = request.kind == kind && request.target.starts_with(target);
        if stops { Fault::Fail } else { Fault::None }
    });
    let _ = host.collect_garbage().await;
    host.store().script(|_| Fault::None);
}

/// What was sent has run, and what was done beside the replies is over.
async fn settled(host: &World) {
    // Whose finish is on its way still has a lease.
    tokio::time::sleep(Duration::from_millis(1)).await;
    host.settle().await.unwrap();
}

/// Everything that may go is gone.
async fn collected(host: &World) {
    for _ in 0..3 {
        host.collect_garbage().await.unwrap();
    }
}

/// Runs an attempt; what comes to the gate goes on when `meanwhile` is over.
async fn late<S: Ssf>(
    attempt: WorldCall<'_, S>,
    gate: Gate,
    meanwhile: impl Future<Output = ()>,
) -> beldi::Result<S::Output> {
    let meanwhile = async {
        gate.reached().await;
        meanwhile.await;
        gate.open();
    };
    tokio::join!(attempt.into_future(), meanwhile).0
}

/// The marks that a row holds.
fn marks(row: &Row) -> usize {
    let is_mark = |name: &&String| name.starts_with(['m', 'x']) && name.len() > 20;
    row.0.keys().filter(is_mark).count()
}

/// The head of an item of [`VALUES`].
fn head(world: &World, key: &str) -> Row {
    let at = Key::new("table/values", key);
    world.stored().into_iter().find(|(key, _)| *key == at).map(|(_, row)| row).unwrap_or_default()
}

/// Every head counts its marks right, and nothing is locked.
#[track_caller]
fn assert_sound(world: &World) {
    for (key, row) in world.stored() {
        if key.partition.starts_with("table/") {
            let counted = row.int("c").unwrap_or(0);
            assert_eq!(counted, marks(&row) as i128, "{key}: {row:?}");
            assert_eq!(row.get("l"), None, "{key} is locked");
        }
    }
}

/// How many older rows an item of [`VALUES`] has.
fn older_rows(world: &World, key: &str) -> usize {
    let partition = format!("older/values\u{0}{key}");
    world.stored().into_iter().filter(|(key, _)| key.partition == partition).count()
}
