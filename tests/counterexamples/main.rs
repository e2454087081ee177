//! Each schedule that breaks a weaker protocol, as a test of its own that sets up exactly that
//! schedule and asserts the safe outcome.
//!
//! | file | what is attacked |
//! |---|---|
//! | `rows` | a write carries its mark; false is an outcome; `update` fuses read and write |
//! | `spills` | the linked DAAL: full heads, older rows, helpers |
//! | `journal` | log before effect, one winner a slot, slots in order, large slots |
//! | `calls` | callees, sends, registration |
//! | `simulator` | the tool itself: equal seeds give equal runs |
//!
//! Two attempts of one root are two hosts called with one key. A gate holds the first at a store
//! request; in the meantime the second and other clients act.

mod calls;
mod journal;
mod rows;
#[path = "../common/schedule.rs"]
mod schedule;
mod simulator;
mod spills;

use beldi::testing::World;
use beldi::{App, Table};
use schedule::{dies, disturb, held};

const VALUES: Table<str, u64> = Table::new("values");
const TEXTS: Table<str, String> = Table::new("texts");

/// What another client does in between.
#[beldi::ssf]
async fn set((key, value): (String, u64)) {
    VALUES.put(&key, &value).await;
}

fn app() -> App {
    let app = calls::register(App::new("counterexamples").ssf(set));
    let app = journal::register(app);
    rows::register(app)
}

/// A world with these values.
fn world(values: &[(&str, u64)]) -> World {
    values.iter().fold(World::new(app()), |world, (key, value)| world.row(VALUES, *key, value))
}

/// Other clients set these values, each under a key of its own.
async fn set_all(world: &World, values: &[(&str, u64)]) {
    for (key, value) in values {
        world.call(set(((*key).to_owned(), *value))).key(format!("{key}={value}")).await.unwrap();
    }
}

/// The values whose keys begin with the prefix.
fn beginning_with(world: &World, prefix: &str) -> Vec<(String, u64)> {
    let rows = world.rows(VALUES).into_iter();
    rows.filter(|(key, _)| key.starts_with(prefix)).collect()
}

/// The keys that begin with the prefix.
fn keys(world: &World, prefix: &str) -> Vec<String> {
    beginning_with(world, prefix).into_iter().map(|(key, _)| key).collect()
}
