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
mod simulator;
mod spills;

use std::future::IntoFuture;

use beldi::testing::{Fault, FaultyStore, Gate, RequestKind, World, WorldCall};
use beldi::{App, Ssf, Table};

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

/// Every rule disturbs one request: the first of that kind to a row like that (`*` is anything)
/// which no rule before it took.
fn disturb(
    store: &FaultyStore,
    rules: impl IntoIterator<Item = (RequestKind, &'static str, Fault)>,
) {
    let mut rules: Vec<_> = rules.into_iter().collect();
    store.script(move |request| {
        let takes = |(kind, pattern, _): &(RequestKind, &str, Fault)| {
            *kind == request.kind && is_like(&request.target, pattern)
        };
        rules.iter().position(takes).map_or(Fault::None, |rule| rules.remove(rule).2)
    });
}

fn is_like(target: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return target == pattern };
    target.strip_prefix(start).is_some_and(|target| {
        target.char_indices().map(|(at, _)| &target[at..]).chain([""]).any(|end| is_like(end, rest))
    })
}

/// Runs an attempt; what comes to the gate goes on when `meanwhile` is over.
async fn held<S: Ssf>(
    attempt: WorldCall<'_, S>,
    gate: Gate,
    meanwhile: impl Future<Output = ()>,
) -> S::Output {
    let meanwhile = async {
        gate.reached().await;
        meanwhile.await;
        gate.open();
    };
    tokio::join!(attempt.into_future(), meanwhile).0.unwrap()
}

/// Runs an attempt until its host dies.
async fn dies<S: Ssf>(host: &World, attempt: WorldCall<'_, S>) {
    tokio::select! {
        _ = attempt.into_future() => panic!("the host should have died"),
        () = host.store().died() => {}
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
