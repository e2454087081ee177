//! One span a request, and nothing in it that was in a body.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tracing::Level;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use crate::served::{answer, serve};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// Keeps every line of beldi's on this thread, as long as the guard lives.
    fn kept() -> (Self, DefaultGuard) {
        let lines = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(Level::TRACE)
            .with_writer(lines.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The spans of all requests that were answered.
    fn answered(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .filter(|line| line["fields"]["message"] == "answered")
            .map(|line| line["span"].clone())
            .collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_request_is_a_span_with_its_key_and_status() {
    let (lines, _guard) = Lines::kept();
    let served = serve().await;
    answer(served.post("/count", &json!("home")).header("Idempotency-Key", "k")).await;
    served.get("/nowhere/at/all").await;
    let call = json!({
        "name": "request", "method": "POST", "path": "/count", "key": "k", "status": 200,
    });
    let miss = json!({
        "name": "request", "method": "GET", "path": "/nowhere/at/all", "status": 404,
    });
    assert_eq!(lines.answered(), [call, miss]);
}

#[tokio::test]
async fn nothing_of_a_body_is_logged() {
    let (lines, _guard) = Lines::kept();
    let served = serve().await;
    served.call("/echo", json!({ "card": "4000-0000-canary" })).await;
    served.call("/count", json!({ "card": "4000-0000-canary" })).await;
    served.call("/count?card=4000-0000-canary", json!("home")).await;
    assert_eq!(lines.answered().len(), 3);
    let text = lines.text();
    let beldis: Vec<_> = text.lines().filter(|line| line.contains("beldi")).collect();
    assert!(!beldis.concat().contains("canary"), "{beldis:#?}");
}
