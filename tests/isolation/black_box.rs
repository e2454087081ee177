//! The same histories before a checker that knows nothing of beldi.

use adya::{Opts, Valid, Workload};
use serde_json::{Value, json};

use super::history::{History, Kind, Node, reads, writes};
use super::program::Event;

/// Judges a history as strictly serializable; runs that count for nothing are given as readers, so
/// that opacity is judged too.
///
/// # Errors
///
/// The names of the anomalies.
pub(super) fn check(history: &History) -> Result<(), String> {
    let mut lines = Vec::new();
    for (process, node) in history.nodes.iter().enumerate() {
        let end = node.end.unwrap_or(usize::MAX);
        let (invoked, done) = operations(node)?;
        if done.is_empty() {
            continue;
        }
        let ended = if node.kind == Kind::Aborted { "fail" } else { "ok" };
        // At one instant, what ends there comes first: who begins there is after it.
        lines.push((
            node.start,
            1,
            json!({"type": "invoke", "process": process, "value": invoked}),
        ));
        lines.push((end, 0, json!({"type": ended, "process": process, "value": done})));
    }
    // What is in the lists in the end, read by somebody who comes after everybody.
    let last: Vec<Value> =
        history.finals.iter().map(|(key, list)| json!(["r", key, list])).collect();
    let asked: Vec<Value> = history.finals.keys().map(|key| json!(["r", key, null])).collect();
    let process = history.nodes.len();
    lines.sort_by_key(|(time, order, _)| (*time, *order));
    let mut text: String = lines.iter().map(|(.., line)| format!("{line}\n")).collect();
    for line in [
        json!({"type": "invoke", "process": process, "value": asked}),
        json!({"type": "ok", "process": process, "value": last}),
    ] {
        text.push_str(&format!("{line}\n"));
    }
    let parsed = adya::History::from_json(&text).map_err(|error| error.to_string())?;
    let opts = Opts { models: vec!["strict-serializable".into()], ..Opts::default() };
    let report = adya::check(&parsed, Workload::ListAppend, &opts);
    if report.valid == Valid::True || last.is_empty() {
        return Ok(());
    }
    Err(format!("adya: {:?} {:?}", report.anomaly_types, report.anomalies))
}

fn operations(node: &Node) -> Result<(Vec<Value>, Vec<Value>), String> {
    let (mut invoked, mut done) = (Vec::new(), Vec::new());
    for (key, list) in reads(node)? {
        invoked.push(json!(["r", key, null]));
        done.push(json!(["r", key, list]));
    }
    // What was taken back must not be seen by anybody.
    let taken_back = node.events.iter().filter_map(|event| match event {
        Event::Append { key, id } if node.kind == Kind::Aborted => Some((*key, *id)),
        _ => None,
    });
    for (key, id) in writes(node).into_iter().chain(taken_back) {
        invoked.push(json!(["append", key, id]));
        done.push(json!(["append", key, id]));
    }
    Ok((invoked, done))
}
