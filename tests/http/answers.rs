//! Outputs, keys, and replies before there is an output.

use reqwest::Method;
use serde_json::{Value, json};

use crate::served::{answer, serve};

#[tokio::test]
async fn an_output_is_answered_as_json() {
    let served = serve().await;
    let counted = served.call("/count", json!("home")).await;
    assert_eq!((counted.status, &counted.body), (200, &json!(1)));
    assert_eq!(counted.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn json_comes_back_as_it_went() {
    let served = serve().await;
    let json = json!({
        "text": "\u{0}\n\u{1f980}", "none": null, "yes": true, "list": [[], {}, ""],
        "numbers": [0, -1, u64::MAX, i64::MIN, 0.5, 1e20],
    });
    assert_eq!(served.call("/echo", json.clone()).await.body, json);
}

#[tokio::test]
async fn every_reply_names_its_instance() {
    let served = serve().await;
    let chosen = answer(served.post("/count", &json!("home")).header("Idempotency-Key", "k")).await;
    assert_eq!(chosen.header("beldi-instance"), Some("k"));
    let own = served.call("/count", json!("home")).await;
    let instance = served.instance_when(own.header("beldi-instance").unwrap(), "done").await;
    assert_eq!(instance["result"], json!(2));
}

#[tokio::test]
async fn an_empty_body_is_no_input() {
    let served = serve().await;
    let reset = answer(served.request(Method::POST, "/reset")).await;
    assert_eq!((reset.status, reset.body), (200, Value::Null));
}

#[tokio::test]
async fn ok_of_a_result_is_answered_bare() {
    let served = serve().await;
    served.call("/open_hotel", json!("ritz")).await;
    let reserved = served.call("/reserve", json!("ritz")).await;
    assert_eq!((reserved.status, reserved.body), (200, json!({ "free": 2 })));
}

#[tokio::test]
async fn err_of_a_result_is_rejected_with_its_detail() {
    let served = serve().await;
    let rejected = served.call("/reserve", json!("ritz")).await;
    assert_eq!(rejected.status, 422);
    let error = json!({
        "code": "rejected",
        "message": "`reserve` returned an error, see `detail`",
        "detail": { "hotel": "ritz" },
    });
    assert_eq!(rejected.body, json!({ "error": error }));
}

#[tokio::test]
async fn other_json_media_types_are_json() {
    let served = serve().await;
    for kind in ["application/json; charset=utf-8", "Application/JSON", "application/ld+json"] {
        let request = served.request(Method::POST, "/count").header("Content-Type", kind);
        assert_eq!(answer(request.body("\"home\"")).await.status, 200, "{kind}");
    }
}

#[tokio::test]
async fn a_repeated_key_gets_the_same_answer() {
    let served = serve().await;
    for _ in 0..3 {
        let request = served.post("/count", &json!("home")).header("Idempotency-Key", "k");
        assert_eq!(answer(request).await.body, json!(1));
    }
    assert_eq!(served.call("/count", json!("home")).await.body, json!(2));
}

#[tokio::test]
async fn a_repeated_key_gets_the_same_rejection() {
    let served = serve().await;
    let reserve = || served.post("/reserve", &json!("ritz")).header("Idempotency-Key", "k");
    let rejected = answer(reserve()).await;
    served.call("/open_hotel", json!("ritz")).await;
    let again = answer(reserve()).await;
    assert_eq!((again.status, again.body), (422, rejected.body));
}

#[tokio::test]
async fn a_quoted_key_is_the_key() {
    let served = serve().await;
    let request = served.post("/count", &json!("home")).header("Idempotency-Key", "\"k\"");
    assert_eq!(answer(request).await.header("beldi-instance"), Some("k"));
}

/// Also where a client trims it, or would take its quotes for those around it.
#[tokio::test]
async fn the_key_of_a_reply_asks_for_the_same_again() {
    let served = serve().await;
    for (n, key) in ["\" k \"", "\"\"k\"\"", "\"", "k\""].into_iter().enumerate() {
        let ask = async |key: &str| {
            answer(served.post("/count", &json!("home")).header("Idempotency-Key", key)).await
        };
        let first = ask(key).await;
        assert_eq!(first.body, json!(n + 1), "{key}");
        let again = first.header("beldi-instance").unwrap();
        assert_eq!(ask(again).await.body, first.body, "{key}, then {again}");
    }
}

#[tokio::test]
async fn respond_async_is_accepted_and_finished() {
    let served = serve().await;
    let request = served.post("/count", &json!("home")).header("Idempotency-Key", "order-17");
    let accepted = answer(request.header("Prefer", "wait=9, respond-async")).await;
    assert_eq!((accepted.status, &accepted.body), (202, &json!({ "key": "order-17" })));
    assert_eq!(accepted.header("location"), Some("/instances/order-17"));
    assert_eq!(accepted.header("preference-applied"), Some("respond-async"));
    assert_eq!(accepted.header("beldi-instance"), Some("order-17"));
    assert_eq!(served.instance_when("order-17", "done").await["result"], json!(1));
}

#[tokio::test]
async fn respond_async_starts_once_under_one_key() {
    let served = serve().await;
    let request = || served.post("/count", &json!("home")).header("Idempotency-Key", "k");
    for _ in 0..2 {
        assert_eq!(answer(request().header("Prefer", "respond-async")).await.status, 202);
        served.instance_when("k", "done").await;
    }
    assert_eq!(answer(request()).await.body, json!(1));
    assert_eq!(served.call("/count", json!("home")).await.body, json!(2));
}

#[tokio::test]
async fn the_service_lists_its_ssfs() {
    let served = serve().await;
    let ssfs = [
        "book",
        "count",
        "count_twice",
        "echo",
        "needs_room",
        "open_hotel",
        "panics",
        "reserve",
        "reset",
    ];
    let listed = json!({ "service": "travel", "version": "7", "ssfs": ssfs });
    assert_eq!(served.get("/").await.body, listed);
}
