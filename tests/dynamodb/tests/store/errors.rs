//! What a failed request becomes, through the SDK as it is.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Region};
use beldi::store::{
    Condition, DueQuery, DynamoStore, Key, Query, Result, Store, StoreError, Update,
};
use beldi::testing::{VirtualOutside, in_virtual_time};
use dynamodb::Dynoxide;

use crate::canned::Canned;

fn key() -> Key {
    Key::new("table/rooms", "ritz")
}

async fn set(store: &DynamoStore) -> Result<()> {
    let update = Update::when(Condition::absent("free")).set("free", 1);
    store.update(&key(), &update).await.map(drop)
}

/// What one update comes to, and how long that takes.
fn ended(canned: &Canned) -> (Result<()>, Duration) {
    in_virtual_time(async {
        let store = DynamoStore::new(canned.client(), "travel");
        let store = store.with_outside(Arc::new(VirtualOutside::new(1)));
        let began = tokio::time::Instant::now();
        (set(&store).await, began.elapsed())
    })
}

#[test]
fn what_passes_is_repeated_and_then_the_store_is_unavailable() {
    let passing = [
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
        "TransactionConflictException",
        "TransactionInProgressException",
        "ReplicatedWriteConflictException",
        "InternalServerError",
    ];
    let replies = passing.map(|code| Canned::failure(code, "try again"));
    let broken = [Canned::reply(503, ""), Canned::reply(200, "half an answ"), Canned::silent()];
    for canned in replies.into_iter().chain(broken) {
        let (ended, took) = ended(&canned);
        let error = ended.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        let says = error.to_string();
        assert!(says.contains("UpdateItem on table `travel` of row table/rooms/ritz"), "{says}");
        let budget = Duration::from_millis(3990)..=Duration::from_millis(4010);
        assert!(budget.contains(&took), "{took:?} for {says}");
        assert!((3..40).contains(&canned.asked()), "{} tries: {says}", canned.asked());
    }
}

#[test]
fn what_does_not_pass_is_asked_once_and_says_what_to_do() {
    let table: [(&str, &str, &[&str]); 5] = [
        ("ResourceNotFoundException", "no", &["no table `travel`", "create_table", "region"]),
        ("AccessDeniedException", "not you", &["UpdateItem on table `travel`", "not you", "allow"]),
        ("ExpiredTokenException", "old", &["old", "credentials"]),
        ("ValidationException", "bad", &["rejects UpdateItem on table `travel`", "bad"]),
        ("SerializationException", "odd", &["SerializationException", "odd"]),
    ];
    for (code, message, words) in table {
        let canned = Canned::failure(code, message);
        let (ended, took) = ended(&canned);
        let error = ended.unwrap_err();
        assert!(!error.is_transient(), "{error}");
        assert_eq!((canned.asked(), took), (1, Duration::ZERO), "{error}");
        for word in words {
            assert!(error.to_string().contains(word), "{word:?} in {error}");
        }
    }
}

#[tokio::test]
async fn without_credentials_it_says_so() {
    let server = Dynoxide::start();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(server.url());
    let error = set(&DynamoStore::new(Client::from_conf(config.build()), "travel")).await;
    let error = error.unwrap_err();
    assert!(matches!(error, StoreError::Denied { action: "UpdateItem", .. }), "{error}");
}

#[tokio::test]
async fn a_missing_table_is_named_by_every_request() {
    let server = Dynoxide::start();
    let store = DynamoStore::new(server.client(), "travel");
    let query = Query {
        partition: "p".into(),
        prefix: String::new(),
        descending: false,
        limit: 1,
        after: None,
    };
    let due = DueQuery { shard: "s".into(), up_to: 1, limit: 1, after: None };
    let ended = [
        store.get(&key()).await.map(drop),
        set(&store).await,
        store.query(&query).await.map(drop),
        store.due(&due).await.map(drop),
        store.delete(&key(), &Condition::always()).await.map(drop),
        store.check_table().await,
    ];
    for error in ended.map(Result::unwrap_err) {
        assert!(matches!(&error, StoreError::NoTable { table } if table == "travel"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let client = Client::from_conf(dynamodb::config("http://127.0.0.1:9").build());
    let store = DynamoStore::new(client, "travel").request_time(Duration::from_millis(200));
    assert!(matches!(set(&store).await, Err(StoreError::Unavailable(_))));
}
