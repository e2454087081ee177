//! HTTP requests, as each front wraps them.

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
