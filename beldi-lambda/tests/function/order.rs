//! Records that come in order are taken in order, and none overtakes one that is not finished.

use std::time::Duration;

use beldi::RealOutside;
use beldi::testing::Fault;
use beldi::{Outside as _, store::MemoryStore};
use beldi_lambda::Context;
use serde_json::{Value, json};

use crate::shop::{collect, event, failed, invoke, invoke_at, open, orders_of, shop};

fn with_body(mut event: Value, record: usize, article: &str) -> Value {
    let group = event["Records"][record]["attributes"]["MessageGroupId"].clone();
    event["Records"][record]["body"] =
        json!({ "id": group, "article": article }).to_string().into();
    event
}

fn ids(event: &Value, records: &[usize]) -> Vec<String> {
    records
        .iter()
        .map(|at| event["Records"][at]["messageId"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn fifo_order() {
    let (host, _) = shop();
    for _ in 0..2 {
        assert!(failed(&invoke(&host, &event("sqs-fifo")).await.unwrap()).is_empty());
        assert_eq!(orders_of(&host, "ann").await, ["a1", "a2", "a3"]);
        assert_eq!(orders_of(&host, "ben").await, ["b1", "b2"]);
    }
}

/// One that cannot be registered holds up its group, and only that.
#[tokio::test]
async fn fifo_holds_up_the_rest_of_its_group() {
    let (host, store) = shop();
    let event = event("sqs-fifo");
    let second = event["Records"][2]["messageId"].as_str().unwrap().to_owned();
    store.script(move |request| match request.target.contains(&second) {
        true => Fault::Fail,
        false => Fault::None,
    });
    let reply = invoke(&host, &event).await.unwrap();
    assert_eq!(failed(&reply), ids(&event, &[2, 4]));
    assert_eq!(orders_of(&host, "ann").await, ["a1"]);
    assert_eq!(orders_of(&host, "ben").await, ["b1", "b2"]);

    store.script(|_| Fault::None);
    assert!(failed(&invoke(&host, &event).await.unwrap()).is_empty());
    assert_eq!(orders_of(&host, "ann").await, ["a1", "a2", "a3"]);
}

/// One that does not finish in time is reported with the rest of its group, though it is registered.
#[tokio::test]
async fn deadline_cut() {
    let host = open(MemoryStore::new());
    let event = with_body(event("sqs-fifo"), 0, "slow");
    let mut context = Context::default();
    context.deadline = RealOutside.now() + 1000;
    let begun = RealOutside.now();
    let reply = invoke_at(&host, &event, &context).await.unwrap();
    assert!(RealOutside.now() < begun + 1500, "replied in time");
    assert_eq!(failed(&reply), ids(&event, &[0, 2, 4]));
    assert!(orders_of(&host, "ann").await.is_empty());
    assert_eq!(orders_of(&host, "ben").await, ["b1", "b2"]);
}

#[tokio::test]
async fn a_parked_one_holds_up_nobody() {
    let (host, _) = shop();
    let event = with_body(event("sqs-fifo"), 0, "poison");
    for _ in 0..2 {
        assert!(failed(&invoke(&host, &event).await.unwrap()).is_empty());
        assert_eq!(orders_of(&host, "ann").await, ["a2", "a3"]);
    }
    collect(&host).await;
    assert_eq!(orders_of(&host, "ann").await, ["a2", "a3"]);
}

/// It can never be taken: what waited for it would go to the dead letters with it.
#[tokio::test]
async fn a_malformed_one_holds_up_nobody() {
    let (host, _) = shop();
    let mut event = event("sqs-fifo");
    event["Records"][0]["body"] = "no json".into();
    for _ in 0..2 {
        assert_eq!(failed(&invoke(&host, &event).await.unwrap()), ids(&event, &[0]));
        assert_eq!(orders_of(&host, "ann").await, ["a2", "a3"]);
        assert_eq!(orders_of(&host, "ben").await, ["b1", "b2"]);
    }
}

/// Whatever it is reported for, a stream is read again from there.
#[tokio::test]
async fn a_malformed_one_holds_up_its_group_in_a_stream() {
    let (host, _) = shop();
    let mut event = event("kinesis");
    event["Records"][0]["kinesis"]["data"] = "bm8ganNvbg==".into();
    invoke(&host, &event).await.unwrap_err();
    assert!(orders_of(&host, "ann").await.is_empty());
}

/// A message that is reported may have been begun: until its tombstone goes, its id tells.
#[tokio::test]
async fn a_dead_letter_that_was_begun_is_found_by_its_message_id() {
    let host = open(MemoryStore::new());
    let event = event("sqs-fifo");
    let message = &event["Records"][0];
    let queue = message["eventSourceARN"].as_str().unwrap();
    let queue = &blake3::hash(queue.as_bytes()).to_hex()[..16];
    let key = format!("sqs/{queue}/{}", message["messageId"].as_str().unwrap());
    let instance = json!({ "beldi": { "instance": key } });
    let unknown = invoke(&host, &instance).await.unwrap_err();
    assert!(unknown.to_string().contains("never registered"), "{unknown}");

    let mut context = Context::default();
    context.deadline = RealOutside.now() + 1000;
    let slow = with_body(event.clone(), 0, "slow");
    assert_eq!(failed(&invoke_at(&host, &slow, &context).await.unwrap()), ids(&event, &[0, 2, 4]));
    assert_eq!(invoke(&host, &instance).await.unwrap()["state"], "running");

    let host = open(MemoryStore::new());
    invoke(&host, &event).await.unwrap();
    for _ in 0..2 {
        assert_eq!(invoke(&host, &instance).await.unwrap()["state"], "done");
        tokio::time::sleep(Duration::from_millis(50)).await;
        invoke(&host, &json!({ "beldi": { "tick": "garbage" } })).await.unwrap();
    }
}

/// A stream is read again from the first that failed.
#[tokio::test]
async fn stream_bisect() {
    for name in ["kinesis", "dynamodb"] {
        let (host, store) = shop();
        let event = event(name);
        let number = |at: usize| match name {
            "kinesis" => event["Records"][at]["kinesis"]["sequenceNumber"].as_str().unwrap(),
            _ => event["Records"][at]["dynamodb"]["SequenceNumber"].as_str().unwrap(),
        };
        let id = event["Records"][1]["eventID"].as_str().unwrap().to_owned();
        store.script(move |request| match request.target.contains(&id) {
            true => Fault::Fail,
            false => Fault::None,
        });
        assert_eq!(failed(&invoke(&host, &event).await.unwrap()), [number(1)]);
        assert_eq!(orders_of(&host, "ann").await.len(), 1);

        store.script(|_| Fault::None);
        assert!(failed(&invoke(&host, &event).await.unwrap()).is_empty());
        let all = if name == "kinesis" { 2 } else { 3 };
        assert_eq!(orders_of(&host, "ann").await.len(), all);
    }
}

/// Groups of standard queues are about fairness, not about order.
#[tokio::test]
async fn standard_queues_have_no_order() {
    let (host, store) = shop();
    let mut event = event("sqs-fifo");
    for message in event["Records"].as_array_mut().unwrap() {
        message["eventSourceARN"] = "arn:aws:sqs:eu-central-1:123456789012:orders".into();
    }
    let first = event["Records"][0]["messageId"].as_str().unwrap().to_owned();
    store.script(move |request| match request.target.contains(&first) {
        true => Fault::Fail,
        false => Fault::None,
    });
    let reply = invoke(&host, &event).await.unwrap();
    assert_eq!(failed(&reply), ids(&event, &[0]));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(orders_of(&host, "ann").await.len(), 2);
}
