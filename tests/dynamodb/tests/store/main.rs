//! The DynamoDB store over HTTP: to the conformance suite, to the store in memory, and to DynamoDB's own
//! limits and errors.

mod canned;
mod costs;
mod errors;
mod faults;
mod limits;
mod model;
mod requests;
mod table;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use beldi::store::DynamoStore;
use beldi::testing::conformance;
use dynamodb::Dynoxide;

/// A store in a new table. It is patient, since a try that is given up is sent again, and the tests
/// count what arrives.
async fn store(client: Client) -> DynamoStore {
    let store = patient(client, "travel");
    store.create_table().await.unwrap();
    store
}

fn patient(client: Client, table: &str) -> DynamoStore {
    let patience = Duration::from_secs(30);
    let store = DynamoStore::new(client, table);
    store.request_time(patience).try_time(patience).index_lag(Duration::ZERO)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dynamodb_store_conforms() {
    let server = Dynoxide::start();
    conformance::run(Arc::new(store(server.client()).await)).await;
}
