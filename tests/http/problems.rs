//! One test a row of the table of problems.

use std::time::Duration;

use beldi::Limits;
use beldi::store::MemoryStore;
use beldi::testing::{Fault, FaultyStore, RequestKind};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::served::{Answer, Served, answer, serve, serve_with};
use crate::service::quick;

async fn with_key(served: &Served, key: &str, path: &str, body: Value) -> Answer {
    answer(served.post(path, &body).header("Idempotency-Key", key)).await
}

async fn with_limits(limits: Limits) -> Served {
    serve_with(limits, FaultyStore::new(MemoryStore::new())).await
}

/// Sends these bytes as JSON.
async fn raw(served: &Served, path: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = served.request(Method::POST, path).header("Content-Type", "application/json");
    answer(request.body(body)).await
}

#[tokio::test]
async fn unknown_ssf() {
    let problem = serve().await.call("/cuont", json!("home")).await;
    assert_eq!(problem.code(), (404, "unknown_ssf"));
    assert!(
        problem.body["error"]["message"].as_str().unwrap().contains("count, count_twice, echo")
    );
}

#[tokio::test]
async fn slow_body() {
    let call_time = Duration::from_millis(500);
    let limits = Limits { call_time, concurrency: 1, waiting: 0, ..Limits::default() };
    let served = serve_with(limits, FaultyStore::new(MemoryStore::new())).await;
    let address = served.url.trim_start_matches("http://");
    let mut slow = TcpStream::connect(address).await.unwrap();
    let head = format!("POST /count HTTP/1.1\r\nhost: {address}\r\ncontent-length: 9\r\n\r\n\"ho");
    slow.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(call_time / 5).await;
    assert_eq!(served.call("/count", json!("home")).await.code(), (503, "overloaded"));
    let mut answered = vec![0; 12];
    slow.read_exact(&mut answered).await.unwrap();
    assert_eq!(answered, b"HTTP/1.1 408");
    assert_eq!(served.call("/count", json!("home")).await.status, 200);
}

#[tokio::test]
async fn malformed_json() {
    let problem = raw(&serve().await, "/book", "{\n  \"hotel\": }").await;
    let error = json!({
        "code": "malformed_json",
        "message": "the body is not JSON: expected value at line 2 column 12",
        "line": 2,
        "column": 12,
    });
    assert_eq!((problem.status, problem.body), (400, json!({ "error": error })));
}

#[tokio::test]
async fn malformed_json_after_the_input() {
    let problem = raw(&serve().await, "/count", "\"home\" 7").await;
    assert_eq!(problem.code(), (400, "malformed_json"));
}

#[tokio::test]
async fn malformed_json_if_it_is_too_deep() {
    let served = serve().await;
    let problem = raw(&served, "/echo", "[".repeat(100_000)).await;
    assert_eq!(problem.code(), (400, "malformed_json"));
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(raw(&served, "/echo", nested(31)).await.status, 200);
    assert_eq!(raw(&served, "/echo", nested(127)).await.code(), (400, "unencodable_value"));
}

#[tokio::test]
async fn wrong_type_names_the_field() {
    let guests = json!([{ "age": 30 }, { "age": 300 }]);
    let trip = json!({ "hotel": "ritz", "guests": guests });
    let problem = serve().await.call("/book", trip).await;
    assert_eq!(problem.code(), (400, "wrong_type"));
    assert_eq!(problem.body["error"]["path"], "guests[1].age");
    let message = problem.body["error"]["message"].as_str().unwrap();
    let expected = "the body is not what the SSF takes, at `guests[1].age`: invalid value: integer `300`, expected u8";
    assert!(message.starts_with(expected), "{message}");
}

#[tokio::test]
async fn wrong_type_if_an_input_is_missing() {
    let served = serve().await;
    let problem = answer(served.request(Method::POST, "/count")).await;
    assert_eq!(problem.code(), (400, "wrong_type"));
}

#[tokio::test]
async fn body_too_large_by_its_own_account() {
    let served = with_limits(Limits { body: 16, ..Limits::default() }).await;
    let problem = served.call("/count", json!("more than sixteen bytes")).await;
    let error = json!({
        "code": "body_too_large",
        "message": "the body is larger than 16 bytes (`Limits::body`)",
        "limit": 16,
    });
    assert_eq!((problem.status, problem.body), (413, json!({ "error": error })));
    assert_eq!(served.call("/count", json!("small enough..")).await.status, 200);
}

#[tokio::test]
async fn body_too_large_without_an_account() {
    let served = with_limits(Limits { body: 16, ..Limits::default() }).await;
    let mut connection =
        TcpStream::connect(served.url.trim_start_matches("http://")).await.unwrap();
    let head = "POST /count HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = "8\r\n\"chunked\r\n";
    connection.write_all(format!("{head}{chunk}{chunk}{chunk}").as_bytes()).await.unwrap();
    let mut status = [0; 12];
    connection.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
}

#[tokio::test]
async fn unsupported_media_type() {
    let served = serve().await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "jsonish"] {
        let request = served.request(Method::POST, "/count").header("Content-Type", kind);
        let problem = answer(request.body("\"home\"")).await;
        assert_eq!(problem.code(), (415, "unsupported_media_type"), "{kind}");
    }
}

#[tokio::test]
async fn method_not_allowed() {
    let problem = serve().await.get("/count").await;
    assert_eq!(problem.code(), (405, "method_not_allowed"));
    assert_eq!(problem.header("allow"), Some("POST"));
}

#[tokio::test]
async fn not_found() {
    assert_eq!(serve().await.get("/no/such/thing").await.code(), (404, "not_found"));
}

