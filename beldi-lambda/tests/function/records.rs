//! Records of every source: once, whatever is delivered again, and reported when they are not taken.

use std::time::Duration;

use beldi::testing::{Fault, RequestKind};
use beldi_lambda::{Function, Source};
use serde_json::{Value, json};

use crate::shop::{
    app, collect, event, failed, function, invoke, keep, orders_of, shop, take_order,
};

const ID: [&str; 2] =
    ["059f36b4-87a3-44ab-83d2-661975830a7d", "2e1424d4-f796-459a-8184-9c92662be6da"];

#[tokio::test]
async fn dup_of_a_queue() {
    let (host, _) = shop();
    for _ in 0..3 {
        let reply = invoke(&host, &event("sqs")).await.unwrap();
        assert!(failed(&reply).is_empty());
    }
    assert_eq!(orders_of(&host, "o-1").await, ["lamp"]);
    assert_eq!(orders_of(&host, "o-2").await, ["chair"]);
}

#[tokio::test]
async fn dup_of_a_stream() {
    let (host, _) = shop();
    for _ in 0..3 {
        let reply = invoke(&host, &event("kinesis")).await.unwrap();
        assert!(failed(&reply).is_empty());
    }
    assert_eq!(orders_of(&host, "ann").await, ["k1", "k2"]);
    assert_eq!(orders_of(&host, "ben").await, ["k3"]);
}

#[tokio::test]
async fn dup_of_a_table() {
    let (host, _) = shop();
    for _ in 0..3 {
        let reply = invoke(&host, &event("dynamodb")).await.unwrap();
        assert!(failed(&reply).is_empty());
    }
    let moves = ["nowhere to Bonn", "Bonn to Rome", "Rome to nowhere"];
    assert_eq!(orders_of(&host, "ann").await, moves);
}

#[tokio::test]
async fn dup_of_a_bus() {
    let (host, _) = shop();
    for _ in 0..3 {
        assert_eq!(invoke(&host, &event("eventbridge")).await.unwrap(), Value::Null);
    }
    assert_eq!(orders_of(&host, "e-1").await, ["desk"]);
}

