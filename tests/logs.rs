//! Logs: every line of a handler tells whose it is, and none appears twice because of a replay.

mod common;

use beldi::testing::{Fault, World, in_virtual_time};
use beldi::{App, Table};
use common::Lines;
use serde_json::Value;
use tracing::info;

const COUNTS: Table<str, u64> = Table::new("counts");

#[beldi::ssf]
async fn talk(name: String) -> u64 {
    info!("begun");
    let count = COUNTS.get(&name).await.unwrap_or(0);
    info!(count, "read");
    COUNTS.put(&name, &(count + 1)).await;
    info!("written");
    let (left, right) = beldi::join(
        async {
            info!("left");
            COUNTS.get("left").await.unwrap_or(0)
        },
        async {
            info!("right");
            inner().await
        },
    )
    .await;
    info!("joined");
    COUNTS.put("sum", &(left + right)).await;
    info!("ended");
    left + right
}

#[beldi::ssf]
async fn inner() -> u64 {
    info!("inside");
    COUNTS.get("right").await.unwrap_or(0)
}

/// The lines of the handlers in a run whose n-th request kills the host.
fn lines(crash_at: u64) -> Vec<Value> {
    let (lines, _guard) = Lines::kept(tracing::Level::INFO);
    in_virtual_time(async {
        let world = World::new(App::new("test").ssf(talk).ssf(inner));
        let mut request = 0;
        world.store().script(move |_| {
            request += 1;
            if request == crash_at { Fault::CrashAfter } else { Fault::None }
        });
        tokio::select! {
            _ = async { world.call(talk("a".into())).key("k").await } => {}
            () = world.store().died() => world.new_host().settle().await.unwrap(),
        }
    });
    lines.parsed().into_iter().filter(|line| line["target"] == "logs").collect()
}

fn messages(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["fields"]["message"].as_str().unwrap()).collect()
}

const ALL: [&str; 8] = ["begun", "read", "written", "left", "right", "inside", "joined", "ended"];

#[test]
fn every_line_names_instance_ssf_step_and_attempt() {
    let lines = lines(u64::MAX);
    assert_eq!(messages(&lines), ALL);
    let span = |message: &str| {
        let line = lines.iter().find(|line| line["fields"]["message"] == message).unwrap();
        let span = &line["span"];
        ["ssf", "instance", "step", "attempt"].map(|field| match &span[field] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    };
    assert_eq!(span("begun"), ["talk", "k", "", "1"]);
    assert_eq!(span("read"), ["talk", "k", "0", "1"]);
    assert_eq!(span("written"), ["talk", "k", "1", "1"]);
    assert_eq!(span("left"), ["talk", "k", "2.0", "1"]);
    assert_eq!(span("inside"), ["inner", "k", "", "1"]);
    assert_eq!(span("ended"), ["talk", "k", "3", "1"]);
}

/// What a slot shows to have run is not said again. Lines after the last slot may be: nobody can
/// know whether they were said before the crash.
#[test]
fn a_replay_says_nothing_again() {
    // Requests: get, intent with slot 0, put, two gets, slot 1, put, finish.
    for crash_at in 2..=8 {
        let lines = lines(crash_at);
        let messages = messages(&lines);
        let logged = if crash_at < 6 { &ALL[..2] } else { &ALL[..5] };
        for once in logged {
            let said = messages.iter().filter(|message| *message == once).count();
            assert_eq!(said, 1, "`{once}` after a crash at {crash_at}: {messages:?}");
        }
        assert_eq!(messages.last(), Some(&"ended"), "the replay goes on aloud: {messages:?}");
    }
}
