//! Whatever the payload is, an invocation ends with a reply or a failure.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::shop::{event, invoke, shop};

/// Any JSON, with the words that mean something to the function.
fn json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        "[a-z]{0,4}",
        prop::sample::select(vec![
            "beldi",
            "letter",
            "tick",
            "follow",
            "Records",
            "eventSource",
            "aws:sqs",
            "aws:kinesis",
            "aws:dynamodb",
            "requestContext",
            "http",
            "elb",
            "httpMethod",
            "headers",
            "body",
            "id",
            "source",
            "detail",
            "detail-type",
            "ssf",
            "input",
            "key",
            "echo",
            "kinesis",
            "dynamodb",
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(word.clone(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// All places in a value.
fn places(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                places(value, &format!("{here}/{name}"), found);
            }
        }
        Value::Array(values) => {
            for (at, value) in values.iter().enumerate() {
                places(value, &format!("{here}/{at}"), found);
            }
        }
        _ => {}
    }
}

fn handled(event: &Value) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Neither is a panic; which of the two it is, other tests say.
    let _ = runtime.block_on(async { invoke(&shop().0, event).await });
}

const EVENTS: [&str; 9] = [
    "sqs",
    "sqs-fifo",
    "kinesis",
    "dynamodb",
    "eventbridge",
    "function-url",
    "http-api",
    "rest-api",
    "load-balancer",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_json_is_handled(event in json()) {
        handled(&event);
    }

    /// One place of a real event replaced by anything.
    #[test]
    fn any_damage_to_an_event_is_handled(
        name in prop::sample::select(EVENTS.to_vec()),
        at in any::<prop::sample::Index>(),
        other in json(),
    ) {
        let mut event = event(name);
        let mut found = Vec::new();
        places(&event, "", &mut found);
        let place: &String = at.get(&found);
        *event.pointer_mut(place).unwrap() = other;
        handled(&event);
    }
}

#[tokio::test]
async fn what_is_too_large_is_not_read() {
    let (host, _) = shop();
    let event = json!({ "ssf": "echo", "input": "x".repeat(6 * 1024 * 1024) });
    let failure = invoke(&host, &event).await.unwrap_err();
    assert_eq!(failure.kind().error_type(), "Beldi.BadEvent");
}

#[tokio::test]
async fn more_headers_than_a_request_can_have_are_refused() {
    for (number, is_read) in [(20_000, true), (30_000, false)] {
        let (host, _) = shop();
        let mut event = event("function-url");
        let headers = event["headers"].as_object_mut().unwrap();
        headers.extend((0..number).map(|number| (format!("x-{number}"), "1".into())));
        let handled = invoke(&host, &event).await.map_err(|failure| failure.kind().error_type());
        assert_eq!(handled.is_ok(), is_read, "{number}: {handled:?}");
        assert!(is_read || handled == Err("Beldi.BadEvent"), "{handled:?}");
    }
}

#[tokio::test]
async fn what_is_too_deep_is_not_read() {
    let (host, _) = shop();
    for deep in
        ["[".repeat(5000) + &"]".repeat(5000), "{\"a\":".repeat(5000) + "1" + &"}".repeat(5000)]
    {
        for payload in [deep.clone(), format!(r#"{{"ssf":"echo","input":{deep}}}"#)] {
            let payload = serde_json::value::RawValue::from_string(payload).unwrap();
            host.invoke(payload, &Default::default()).await.unwrap_err();
        }
    }
}
