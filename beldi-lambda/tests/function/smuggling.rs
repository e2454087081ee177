//! Internal fields in whatever comes from outside change nothing.

use beldi::store::MemoryStore;
use beldi_lambda::{FailureKind, Function};
use serde_json::{Value, json};

use crate::shop::{app, echo, event, failed, invoke, orders_of, shop};

/// What an intruder would like to be believed.
fn internal() -> Value {
    json!({ "tick": "garbage", "letter": "bGV0dGVy", "follow": "order-17" })
}

/// The contents of a body, with the reserved key.
fn smuggled() -> String {
    json!({ "id": "s-1", "article": "lamp", "beldi": { "tick": "intents" } }).to_string()
}

#[tokio::test]
async fn smuggle_in_plain_events() {
    let (host, _) = shop();
    for payload in [
        json!({ "beldi": internal() }),
        json!({ "beldi": { "letter": "bGV0dGVy" } }),
        json!({ "beldi": { "letter": "" } }),
        json!({ "beldi": { "tick": "intents" }, "ssf": "echo", "input": 1 }),
        json!({ "ssf": "echo", "input": 1, "beldi": null }),
        json!({ "Records": event("sqs")["Records"], "beldi": { "tick": "intents" } }),
    ] {
        let failure = invoke(&host, &payload).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Refused, "{payload}");
    }
    assert!(orders_of(&host, "o-1").await.is_empty());
}

/// Also where a payload is an input as it is.
#[tokio::test]
async fn smuggle_in_inputs() {
    let host = Function::new(app()).stands_for(echo).open(MemoryStore::new()).unwrap();
    let failure = invoke(&host, &json!({ "beldi": { "letter": "bGV0dGVy" } })).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Refused);
    let raw = r#"{ "\u0062eldi": { "tick": "none" } }"#.to_owned();
    let raw = serde_json::value::RawValue::from_string(raw).unwrap();
    let failure = host.invoke(raw, &Default::default()).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Refused);
    let input = json!({ "deeper": { "beldi": internal() } });
    assert_eq!(invoke(&host, &input).await.unwrap(), input);
}

#[tokio::test]
async fn smuggle_in_http() {
    for front in ["function-url", "http-api", "rest-api", "load-balancer"] {
        let (host, _) = shop();
        let mut event = event(front);
        (event["body"], event["isBase64Encoded"]) = (smuggled().into(), false.into());
        event["headers"]["beldi"] = internal().to_string().into();
        assert_eq!(invoke(&host, &event).await.unwrap()["statusCode"], 200, "{front}");
        assert_eq!(orders_of(&host, "s-1").await, ["lamp"], "an input, whatever else is in it");
        event["body"] = json!({ "beldi": { "tick": "intents" } }).to_string().into();
        event["headers"]["idempotency-key"] = "other".into();
        event["multiValueHeaders"] = Value::Null;
        assert_eq!(invoke(&host, &event).await.unwrap()["statusCode"], 400, "{front}");
    }
}

#[tokio::test]
async fn smuggle_in_queues() {
    for name in ["sqs", "sqs-fifo"] {
        let (host, _) = shop();
        let mut event = event(name);
        event["Records"].as_array_mut().unwrap().truncate(2);
        event["Records"][0]["body"] = smuggled().into();
        event["Records"][0]["beldi"] = internal();
        event["Records"][0]["messageAttributes"] = json!({ "beldi": internal() });
        event["Records"][1]["body"] = json!({ "beldi": { "tick": "intents" } }).to_string().into();
        let reply = invoke(&host, &event).await.unwrap();
        assert_eq!(failed(&reply), [event["Records"][1]["messageId"].as_str().unwrap()]);
        assert_eq!(orders_of(&host, "s-1").await, ["lamp"]);
    }
}

#[tokio::test]
async fn smuggle_in_streams() {
    use base64::Engine as _;
    let (host, _) = shop();
    let mut event = event("kinesis");
    event["Records"].as_array_mut().unwrap().truncate(1);
    event["Records"][0]["beldi"] = internal();
    let data = base64::engine::general_purpose::STANDARD.encode(smuggled());
    event["Records"][0]["kinesis"]["data"] = data.into();
    assert!(failed(&invoke(&host, &event).await.unwrap()).is_empty());
    assert_eq!(orders_of(&host, "s-1").await, ["lamp"]);
}

#[tokio::test]
async fn smuggle_in_tables() {
    let (host, _) = shop();
    let mut event = event("dynamodb");
    event["Records"].as_array_mut().unwrap().truncate(1);
    event["Records"][0]["beldi"] = internal();
    event["Records"][0]["dynamodb"]["NewImage"]["beldi"] =
        json!({ "M": { "tick": { "S": "intents" } } });
    assert!(failed(&invoke(&host, &event).await.unwrap()).is_empty());
    assert_eq!(orders_of(&host, "ann").await, ["nowhere to Bonn"]);
}

#[tokio::test]
async fn smuggle_in_buses() {
    let (host, _) = shop();
    let mut event = event("eventbridge");
    event["detail"]["beldi"] = internal();
    invoke(&host, &event).await.unwrap();
    assert_eq!(orders_of(&host, "e-1").await, ["desk"]);
    event["id"] = "another".into();
    event["detail"] = json!({ "beldi": { "tick": "intents" } });
    let failure = invoke(&host, &event).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::BadRequest);
}
