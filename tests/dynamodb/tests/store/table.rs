//! The table: created once, and refused with everything that is wrong with it.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType as Type,
};
use beldi::store::{Condition, DynamoStore, Key, Result, Store, StoreError, Update};
use dynamodb::Dynoxide;

use crate::canned::Canned;
use crate::patient;

async fn put(store: &DynamoStore) {
    let update = Update::when(Condition::always()).set("a", 1);
    store.update(&Key::new("p", "s"), &update).await.unwrap();
}

#[tokio::test]
async fn it_is_created_once_and_billed_by_request() {
    let server = Dynoxide::start();
    let store = patient(server.client(), "travel");
    let missing = store.check_table().await;
    assert!(matches!(missing, Err(StoreError::NoTable { .. })), "{missing:?}");

    store.create_table().await.unwrap();
    store.check_table().await.unwrap();
    put(&store).await;
    store.create_table().await.unwrap();
    assert!(store.get(&Key::new("p", "s")).await.unwrap().is_some(), "nothing is lost");

    let table = server.client().describe_table().table_name("travel").send().await.unwrap();
    let billing = table.table.and_then(|table| table.billing_mode_summary);
    let mode = billing.and_then(|billing| billing.billing_mode);
    assert_eq!(mode, Some(BillingMode::PayPerRequest));
}

#[tokio::test]
async fn many_may_create_it_at_once() {
    let server = Dynoxide::start();
    let create = (0..8).map(|_| {
        let client = server.client();
        async move { patient(client, "travel").create_table().await }
    });
    for created in futures_util::future::join_all(create).await {
        created.unwrap();
    }
}

#[tokio::test]
async fn a_creation_that_was_cut_short_is_completed() {
    let server = Dynoxide::start();
    let client = server.client();
    Wrong::default().create(&client, "travel").await;
    let store = patient(client, "travel");
    let wrong = wrong(store.check_table().await);
    assert_eq!(wrong, ["its time to live is not enabled on attribute `ttl`"]);
    store.create_table().await.unwrap();
    store.check_table().await.unwrap();
}

/// A table that is nearly right: what is told here is wrong.
#[derive(Default)]
struct Wrong {
    sort: Option<&'static str>,
    order: Option<Type>,
    index: Option<&'static str>,
    projection: Option<ProjectionType>,
}

impl Wrong {
    async fn create(self, client: &Client, name: &str) {
        let attribute = |name: &str, kind| {
            AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(kind)
                .build()
                .unwrap()
        };
        let key = |name: &str, kind| {
            KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
        };
        let projection = self.projection.unwrap_or(ProjectionType::All);
        let index = GlobalSecondaryIndex::builder()
            .index_name(self.index.unwrap_or("due"))
            .key_schema(key("due", KeyType::Hash))
            .key_schema(key("ord", KeyType::Range))
            .projection(Projection::builder().projection_type(projection).build());
        let sort = self.sort.unwrap_or("sk");
        client
            .create_table()
            .table_name(name)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(attribute("pk", Type::S))
            .attribute_definitions(attribute(sort, Type::S))
            .attribute_definitions(attribute("due", Type::S))
            .attribute_definitions(attribute("ord", self.order.unwrap_or(Type::N)))
            .key_schema(key("pk", KeyType::Hash))
            .key_schema(key(sort, KeyType::Range))
            .global_secondary_indexes(index.build().unwrap())
            .send()
            .await
            .unwrap();
    }
}

fn wrong(checked: Result<()>) -> Vec<String> {
    match checked.unwrap_err() {
        StoreError::WrongTable { table, wrong } if table == "travel" => wrong,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_table_of_another_shape_is_refused_with_all_reasons() {
    let ttl = "its time to live is not enabled on attribute `ttl`";
    let cases = [
        (
            Wrong { sort: Some("range"), ..Wrong::default() },
            vec!["its key is not `pk` (HASH), `sk` (RANGE)", ttl],
        ),
        (
            Wrong { order: Some(Type::S), ..Wrong::default() },
            vec!["its attribute `ord` is not of type N", ttl],
        ),
        (Wrong { index: Some("soon"), ..Wrong::default() }, vec!["it has no index `due`", ttl]),
        (
            Wrong { projection: Some(ProjectionType::KeysOnly), ..Wrong::default() },
            vec!["its index `due` does not project all attributes", ttl],
        ),
        (
            Wrong { sort: Some("range"), index: Some("soon"), ..Wrong::default() },
            vec!["its key is not `pk` (HASH), `sk` (RANGE)", "it has no index `due`", ttl],
        ),
    ];
    for (table, reasons) in cases {
        let server = Dynoxide::start();
        table.create(&server.client(), "travel").await;
        let store = patient(server.client(), "travel");
        assert_eq!(wrong(store.check_table().await), reasons);
        assert_eq!(wrong(store.create_table().await), reasons, "and it is not changed");
        let error = store.check_table().await.unwrap_err().to_string();
        assert!(reasons.iter().all(|reason| error.contains(reason)), "{error}");
    }
}

/// A description of a table that is right except that it has a replica.
fn replicated(consistency: &str) -> Canned {
    let key = |hash, range| {
        serde_json::json!([
            { "AttributeName": hash, "KeyType": "HASH" },
            { "AttributeName": range, "KeyType": "RANGE" },
        ])
    };
    let table = serde_json::json!({
        "TableName": "travel",
        "TableStatus": "ACTIVE",
        "KeySchema": key("pk", "sk"),
        "GlobalSecondaryIndexes": [{
            "IndexName": "due",
            "IndexStatus": "ACTIVE",
            "KeySchema": key("due", "ord"),
            "Projection": { "ProjectionType": "ALL" },
        }],
        "Replicas": [{ "RegionName": "us-east-1", "ReplicaStatus": "ACTIVE" }],
        "MultiRegionConsistency": consistency,
    });
    // The answer to every request, so it describes the time to live as well.
    let ttl = serde_json::json!({ "TimeToLiveStatus": "ENABLED", "AttributeName": "ttl" });
    let body = serde_json::json!({ "Table": table, "TimeToLiveDescription": ttl });
    Canned::reply(200, body.to_string())
}

#[tokio::test]
async fn a_table_with_replicas_is_refused_unless_told_so() {
    let store = patient(replicated("EVENTUAL").client(), "travel");
    let reasons = wrong(store.check_table().await);
    assert!(reasons.len() == 1 && reasons[0].contains("allow_replicas"), "{reasons:?}");
    store.allow_replicas().check_table().await.unwrap();
}

/// Conditions hold in all regions there; but DynamoDB gives such tables no time to live.
#[tokio::test]
async fn a_table_with_strong_replicas_is_refused_with_the_way_out() {
    let store = patient(replicated("STRONG").client(), "travel");
    for store in [store.clone(), store.allow_replicas()] {
        let reasons = wrong(store.check_table().await);
        let says = |words: &str| reasons[0].contains(words);
        assert!(reasons.len() == 1 && says("time to live") && says("replicas"), "{reasons:?}");
    }
}
