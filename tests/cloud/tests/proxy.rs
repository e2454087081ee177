//! What the proxy counts, delays and refuses, in front of a server that answers as ever.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Credentials;
use beldi::store::{Condition, DueQuery, DynamoStore, Key, Store, Update};
use cloud::proxy::{Kind, Proxy};
use dynamodb::{Dynoxide, config};
use tokio::time::Instant;

#[tokio::test]
async fn counts_by_operation_and_takes_its_time() {
    let server = Dynoxide::in_memory(0);
    let proxy = Proxy::start(0, server.url()).await.unwrap();
    let client = Client::from_conf(config(&proxy.endpoint()).build());
    let store = DynamoStore::new(client, "rows");
    store.create_table().await.unwrap();
    let (key, update) =
        (Key::new("guests", "ann"), Update::when(Condition::always()).set("room", 4));
    store.update(&key, &update).await.unwrap();
    let row = store.get(&key).await.unwrap();
    assert!(row.is_some(), "the answer got lost on its way");
    let due = DueQuery { shard: "none".into(), up_to: 1, limit: 1, after: None };
    store.due(&due).await.unwrap();
    let counts = proxy.counts();
    let count = |operation: &str, of_index| {
        let kind = Kind { table: "rows".into(), operation: operation.into(), of_index };
        counts.get(&kind).copied().unwrap_or_default()
    };
    assert_eq!((count("UpdateItem", false), count("GetItem", false)), (1, 1));
    assert_eq!((count("Query", true), count("Query", false)), (1, 0));
    assert_eq!(proxy.requests(|kind| kind.operation == "GetItem" && kind.table == "other"), 0);
    assert!(!proxy.is_busy());

    proxy.delay(Duration::from_millis(60));
    let began = Instant::now();
    store.get(&key).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn tells_which_attributes_were_written() {
    let server = Dynoxide::in_memory(0);
    let proxy = Proxy::start(0, server.url()).await.unwrap();
    let store = DynamoStore::new(Client::from_conf(config(&proxy.endpoint()).build()), "rows");
    store.create_table().await.unwrap();
    let key = Key::new("guests", "ann");
    let written = async |condition: Condition, name: &str| {
        store.update(&key, &Update::when(condition).set(name, 4)).await.unwrap();
        proxy.written()
    };
    assert_eq!(written(Condition::always(), "room/1").await, 0, "nobody watches");
    proxy.watch("room/");
    assert_eq!(written(Condition::always(), "room/1").await, 1);
    assert_eq!(written(Condition::always(), "room/1").await, 1, "once");
    assert_eq!(written(Condition::exists("floor"), "room/2").await, 1, "it was refused");
    assert_eq!(written(Condition::always(), "floor").await, 1, "it begins otherwise");
    assert_eq!(written(Condition::always(), "room/2").await, 2);
}

#[tokio::test]
async fn an_owner_has_its_own_table_only() {
    let server = Dynoxide::in_memory(0);
    let proxy = Proxy::start(0, server.url()).await.unwrap();
    let credentials = Credentials::new("travel", "none", None, None, "tests");
    let client = || {
        let config = config(&proxy.endpoint()).credentials_provider(credentials.clone());
        Client::from_conf(config.build())
    };
    let (own, other) = (DynamoStore::new(client(), "travel"), DynamoStore::new(client(), "bank"));
    let key = Key::new("guests", "ann");
    own.create_table().await.unwrap();
    other.create_table().await.unwrap();

    proxy.only("travel", "travel");
    assert_eq!(own.get(&key).await.unwrap(), None);
    assert_eq!(proxy.refused(), 0);
    let refused = other.get(&key).await.unwrap_err().to_string();
    assert!(refused.contains("not authorized to perform dynamodb:GetItem"), "{refused}");
    assert_eq!(proxy.refused(), 1);
}
