//! Payloads that are inputs, or name their SSF.

use beldi::App;
use beldi::store::MemoryStore;
use beldi_lambda::{Context, Function, Source};
use serde_json::{Value, json};

use crate::shop::{app, echo, invoke, invoke_at, orders_of, shop, take_order};

fn order(article: &str) -> Value {
    json!({ "ssf": "take_order", "key": "order-17", "input": { "id": "p-1", "article": article } })
}

#[tokio::test]
async fn a_payload_names_its_ssf() {
    let (host, _) = shop();
    for _ in 0..2 {
        assert_eq!(invoke(&host, &order("lamp")).await.unwrap(), 1);
    }
    assert_eq!(orders_of(&host, "p-1").await, ["lamp"]);
    let reused = invoke(&host, &order("chair")).await.unwrap_err();
    assert_eq!(reused.kind().error_type(), "Beldi.BadRequest");
}

#[tokio::test]
async fn the_request_id_names_the_request() {
    let (host, _) = shop();
    let mut order = order("lamp");
    order.as_object_mut().unwrap().remove("key");
    let context = |id: &str| {
        let mut context = Context::default();
        context.request_id = id.to_owned();
        context
    };
    for id in ["8476a536", "8476a536", "1b4c9e2a"] {
        invoke_at(&host, &order, &context(id)).await.unwrap();
    }
    assert_eq!(orders_of(&host, "p-1").await, ["lamp", "lamp"]);
}

#[tokio::test]
async fn an_err_is_a_result() {
    let (host, _) = shop();
    let reply = invoke(&host, &order("sold out")).await.unwrap();
    assert_eq!(reply["error"]["code"], "rejected");
    assert_eq!(reply["error"]["detail"], "p-1 gets none");
}

#[tokio::test]
async fn a_function_for_one_ssf_takes_payloads_as_they_are() {
    let alone = Function::new(App::new("shop").ssf(echo));
    let named = Function::new(app()).stands_for(echo);
    for function in [alone, named] {
        let host = function.open(MemoryStore::new()).unwrap();
        for payload in [
            json!(null),
            json!([1, 2]),
            json!("text"),
            json!({ "ssf": "take_order", "input": 1 }),
            json!({ "Records": [] }),
            json!({ "Records": [{ "eventSource": "aws:s3", "s3": {} }] }),
            json!({ "requestContext": { "connectionId": "websocket" } }),
            json!({ "input": { "beldi": { "letter": "" } } }),
        ] {
            assert_eq!(invoke(&host, &payload).await.unwrap(), payload);
        }
    }
}

#[tokio::test]
async fn a_field_of_the_payload_names_the_request() {
    let route = Source::invocations().key("/id");
    let host = Function::new(app()).route(route, take_order).open(MemoryStore::new()).unwrap();
    let order = json!({ "id": "p-2", "article": "lamp" });
    for _ in 0..2 {
        assert_eq!(invoke(&host, &order).await.unwrap(), 1);
    }
    let failure = invoke(&host, &json!({ "article": "lamp" })).await.unwrap_err();
    assert_eq!(failure.kind().error_type(), "Beldi.BadRequest");
}

#[tokio::test]
async fn numbers_keep_their_digits() {
    let host = Function::new(app()).stands_for(echo).open(MemoryStore::new()).unwrap();
    let payload = serde_json::value::RawValue::from_string("18446744073709551615".to_owned());
    let reply = host.invoke(payload.unwrap(), &Context::default()).await.unwrap();
    assert_eq!(reply, 18_446_744_073_709_551_615_u64);
}

#[test]
fn a_function_for_an_ssf_there_is_not_does_not_open() {
    let other = Function::new(App::new("shop").ssf(echo)).stands_for(take_order);
    let failure = other.open(MemoryStore::new()).unwrap_err();
    assert!(failure.to_string().contains("`take_order`"), "{failure}");
}
