//! Runs the conformance suite of stores on a DynamoDB: `conforms URL`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use beldi::store::{DynamoStore, StoreError};
use beldi::testing::conformance;
use beldi::{Outside as _, RealOutside};

#[tokio::main]
async fn main() -> ExitCode {
    let Some(url) = std::env::args().nth(1) else {
        eprintln!("usage: conforms URL");
        return ExitCode::FAILURE;
    };
    match conforms(&url).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Patiently, since a try that is given up is sent again, and the suite counts what arrives.
async fn conforms(url: &str) -> Result<(), StoreError> {
    let client = Client::from_conf(dynamodb::config(url).build());
    let patience = Duration::from_secs(60);
    let store = DynamoStore::new(client, format!("conforms-{:x}", RealOutside.random()));
    let store = store.request_time(patience).try_time(patience);
    store.create_table().await?;
    conformance::run(Arc::new(store)).await;
    Ok(())
}
