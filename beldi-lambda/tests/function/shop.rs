//! The service that all tests invoke, and how they do it.

use std::time::Duration;

use beldi::store::Store;
use beldi::testing::FaultyStore;
use beldi::{App, Limits, Table};
use beldi_lambda::{Change, Context, Failure, Function, Host, Source};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) article: String,
}

/// What was ordered, by whom, in order.
const ORDERS: Table<str, Vec<String>> = Table::new("orders");
/// The same row, as two versions of a program would see it.
const TEXTS: Table<str, String> = Table::new("confused");
const NUMBERS: Table<str, u64> = Table::new("confused");

/// Takes an order. Some articles are special.
#[beldi::ssf]
pub(crate) async fn take_order(order: Order) -> Result<usize, String> {
    match &*order.article {
        "sold out" => return Err(format!("{} gets none", order.id)),
        "poison" => {
            TEXTS.put("row", &"no number".to_owned()).await;
            NUMBERS.get("row").await;
        }
        "slow" => {
            let wait = async |_key| tokio::time::sleep(Duration::from_secs(20)).await;
            beldi::effect("wait", wait).await;
        }
        _ => {}
    }
    let count = ORDERS.update(&order.id, |orders| {
        let orders = orders.get_or_insert_default();
        orders.push(order.article.clone());
        orders.len()
    });
    Ok(count.await)
}

/// Gives back what it is given, for tests of inputs.
#[beldi::ssf]
pub(crate) async fn echo(input: Value) -> Value {
    input
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Id {
    id: String,
}

/// Follows a table of customers.
#[beldi::ssf]
pub(crate) async fn follow(change: Change<Id, Value>) {
    let city = |customer: &Option<Value>| match customer {
        Some(customer) => customer["city"].as_str().unwrap_or("nowhere").to_owned(),
        None => "nowhere".to_owned(),
    };
    let moved = format!("{} to {}", city(&change.old), city(&change.new));
    ORDERS
        .update(&change.keys.id, |orders| orders.get_or_insert_default().push(moved.clone()))
        .await;
}

/// Keeps its input, to be looked at.
#[beldi::ssf]
pub(crate) async fn keep(input: Value) {
    let input = input.to_string();
    ORDERS.update("kept", |orders| orders.get_or_insert_default().push(input.clone())).await;
}

#[beldi::ssf(read_only)]
pub(crate) async fn ordered(id: String) -> Vec<String> {
    ORDERS.get(&id).await.unwrap_or_default()
}

pub(crate) fn app() -> App {
    // What is finished is garbage at once.
    let (attempts, backoff, lag) = (2, Duration::from_millis(5), Duration::ZERO);
    let limits = Limits { attempts, backoff, lag, ..Limits::default() };
    App::new("shop").limits(limits).ssf(take_order).ssf(echo).ssf(follow).ssf(keep).ssf(ordered)
}

/// The shop, with a route for each source.
pub(crate) fn function() -> Function {
    Function::new(app())
        .route(Source::queue("orders"), take_order)
        .route(Source::queue("orders.fifo"), take_order)
        .route(Source::stream("clicks"), take_order)
        .route(Source::events("com.shop"), take_order)
        .route(Source::table("customers"), follow)
}

pub(crate) fn open(store: impl Store) -> Host {
    function().open(store).unwrap()
}

pub(crate) fn shop() -> (Host, FaultyStore) {
    let store = FaultyStore::new(beldi::store::MemoryStore::new());
    (open(store.clone()), store)
}

/// An event as AWS sends it: a file in `tests/fixtures`.
pub(crate) fn event(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub(crate) async fn invoke(host: &Host, event: &Value) -> Result<Value, Failure> {
    invoke_at(host, event, &Context::default()).await
}

pub(crate) async fn invoke_at(
    host: &Host,
    event: &Value,
    context: &Context,
) -> Result<Value, Failure> {
    host.invoke(serde_json::value::to_raw_value(event).unwrap(), context).await
}

/// What is stored under an id.
pub(crate) async fn orders_of(host: &Host, id: &str) -> Vec<String> {
    let asked = json!({ "ssf": "ordered", "input": id });
    serde_json::from_value(invoke(host, &asked).await.unwrap()).unwrap()
}

/// One round of the intent collector.
pub(crate) async fn collect(host: &Host) -> Value {
    invoke(host, &json!({ "beldi": { "tick": "intents" } })).await.unwrap()
}

pub(crate) fn failed(reply: &Value) -> Vec<&str> {
    let failures = reply["batchItemFailures"].as_array().unwrap();
    failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap()).collect()
}