/// Of what was finished and collected, a tombstone is left to answer.
#[tokio::test]
async fn dup_after_gc() {
    for name in ["sqs", "sqs-fifo", "kinesis", "dynamodb", "eventbridge"] {
        let (host, _) = shop();
        let first = invoke(&host, &event(name)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let swept = invoke(&host, &json!({ "beldi": { "tick": "garbage" } })).await.unwrap();
        assert!(swept["removed"].as_u64() > Some(0), "{swept}");
        let before = [orders_of(&host, "ann").await, orders_of(&host, "o-1").await];
        assert_eq!(invoke(&host, &event(name)).await.unwrap(), first, "{name}");
        assert_eq!([orders_of(&host, "ann").await, orders_of(&host, "o-1").await], before);
    }
}

#[tokio::test]
async fn dup_at_once() {
    let (host, _) = shop();
    let event = event("sqs");
    let both = tokio::join!(invoke(&host, &event), invoke(&host, &event));
    assert!(failed(&both.0.unwrap()).is_empty() && failed(&both.1.unwrap()).is_empty());
    assert_eq!(orders_of(&host, "o-1").await, ["lamp"]);
}

#[tokio::test]
async fn the_same_message_in_another_queue_is_another() {
    let (host, _) = shop();
    let mut other = event("sqs");
    invoke(&host, &other).await.unwrap();
    other["Records"][0]["eventSourceARN"] = "arn:aws:sqs:eu-west-1:123456789012:orders".into();
    invoke(&host, &other).await.unwrap();
    assert_eq!(orders_of(&host, "o-1").await, ["lamp", "lamp"]);
    assert_eq!(orders_of(&host, "o-2").await, ["chair"]);
}

#[tokio::test]
async fn batch_mixed() {
    let (host, _) = shop();
    let mut event = event("sqs");
    let body = |article: &str| json!({ "id": "o-9", "article": article }).to_string();
    let mut message = event["Records"][0].clone();
    for (id, text) in [
        ("none", "not json".to_owned()),
        ("other", r#"{"id": 7}"#.to_owned()),
        ("rejected", body("sold out")),
        ("parked", body("poison")),
        ("fine", body("table")),
    ] {
        (message["messageId"], message["body"]) = (id.into(), text.into());
        event["Records"].as_array_mut().unwrap().push(message.clone());
    }
    let reply = invoke(&host, &event).await.unwrap();
    assert_eq!(
        failed(&reply),
        ["none", "other"],
        "what can never be an input goes to the dead letters"
    );
    assert_eq!(orders_of(&host, "o-9").await, ["table"]);
    assert_eq!(orders_of(&host, "o-1").await, ["lamp"]);
}

#[tokio::test]
async fn what_cannot_be_registered_is_reported() {
    let (host, store) = shop();
    store.script(|request| match request.target.contains(ID[1]) {
        true => Fault::Fail,
        false => Fault::None,
    });
    let reply = invoke(&host, &event("sqs")).await.unwrap();
    assert_eq!(failed(&reply), [ID[1]]);
    assert_eq!(orders_of(&host, "o-1").await, ["lamp"]);

    store.script(|_| Fault::None);
    assert!(failed(&invoke(&host, &event("sqs")).await.unwrap()).is_empty());
    assert_eq!(orders_of(&host, "o-1").await, ["lamp"]);
    assert_eq!(orders_of(&host, "o-2").await, ["chair"]);
}

/// Registered is enough: the rest is the intent collector's.
#[tokio::test]
async fn what_is_registered_is_acknowledged() {
    let (host, store) = shop();
    let mut registered = 0;
    store.script(move |request| {
        registered += u32::from(request.kind == RequestKind::Update);
        match registered {
            0..=2 => Fault::None,
            _ => Fault::Fail,
        }
    });
    assert!(failed(&invoke(&host, &event("sqs")).await.unwrap()).is_empty());
    store.script(|_| Fault::None);
    assert!(orders_of(&host, "o-1").await.is_empty());

    tokio::time::sleep(Duration::from_millis(200)).await;
    collect(&host).await;
    assert_eq!(orders_of(&host, "o-1").await, ["lamp"]);
    assert_eq!(orders_of(&host, "o-2").await, ["chair"]);
}

#[tokio::test]
async fn a_field_names_the_request() {
    let keyed = Function::new(app()).route(Source::queue("orders").key("/id"), take_order);
    let host = keyed.open(beldi::store::MemoryStore::new()).unwrap();
    let mut event = event("sqs");
    invoke(&host, &event).await.unwrap();
    event["Records"][0]["messageId"] = "sent again by a client".into();
    event["Records"][1]["messageId"] = "without an id".into();
    event["Records"][1]["body"] = r#"{"article":"chair"}"#.into();
    let reply = invoke(&host, &event).await.unwrap();
    assert_eq!(failed(&reply), ["without an id"]);
    assert_eq!(orders_of(&host, "o-1").await, ["lamp"]);

    let called =
        json!({ "ssf": "take_order", "key": "o-1", "input": { "id": "o-1", "article": "lamp" } });
    assert_eq!(
        invoke(&host, &called).await.unwrap(),
        1,
        "the same request, wherever it comes from"
    );
}

#[tokio::test]
async fn a_deduplication_id_names_the_request() {
    let route = Source::queue("orders.fifo").deduplication_id();
    let host = Function::new(app()).route(route, take_order);
    let host = host.open(beldi::store::MemoryStore::new()).unwrap();
    let mut event = event("sqs-fifo");
    invoke(&host, &event).await.unwrap();
    for message in event["Records"].as_array_mut().unwrap() {
        message["messageId"] = format!("again {}", message["messageId"]).into();
    }
    assert!(failed(&invoke(&host, &event).await.unwrap()).is_empty());
    assert_eq!(orders_of(&host, "ann").await, ["a1", "a2", "a3"]);
}

#[tokio::test]
async fn a_record_nobody_takes_is_reported() {
    let host = Function::new(app()).open(beldi::store::MemoryStore::new()).unwrap();
    // All of a batch: that is a failure, which is seen.
    for event in ["sqs", "eventbridge", "kinesis", "dynamodb"].map(event) {
        let failure = invoke(&host, &event).await.unwrap_err();
        assert_eq!(failure.kind().error_type(), "Beldi.Misconfigured");
        assert!(failure.to_string().contains("BELDI_SSF"), "{failure}");
    }
}

/// The stream is read again from the first record that failed: no failure of what came before it.
#[tokio::test]
async fn a_stream_goes_on_from_the_first_that_failed() {
    let (host, _) = shop();
    let mut event = event("kinesis");
    let records = event["Records"].as_array_mut().unwrap();
    records[1]["kinesis"]["data"] = "bm8ganNvbg==".into();
    let second = records[1]["kinesis"]["sequenceNumber"].as_str().unwrap().to_owned();
    assert_eq!(failed(&invoke(&host, &event).await.unwrap()), [second]);
    event["Records"].as_array_mut().unwrap().remove(0);
    let failure = invoke(&host, &event).await.unwrap_err();
    assert_eq!(failure.kind().error_type(), "Beldi.BadRequest");
}

/// Over 400 KB, which a queue may deliver: trying again would not help.
#[tokio::test]
async fn a_record_that_no_row_can_hold_is_malformed() {
    let (host, _) = shop();
    let mut event = event("sqs");
    let article = "x".repeat(450_000);
    event["Records"][0]["body"] = json!({ "id": "o-1", "article": article }).to_string().into();
    let first = event["Records"][0]["messageId"].as_str().unwrap().to_owned();
    assert_eq!(failed(&invoke(&host, &event).await.unwrap()), [first]);
    event["Records"].as_array_mut().unwrap().truncate(1);
    let failure = invoke(&host, &event).await.unwrap_err();
    assert!(!failure.kind().is_transient(), "{failure}");
}

#[tokio::test]
async fn events_are_told_apart_by_their_type() {
    let route = Source::events("com.shop").of_type("OrderPlaced");
    let host = function().route(route, take_order);
    let host = host.open(beldi::store::MemoryStore::new()).unwrap();
    invoke(&host, &event("eventbridge")).await.unwrap();
    assert_eq!(orders_of(&host, "e-1").await, ["desk"]);
    let (mut other, host) = (event("eventbridge"), {
        let route = Source::events("com.shop").of_type("OrderPaid");
        let only = Function::new(app()).route(route, take_order);
        only.open(beldi::store::MemoryStore::new()).unwrap()
    });
    invoke(&host, &other).await.unwrap_err();
    other["detail-type"] = "OrderPaid".into();
    invoke(&host, &other).await.unwrap();
    assert_eq!(orders_of(&host, "e-1").await, ["desk"]);
}

#[tokio::test]
async fn values_of_items_are_plain_json() {
    let keep = Function::new(app()).route(Source::table("customers"), keep);
    let host = keep.open(beldi::store::MemoryStore::new()).unwrap();
    let mut event = event("dynamodb");
    event["Records"].as_array_mut().unwrap().truncate(1);
    let image = &mut event["Records"][0]["dynamodb"]["NewImage"];
    image["big"] = json!({ "N": "123456789012345678901234567890" });
    image["list"] = json!({ "L": [{ "N": "0.5" }, { "NULL": true }, { "BOOL": false }] });
    assert!(failed(&invoke(&host, &event).await.unwrap()).is_empty());
    let kept: Value = serde_json::from_str(&orders_of(&host, "kept").await[0]).unwrap();
    let new = json!({
        "id": "ann", "city": "Bonn", "age": 41, "photo": "AAEqQQ==", "tags": ["new", "vip"],
        "big": "123456789012345678901234567890", "list": [0.5, null, false],
    });
    assert_eq!(kept, json!({ "event": "INSERT", "keys": { "id": "ann" }, "new": new }));
}

/// A number that JSON's readers would round stays text.
#[tokio::test]
async fn no_digit_of_a_number_is_lost() {
    let keep = Function::new(app()).route(Source::table("customers"), keep);
    let host = keep.open(beldi::store::MemoryStore::new()).unwrap();
    let mut event = event("dynamodb");
    event["Records"].as_array_mut().unwrap().truncate(1);
    let numbers = [
        ("0.5", json!(0.5)),
        ("-0.1", json!(-0.1)),
        ("1.10", json!(1.1)),
        ("2.50E+3", json!(2500)),
        ("1.5e-7", json!(1.5e-7)),
        ("0.0", json!(0)),
        ("0.30000000000000004", json!(0.1 + 0.2)),
        ("12345678901234567.89", json!("12345678901234567.89")),
        ("0.1000000000000000055", json!("0.1000000000000000055")),
        ("-3.14159265358979323846", json!("-3.14159265358979323846")),
        (
            "9.9999999999999999999999999999999999999E+125",
            json!("9.9999999999999999999999999999999999999E+125"),
        ),
        ("18446744073709551615", json!(u64::MAX)),
        ("18446744073709551616", json!("18446744073709551616")),
    ];
    let image = &mut event["Records"][0]["dynamodb"]["NewImage"];
    let given: Vec<_> = numbers.iter().map(|(digits, _)| json!({ "N": digits })).collect();
    let wanted: Vec<_> = numbers.into_iter().map(|(_, number)| number).collect();
    image["numbers"] = json!({ "L": given });
    assert!(failed(&invoke(&host, &event).await.unwrap()).is_empty());
    let kept: Value = serde_json::from_str(&orders_of(&host, "kept").await[0]).unwrap();
    assert_eq!(kept["new"]["numbers"], Value::Array(wanted));
}
