//! What each operation may cost, held exactly (design, section 5): sequential round trips, and the
//! requests behind them.

#[path = "../examples/costs/measure.rs"]
mod measure;

use measure::Costs;

#[test]
fn operations_cost_what_they_may() {
    let limits = Costs {
        get: 1,
        put: 1,
        delete: 1,
        put_when_true: 1,
        put_when_false: 2,
        update: 2,
        call: 0,
        send: 1,
        root_start: 1,
        root_finish: 0,
        read_only_tree_of_5: 5,
        // The journal in one query beside the claim, and the put after the last slot once more.
        replay_of_100_steps: 2,
    };
    assert_eq!(measure::measure(), limits);
}

/// Blind writes log nothing, but a replay of very many must not issue all of them again.
#[test]
fn a_replay_of_a_thousand_blind_writes_is_short() {
    let replayed = measure::replay_of_blind_writes();
    assert!(replayed <= 2 + 64, "{replayed} round trips");
}
