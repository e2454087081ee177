//! What each operation costs in sequential store round trips, counted, beside the raw store and
//! the original Beldi: `cargo run --example costs`, with `--json` as one JSON object.

mod measure;
mod transactions;

use comfy_table::{Table, presets};
use measure::Costs;
use serde::Serialize;
use transactions::TransactionCosts;

/// One object: the costs of operations, and under `transactions` theirs.
#[derive(Serialize)]
struct All {
    #[serde(flatten)]
    operations: Costs,
    transactions: TransactionCosts,
}

fn main() {
    let costs = All { operations: measure::measure(), transactions: transactions::measure() };
    if std::env::args().skip(1).any(|argument| argument == "--json") {
        println!("{}", serde_json::to_string(&costs).expect("numbers are JSON"));
    } else {
        println!("{}", table(&costs));
    }
}

fn table(All { operations: costs, transactions: txn }: &All) -> Table {
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
        ("lock, giving the value", "-", "5", txn.lock),
        ("transaction of 2 items", "4", "31", txn.of_2_items),
        ("transaction of 2 items in 2 callees", "4", "65", txn.of_2_callees),
        ("  and from the reply until all is unlocked", "-", "-", txn.until_unlocked),
        ("transaction of 1 item in another service", "2", "37", txn.of_1_item_elsewhere),
        ("snapshot of 2 items", "-", "-", txn.snapshot_of_2_items),
        ("get of an item with a decided lock", "-", "-", txn.get_of_a_locked_item),
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
