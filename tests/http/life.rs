//! Hosts that stop and crash, clients that go away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use beldi::Limits;
use beldi::store::MemoryStore;
use beldi::testing::{Fault, FaultyStore, RequestKind};
use serde_json::json;
use tokio::net::TcpListener;

use crate::served::{Served, answer, client, serve, serve_with};
use crate::service::{app, count, quick};

async fn with_limits(limits: Limits) -> Served {
    serve_with(limits, FaultyStore::new(MemoryStore::new())).await
}

#[tokio::test]
async fn a_stop_lets_a_running_request_end_and_accepts_no_other() {
    let served = serve().await;
    let (url, gate) = (served.url.clone(), served.gate_before_writing("counts"));
    let running = tokio::spawn(answer(served.post("/count", &json!("home"))));
    gate.reached().await;

    let stopped = served.stop();
    while client().get(&url).send().await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!stopped.is_finished());

    gate.open();
    assert_eq!(running.await.unwrap().body, json!(1));
    stopped.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stop_has_patience_for_a_while() {
    let patience = Duration::from_millis(50);
    let served = with_limits(Limits { patience, ..Limits::default() }).await;
    let (store, gate) = (served.store.clone(), served.gate_before_writing("counts"));
    let request = served.post("/count", &json!("home")).header("Idempotency-Key", "k");
    let running = tokio::spawn(answer(request));
    gate.reached().await;

    served.stop().await.unwrap().unwrap();
    let cut = running.await.unwrap();
    assert_eq!(cut.code(), (503, "stopping"));
    assert_eq!(cut.header("retry-after"), Some("1"));
    assert_eq!(cut.header("beldi-instance"), Some("k"));

    let again = serve_with(quick(), store).await;
    let request = again.post("/count", &json!("home")).header("Idempotency-Key", "k");
    assert_eq!(answer(request).await.body, json!(1));
}

