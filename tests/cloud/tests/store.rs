//! The DynamoDB store over HTTP.

use std::sync::Arc;
use std::time::Duration;

use beldi::store::DynamoStore;
use beldi::testing::conformance;
use cloud::dynoxide::Dynoxide;

/// A store in a new table. It is patient, since a try that is given up is sent again, and the suite
/// counts what arrives.
async fn store(server: &Dynoxide) -> DynamoStore {
    let patient = Duration::from_secs(30);
    let store = DynamoStore::new(server.client(), "travel");
    let store = store.request_time(patient).try_time(patient).index_lag(Duration::ZERO);
    store.create_table().await.unwrap();
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dynamodb_store_conforms() {
    let server = Dynoxide::start();
    conformance::run(Arc::new(store(&server).await)).await;
}
