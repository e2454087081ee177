//! HTTP requests, as each front wraps them.

use beldi::testing::{Fault, FaultyStore, RequestKind};
use beldi_lambda::Host;
use serde_json::{Value, json};

use crate::shop::{event, invoke, orders_of, shop};

const FRONTS: [&str; 4] = ["function-url", "http-api", "rest-api", "load-balancer"];

fn with_body(mut event: Value, body: &str) -> Value {
    (event["body"], event["isBase64Encoded"]) = (body.into(), false.into());
    event
}

#[tokio::test]
async fn every_front_is_answered() {
    for front in FRONTS {
        let (host, _) = shop();
        for _ in 0..2 {
            let reply = invoke(&host, &event(front)).await.unwrap();
            assert_eq!(reply["statusCode"], 200, "{front}: {reply}");
            assert_eq!(reply["body"], "1");
            let key = match front {
                "rest-api" => &reply["multiValueHeaders"]["beldi-instance"][0],
                _ => &reply["headers"]["beldi-instance"],
            };
            assert_eq!(key, "order-17", "{front}: {reply}");
        }
        assert_eq!(orders_of(&host, "h-1").await, ["shelf"], "{front}");
    }
}

#[tokio::test]
async fn what_an_ssf_rejects_is_no_failure() {
    for front in FRONTS {
        let (host, _) = shop();
        let event = with_body(event(front), r#"{"id":"h-1","article":"sold out"}"#);
        let reply = invoke(&host, &event).await.unwrap();
        assert_eq!(reply["statusCode"], 422, "{front}");
        let body: Value = serde_json::from_str(reply["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["error"]["detail"], "h-1 gets none");
    }
}

/// Strangers may call SSFs, and neither look at instances nor resume them.
#[tokio::test]
async fn other_routes() {
    let (host, _) = shop();
    invoke(&host, &event("function-url")).await.unwrap();
    for (method, path, status) in [
        ("GET", "/", 200),
        ("GET", "/take_order", 405),
        ("GET", "/a b", 405),
        ("POST", "/none", 404),
        ("GET", "/instances/order-17", 404),
        ("GET", "/instances/http%2Forder-17", 404),
        ("POST", "/instances/http%2Forder-17/resume", 404),
    ] {
        let mut event = event("function-url");
        event["requestContext"]["http"]["method"] = method.into();
        event["rawPath"] = path.into();
        let reply = invoke(&host, &event).await.unwrap();
        assert_eq!(reply["statusCode"], status, "{method} {path}: {reply}");
    }
}

/// A stranger who knows the key of a record cannot take its place.
#[tokio::test]
async fn keys_of_strangers_are_apart() {
    let (host, _) = shop();
    invoke(&host, &event("eventbridge")).await.unwrap();
    let mut event = event("function-url");
    event["headers"]["idempotency-key"] = "eventbridge/17793124-05d4-b198-2fde-7ededc63b103".into();
    let reply = invoke(&host, &event).await.unwrap();
    assert_eq!(reply["statusCode"], 200, "another instance: {reply}");
    assert_eq!(orders_of(&host, "h-1").await, ["shelf"]);
}

/// An event with this key, or none.
fn with_key(key: Option<&str>) -> Value {
    let mut event = event("function-url");
    let headers = event["headers"].as_object_mut().unwrap();
    headers.remove("idempotency-key");
    headers.extend(key.map(|key| ("idempotency-key".to_owned(), key.into())));
    event
}

fn body_of(reply: &Value) -> Value {
    serde_json::from_str(reply["body"].as_str().unwrap()).unwrap()
}

/// An order is taken, and then the store goes away: its client is told to ask again.
async fn lost(host: &Host, store: &FaultyStore, chosen: Option<&str>) -> Value {
    let mut is_taken = false;
    store.script(move |request| match is_taken {
        true => Fault::Fail,
        false => {
            is_taken = request.kind == RequestKind::Update && request.target.contains("orders");
            if is_taken { Fault::LoseReply } else { Fault::None }
        }
    });
    let lost = invoke(host, &with_key(chosen)).await.unwrap();
    assert_eq!(lost["statusCode"], 503, "{lost}");
    store.script(|_| Fault::None);
    assert_eq!(orders_of(host, "h-1").await, ["shelf"], "{lost}");
    lost
}

/// "Ask again with the same key": wherever the reply names it, and whether it was chosen.
#[tokio::test]
async fn whoever_asks_again_as_told_asks_for_the_same() {
    for chosen in [None, Some("order-17")] {
        for place in ["header", "body", "message"] {
            let (host, store) = shop();
            let lost = lost(&host, &store, chosen).await;
            let error = &body_of(&lost)["error"];
            let key = match place {
                "header" => &lost["headers"]["beldi-instance"],
                "body" => &error["key"],
                _ => &error["message"].as_str().unwrap().split('`').nth(1).into(),
            };
            assert!(chosen.is_none_or(|chosen| key == chosen), "{lost}");
            let again = with_key(key.as_str());
            for _ in 0..2 {
                assert_eq!(invoke(&host, &again).await.unwrap()["statusCode"], 200);
            }
            assert_eq!(orders_of(&host, "h-1").await, ["shelf"], "{chosen:?}, {place}");
        }
    }
}

#[tokio::test]
async fn an_accepted_request_has_the_key_it_was_told() {
    for chosen in [None, Some("order-17")] {
        let (host, _) = shop();
        let mut event = with_key(chosen);
        event["headers"]["prefer"] = "respond-async".into();
        let accepted = invoke(&host, &event).await.unwrap();
        assert_eq!(accepted["statusCode"], 202, "{accepted}");
        let key = body_of(&accepted)["key"].clone();
        assert_eq!(key, accepted["headers"]["beldi-instance"]);
        let again = invoke(&host, &with_key(key.as_str())).await.unwrap();
        assert_eq!(again["body"], "1");
        assert_eq!(orders_of(&host, "h-1").await, ["shelf"], "{chosen:?}");
    }
}

/// The rules are those of the local host, and hold for what the asker chose.
#[tokio::test]
async fn keys_of_strangers_have_1_to_256_bytes() {
    let (host, _) = shop();
    for key in ["", "\"\"", "~beldi", &"k".repeat(257)] {
        let refused = invoke(&host, &with_key(Some(key))).await.unwrap();
        assert_eq!(refused["statusCode"], 400, "{key}: {refused}");
        let error = &body_of(&refused)["error"];
        assert_eq!(error["code"], "bad_key");
        assert!(!error.to_string().contains("http/"), "{error}");
    }
    let longest = "k".repeat(256);
    let reply = invoke(&host, &with_key(Some(&longest))).await.unwrap();
    assert_eq!((&reply["statusCode"], &reply["body"]), (&json!(200), &json!("1")));
    let instance = json!({ "beldi": { "instance": format!("http/{longest}") } });
    assert_eq!(invoke(&host, &instance).await.unwrap()["state"], "done");
}

#[tokio::test]
async fn load_balancers_get_as_many_values_as_they_send() {
    let (host, _) = shop();
    let mut event = event("load-balancer");
    let headers = event["headers"].take();
    let many: serde_json::Map<_, _> = headers
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), json!([value])))
        .collect();
    event["multiValueHeaders"] = Value::Object(many);
    let reply = invoke(&host, &event).await.unwrap();
    assert_eq!(reply["statusDescription"], "200 OK");
    assert_eq!(reply["multiValueHeaders"]["beldi-instance"], json!(["order-17"]));
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let (host, _) = shop();
    let mut lie = event("function-url");
    (lie["body"], lie["isBase64Encoded"]) = ("{".into(), true.into());
    let mut method = event("function-url");
    method["requestContext"]["http"]["method"] = "DO IT".into();
    for event in [lie, method] {
        let failure = invoke(&host, &event).await.unwrap_err();
        assert_eq!(failure.kind().error_type(), "Beldi.BadEvent");
    }
}
