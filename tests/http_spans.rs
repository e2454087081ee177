//! One span a request of the HTTP front, and nothing in the logs that was in a body.
//!
//! A program of its own: a thread without a subscriber would switch call sites off for all.

mod common;

use beldi::App;
use beldi::store::MemoryStore;
use common::Lines;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tracing::Level;

#[beldi::ssf]
async fn echo(anything: Value) -> Value {
    anything
}

/// Serves for as long as the runtime lives; gives a request of a path.
async fn serve() -> impl Fn(&str) -> RequestBuilder {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let host = App::new("travel").ssf(echo).open(MemoryStore::new()).unwrap();
    tokio::spawn(host.serve_on(listener, std::future::pending()));
    let client = Client::builder().no_proxy().build().unwrap();
    move |path| client.post(format!("http://{address}{path}"))
}

/// The spans of all requests that were answered.
fn answered(lines: &Lines) -> Vec<Value> {
    let answered = lines.parsed().into_iter();
    let answered = answered.filter(|line| line["fields"]["message"] == "answered");
    answered.map(|line| line["span"].clone()).collect()
}

#[tokio::test]
async fn a_request_is_a_span_with_its_key_and_status() {
    let (lines, _guard) = Lines::kept(Level::TRACE);
    let post = serve().await;
    post("/echo").header("Idempotency-Key", "k").json(&1).send().await.unwrap();
    post("/nowhere/at/all").send().await.unwrap();
    let call = json!({
        "name": "request", "method": "POST", "path": "/echo", "key": "k", "status": 200,
    });
    let miss = json!({
        "name": "request", "method": "POST", "path": "/nowhere/at/all", "status": 404,
    });
    assert_eq!(answered(&lines), [call, miss]);
}

#[tokio::test]
async fn nothing_of_a_body_or_query_is_logged() {
    let (lines, _guard) = Lines::kept(Level::TRACE);
    let post = serve().await;
    let secret = json!({ "card": "4000-0000-canary" });
    post("/echo").json(&secret).send().await.unwrap();
    post("/echo").body(secret.to_string()).send().await.unwrap();
    post("/echo").body("4000-0000-canary").send().await.unwrap();
    post("/echo?card=4000-0000-canary").json(&1).send().await.unwrap();
    assert_eq!(answered(&lines).len(), 4);
    let text = lines.text();
    let beldis: Vec<_> = text.lines().filter(|line| line.contains("beldi")).collect();
    assert!(!beldis.concat().contains("canary"), "{beldis:#?}");
}
