//! Instances: what is shown of them, and resuming parked ones.

use std::time::Duration;

use beldi::Limits;
use beldi::store::MemoryStore;
use beldi::testing::FaultyStore;
use reqwest::Method;
use serde_json::json;

use crate::served::{Served, answer, serve, serve_with};
use crate::service::quick;

async fn with_key(served: &Served, path: &str, body: serde_json::Value) {
    answer(served.post(path, &body).header("Idempotency-Key", "k")).await;
}

#[tokio::test]
async fn a_finished_one_shows_its_output() {
    let served = serve().await;
    with_key(&served, "/count", json!("home")).await;
    let shown = json!({
        "key": "k", "ssf": "count", "state": "done", "attempts": 1, "step": null, "result": 1,
    });
    assert_eq!(served.instance_when("k", "done").await, shown);
}

#[tokio::test]
async fn a_rejection_shows_as_it_was_answered() {
    let served = serve().await;
    with_key(&served, "/reserve", json!("ritz")).await;
    let error = json!({
        "code": "rejected",
        "message": "`reserve` returned an error, see `detail`",
        "detail": { "hotel": "ritz" },
    });
    let instance = served.instance_when("k", "done").await;
    assert_eq!((&instance["error"], instance.get("result")), (&error, None));
}

#[tokio::test]
async fn an_unfinished_one_shows_why() {
    let (call_time, backoff) = (Duration::from_millis(50), Duration::from_secs(60));
    let limits = Limits { call_time, backoff, backoff_max: backoff, ..Limits::default() };
    let served = serve_with(limits, FaultyStore::new(MemoryStore::new())).await;
    with_key(&served, "/needs_room", json!("ritz")).await;
    let instance = served.get("/instances/k").await.body;
    assert_eq!((&instance["state"], &instance["attempts"]), (&json!("running"), &json!(1)));
    let reason = json!({
        "code": "panic", "message": "the handler panicked: no such hotel", "step": null,
    });
    assert_eq!(instance["reason"], reason);
}

#[tokio::test]
async fn a_parked_one_is_resumed_and_finishes() {
    let limits = Limits { attempts: 2, ..quick() };
    let served = serve_with(limits, FaultyStore::new(MemoryStore::new())).await;
    with_key(&served, "/needs_room", json!("ritz")).await;
    assert_eq!(served.instance_when("k", "parked").await["reason"]["code"], "panic");

    served.call("/open_hotel", json!("ritz")).await;
    let resumed = answer(served.request(Method::POST, "/instances/k/resume")).await;
    assert_eq!((resumed.status, &resumed.body), (202, &json!({ "key": "k" })));
    assert_eq!(resumed.header("location"), Some("/instances/k"));
    let instance = served.instance_when("k", "done").await;
    assert_eq!((&instance["result"], &instance["attempts"]), (&json!(3), &json!(3)));
}

#[tokio::test]
async fn a_finished_one_cannot_be_resumed() {
    let served = serve().await;
    with_key(&served, "/count", json!("home")).await;
    served.instance_when("k", "done").await;
    let refused = answer(served.request(Method::POST, "/instances/k/resume")).await;
    assert_eq!(refused.code(), (409, "not_parked"));
}

#[tokio::test]
async fn a_key_may_have_any_characters() {
    let served = serve().await;
    let request = served.post("/count", &json!("home")).header("Idempotency-Key", "a/b c%?");
    let accepted = answer(request.header("Prefer", "respond-async")).await;
    let location = accepted.header("location").unwrap();
    assert_eq!(location, "/instances/a%2Fb%20c%25%3F");
    assert_eq!(served.get(location).await.body["key"], json!("a/b c%?"));
}

#[tokio::test]
async fn a_key_that_no_request_can_have_is_unknown() {
    let served = serve().await;
    let path = format!("/instances/{}", "k".repeat(3000));
    assert_eq!(served.get(&path).await.code(), (404, "unknown_instance"));
    let resumed = served.request(Method::POST, &format!("{path}/resume"));
    assert_eq!(answer(resumed).await.code(), (404, "unknown_instance"));
}
