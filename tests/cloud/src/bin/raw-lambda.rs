//! The travel example's handlers straight on DynamoDB, as a function: no log, no marks, no intents.
//! What the guarantees are compared with.

use std::env;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use beldi::RealOutside;
use beldi::store::DynamoStore;
use beldi::testing::RawHost;
use cloud::services::travel::{app, book, stock};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};

/// As `beldi_lambda` is asked, too.
#[derive(Deserialize)]
struct Asked {
    ssf: String,
    input: Value,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let client = dynamodb::config(&env::var("AWS_ENDPOINT_URL_DYNAMODB")?).build();
    let store = DynamoStore::new(Client::from_conf(client), env::var("BELDI_TABLE")?);
    let raw = Arc::new(RawHost::open(app().limits(cloud::services::limits()), store, RealOutside)?);
    let answer = |event: LambdaEvent<Asked>| answer(Arc::clone(&raw), event.payload);
    run(service_fn(answer)).await
}

async fn answer(raw: Arc<RawHost>, asked: Asked) -> Result<Value, Error> {
    match &*asked.ssf {
        "book" => Ok(match raw.call(book(serde_json::from_value(asked.input)?)).await? {
            Ok(receipt) => json!(receipt),
            Err(refused) => json!({ "error": { "detail": refused } }),
        }),
        "stock" => Ok(json!(raw.call(stock(serde_json::from_value(asked.input)?)).await?)),
        other => Err(format!("nobody asks for {other} here").into()),
    }
}