#[tokio::test]
async fn a_stop_begins_no_attempt_that_waits_for_its_turn() {
    let served = with_limits(Limits { concurrency: 1, ..Limits::default() }).await;
    let (store, gate) = (served.store.clone(), served.gate_before_writing("counts"));
    let running = tokio::spawn(answer(served.post("/count", &json!("home"))));
    gate.reached().await;
    let queued = served.post("/open_hotel", &json!("ritz")).header("Prefer", "respond-async");
    let queued = answer(queued.header("Idempotency-Key", "k")).await;
    assert_eq!(queued.status, 202);

    let stopped = served.stop();
    tokio::time::sleep(Duration::from_millis(20)).await;
    store.script(|request| match request.target.contains("rooms") {
        true => panic!("begun while stopping: {request}"),
        false => Fault::None,
    });
    gate.open();
    assert_eq!(running.await.unwrap().status, 200);
    stopped.await.unwrap().unwrap();

    store.script(|_| Fault::None);
    let again = serve_with(Limits::default(), store).await;
    assert_eq!(again.instance_when("k", "done").await["attempts"], json!(1));
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_store_that_hangs() {
    let patience = Duration::from_millis(50);
    let served = with_limits(Limits { patience, ..Limits::default() }).await;
    served.store.script(|_| Fault::Hang);
    let hanging = tokio::spawn(answer(served.post("/count", &json!("home"))));
    tokio::time::sleep(Duration::from_millis(20)).await;
    let stopped = tokio::time::timeout(Duration::from_secs(3), served.stop()).await;
    stopped.unwrap().unwrap().unwrap();
    assert_eq!(hanging.await.unwrap().code(), (503, "stopping"));
}

#[tokio::test]
async fn who_waits_for_a_next_attempt_keeps_nobody_from_running() {
    let backoff = Duration::from_secs(60);
    let limits = Limits { concurrency: 1, backoff, backoff_max: backoff, ..Limits::default() };
    let served = with_limits(limits).await;
    let request = served.post("/needs_room", &json!("ritz")).header("Idempotency-Key", "k");
    let waiting = tokio::spawn(answer(request));
    served.instance_when("k", "running").await;
    assert_eq!(served.call("/count", json!("home")).await.body, json!(1));
    assert!(!waiting.is_finished());
}

/// What was accepted and what was sent is begun in its turn, however many requests keep coming.
#[tokio::test]
async fn requests_do_not_keep_what_was_sent_from_running() {
    let served = with_limits(Limits { concurrency: 1, ..quick() }).await;
    let has_run = Arc::new(AtomicBool::new(false));
    let runs = Arc::clone(&has_run);
    served.store.script(move |request| {
        runs.fetch_or(request.target == "table/counts/sent", Ordering::Relaxed);
        Fault::None
    });
    let requests = async |name: &str| {
        while !has_run.load(Ordering::Relaxed) {
            assert_eq!(served.call("/count_twice", json!(name)).await.status, 200);
        }
    };
    served.store.latency(|| Duration::from_millis(2));
    let all = futures_util::future::join_all(["ann", "bob", "cid", "dan"].map(requests));
    tokio::time::timeout(Duration::from_secs(10), all).await.expect("its turn comes");
}

#[tokio::test]
async fn limits_without_an_end_are_no_overflow() {
    let (attempt_time, request_time) = (Duration::MAX, Duration::MAX);
    let limits = Limits { attempt_time, request_time, concurrency: 0, ..Limits::default() };
    let served = with_limits(limits).await;
    assert_eq!(served.call("/count", json!("home")).await.body, json!(1));
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_end_the_attempt() {
    let served = serve().await;
    let gate = served.gate_before_writing("counts");
    let request = served.post("/count", &json!("home")).header("Idempotency-Key", "k");
    let client = tokio::spawn(answer(request));
    gate.reached().await;
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    gate.open();
    let instance = served.instance_when("k", "done").await;
    assert_eq!((&instance["result"], &instance["attempts"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn a_start_begins_what_was_only_registered() {
    let store = FaultyStore::new(MemoryStore::new());
    let host = app().open(store.clone()).unwrap();
    host.send(count("home".to_owned()).send()).key("k").await.unwrap();
    drop(host);
    let served = serve_with(quick(), store).await;
    let instance = served.instance_when("k", "done").await;
    assert_eq!((&instance["result"], &instance["attempts"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn a_start_finishes_what_a_crash_left() {
    let store = FaultyStore::new(MemoryStore::new());
    store.script(|request| match request.kind {
        RequestKind::Update if request.target.contains("counts") => Fault::CrashAfter,
        _ => Fault::None,
    });
    let host = app().limits(quick()).open(store.clone()).unwrap();
    host.send(count("home".to_owned()).send()).key("k").await.unwrap();
    store.died().await;
    drop(host);

    let store = store.new_host();
    store.script(|_| Fault::None);
    let served = serve_with(quick(), store).await;
    let instance = served.instance_when("k", "done").await;
    assert_eq!((&instance["result"], &instance["attempts"]), (&json!(1), &json!(2)));
    assert_eq!(served.call("/count", json!("home")).await.body, json!(2));
}

#[tokio::test]
async fn an_app_serves_from_its_file_until_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let app = app().data(folder.path().join("data/travel.redb"));
    let url = free_address().await;
    let count = || count_at(&url);

    let serving = tokio::spawn(app.clone().serve(url.clone()));
    assert_eq!(count().await, json!(1));
    let pid = std::process::id().to_string();
    let killed = std::process::Command::new("kill").args(["-TERM", &pid]).status();
    assert!(killed.unwrap().success());
    serving.await.unwrap().unwrap();

    let serving = tokio::spawn(app.serve(url.clone()));
    assert_eq!(count().await, json!(2));
    serving.abort();
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let served = serve().await;
    let address = served.url.trim_start_matches("http://").to_owned();
    let host = app().open(MemoryStore::new()).unwrap();
    let error = host.serve(&*address).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot listen on {address}: ")), "{error}");
}

async fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}

/// Counts, as soon as somebody listens there.
async fn count_at(address: &str) -> serde_json::Value {
    loop {
        let request = client().post(format!("http://{address}/count")).json("home");
        match request.send().await {
            Ok(response) => break response.json().await.unwrap(),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}
