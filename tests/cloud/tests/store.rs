//! The DynamoDB store over HTTP.

use std::sync::Arc;
use std::time::Duration;

use beldi::store::DynamoStore;
use beldi::testing::conformance;
use cloud::dynoxide::Dynoxide;

#[tokio::test(flavor = "multi_thread")]
async fn the_dynamodb_store_conforms() {
    let server = Dynoxide::in_memory();
    let store =
        DynamoStore::new(server.client(), "conformance").request_time(Duration::from_secs(20));
    store.create_table().await.unwrap();
    conformance::run(Arc::new(store)).await;
}