#[tokio::test]
async fn unknown_instance() {
    let problem = serve().await.get("/instances/nobody").await;
    assert_eq!(problem.code(), (404, "unknown_instance"));
}

#[tokio::test]
async fn key_reused() {
    let served = serve().await;
    with_key(&served, "k", "/count", json!("home")).await;
    let problem = with_key(&served, "k", "/count", json!("away")).await;
    assert_eq!(problem.code(), (422, "key_reused"));
    assert_eq!(problem.body["error"]["key"], "k");
}

#[tokio::test]
async fn bad_key() {
    let served = serve().await;
    for key in ["~beldi", "", &"k".repeat(257), "\u{e9}"] {
        let problem = with_key(&served, key, "/count", json!("home")).await;
        assert_eq!(problem.code(), (400, "bad_key"), "{key}");
    }
}

#[tokio::test]
async fn parked() {
    let served = with_limits(Limits { attempts: 2, ..quick() }).await;
    let problem = with_key(&served, "k", "/needs_room", json!("ritz")).await;
    let text = "2 attempts did not finish; the last one: the handler panicked: no such hotel";
    let error = json!({
        "code": "parked",
        "message": format!("instance `k` is parked: {text}"),
        "key": "k",
        "reason": { "code": "panic", "message": text, "step": null },
    });
    assert_eq!((problem.status, &problem.body), (500, &json!({ "error": error })));
    assert_eq!(problem.header("beldi-instance"), Some("k"));
}

#[tokio::test]
async fn failed_says_that_it_is_safe_to_ask_again() {
    let problem = serve().await.call("/panics", Value::Null).await;
    let text = "the handler panicked: the printer is on fire";
    let error = json!({
        "code": "failed",
        "message": format!("the attempt failed before it changed anything: {text}; calling again is safe"),
        "reason": { "code": "panic", "message": text, "step": null },
    });
    assert_eq!((problem.status, problem.body), (500, json!({ "error": error })));
}

#[tokio::test]
async fn unfinished_names_the_instance() {
    let (call_time, backoff) = (Duration::from_millis(50), Duration::from_secs(60));
    let limits = Limits { call_time, backoff, backoff_max: backoff, ..Limits::default() };
    let problem = with_limits(limits).await.call("/needs_room", json!("ritz")).await;
    assert_eq!(problem.code(), (503, "unfinished"));
    assert_eq!(problem.header("retry-after"), Some("1"));
    let key = problem.header("beldi-instance").unwrap();
    assert_eq!(problem.body["error"]["key"], key);
}

#[tokio::test]
async fn store_unavailable_leaves_it_open_what_happened() {
    let served = with_limits(Limits { request_tries: 2, ..quick() }).await;
    served.store.script(|request| match request.kind {
        RequestKind::Update => Fault::LoseReply,
        _ => Fault::None,
    });
    let problem = served.call("/count", json!("home")).await;
    assert_eq!(problem.code(), (503, "store_unavailable"));
    assert_eq!(problem.header("retry-after"), Some("1"));
    let key = problem.header("beldi-instance").unwrap().to_owned();
    assert_eq!(problem.body["error"]["key"], *key);

    served.store.script(|_| Fault::None);
    assert_eq!(with_key(&served, &key, "/count", json!("home")).await.body, json!(1));
    assert_eq!(served.call("/count", json!("home")).await.body, json!(2));
}

#[tokio::test]
async fn store_unavailable_when_it_should_respond_at_once() {
    let served = with_limits(Limits { request_tries: 2, ..quick() }).await;
    served.store.script(|_| Fault::Fail);
    let request = served.post("/count", &json!("home")).header("Prefer", "respond-async");
    let problem = answer(request).await;
    assert_eq!(problem.code(), (503, "store_unavailable"));
    assert!(problem.header("beldi-instance").is_some());
}

#[tokio::test]
async fn overloaded() {
    let served = with_limits(Limits { concurrency: 1, waiting: 0, ..Limits::default() }).await;
    let gate = served.gate_before_writing("counts");
    let running = tokio::spawn(served.post("/count", &json!("home")).send());
    gate.reached().await;
    let problem = served.call("/count", json!("home")).await;
    assert_eq!(problem.code(), (503, "overloaded"));
    assert_eq!(problem.header("retry-after"), Some("1"));
    gate.open();
    assert_eq!(running.await.unwrap().unwrap().status(), 200);
    assert_eq!(served.call("/count", json!("home")).await.body, json!(2));
}

#[tokio::test]
async fn cross_site() {
    let served = serve().await;
    let post = || served.request(Method::POST, "/reset");
    for (header, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
    ] {
        let problem = answer(post().header(header, value)).await;
        assert_eq!(problem.code(), (403, "cross_site"), "{header}: {value}");
    }
    assert_eq!(answer(post().header("Origin", &served.url)).await.status, 200);
    assert_eq!(answer(post().header("Sec-Fetch-Site", "same-origin")).await.status, 200);
}

/// A page whose name was made to point at this machine: browsers take it for the same site.
#[tokio::test]
async fn dns_rebinding() {
    let served = serve().await;
    for method in [Method::GET, Method::POST] {
        for host in ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "192.168.0.7"] {
            let request = served.request(method.clone(), "/instances/k").header("Host", host);
            assert_eq!(answer(request).await.code(), (403, "foreign_host"), "{method} {host}");
        }
    }
    for host in ["localhost", "localhost:7420", "shop.localhost", "127.0.0.1:80", "[::1]:7420"] {
        let request = served.request(Method::GET, "/instances/k").header("Host", host);
        assert_eq!(answer(request).await.code(), (404, "unknown_instance"), "{host}");
    }
}
