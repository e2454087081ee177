//! What each operation costs in sequential store round trips, counted, beside the raw store and
//! the original Beldi: `cargo run --example costs`, with `--json` as one JSON object.

mod measure;

use comfy_table::{Table, presets};
use measure::Costs;

fn main() {
    let costs = measure::measure();
    if std::env::args().skip(1).any(|argument| argument == "--json") {
        println!("{}", serde_json::to_string(&costs).expect("numbers are JSON"));
    } else {
        println!("{}", table(&costs));
    }
}

fn table(costs: &Costs) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["operation", "raw store", "original Beldi", "beldi"]);
    let rows = [
        ("get", "1", "3", costs.get),
        ("put", "1", "2-3", costs.put),
        ("delete", "1", "2-3", costs.delete),
        ("put when, true", "1", "2", costs.put_when_true),
        ("put when, false", "1", "3", costs.put_when_false),
        ("update", "2", "5", costs.update),
        ("call inside the service", "0", "4", costs.call),
        ("send", "0", "3", costs.send),
        ("root start (blind write first)", "0", "1", costs.root_start),
        ("root finish (write last)", "0", "1", costs.root_finish),
        ("read-only tree of 5 reads", "5", "25", costs.read_only_tree_of_5),
        ("replay of 100 steps", "-", "100", costs.replay_of_100_steps),
    ];
    for (operation, raw, original, ours) in rows {
        table.add_row([operation, raw, original, &ours.to_string()]);
    }
    table
}
