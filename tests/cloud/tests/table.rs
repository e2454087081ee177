//! A table that somebody changes under a function: told by the garbage collector's rounds.

use aws_sdk_dynamodb::types::TimeToLiveSpecification;
use aws_sdk_lambda::primitives::Blob;
use beldi::store::{DynamoStore, EXPIRES};
use cloud::aws;
use cloud::lambda::{Function, Lambda};
use dynamodb::Dynoxide;
use serde_json::{Value, json};

/// What is answered to a round of a collector.
async fn round(lambda: &Lambda, collector: &str) -> Value {
    let payload = Blob::new(json!({ "beldi": { "tick": collector } }).to_string());
    let asked = aws::lambda(&lambda.endpoint()).invoke().function_name("bank").payload(payload);
    let body = asked.send().await.unwrap().payload.map(Blob::into_inner).unwrap_or_default();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn a_table_that_is_no_longer_right_fails_the_rounds_until_it_is_mended() {
    let server = Dynoxide::start();
    let client = aws_sdk_dynamodb::Client::from_conf(
        dynamodb::config(&server.url()).region(aws::region()).build(),
    );
    DynamoStore::new(client.clone(), "bank").create_table().await.unwrap();
    let expire = async |enabled| {
        let ttl = TimeToLiveSpecification::builder().attribute_name(EXPIRES).enabled(enabled);
        let update = client.update_time_to_live().table_name("bank");
        update.time_to_live_specification(ttl.build().unwrap()).send().await.unwrap();
    };
    let bank = Function::new("bank", env!("CARGO_BIN_EXE_bank-lambda"))
        .env("BELDI_TABLE", "bank")
        .env("AWS_ENDPOINT_URL_DYNAMODB", server.url());
    let lambda = Lambda::start([bank]).await.unwrap();

    expire(false).await;
    let told = round(&lambda, "garbage").await;
    assert_eq!(told["errorType"], "Beldi.StoreFailed", "{told}");
    assert!(told["errorMessage"].as_str().unwrap().contains("time to live"), "{told}");
    let begun = round(&lambda, "intents").await;
    assert_eq!(begun["begun"], 0, "the other collector goes on: {begun}");

    expire(true).await;
    let mended = round(&lambda, "garbage").await;
    assert_eq!(mended["complete"], true, "{mended}");
}
