//! The tool itself: a schedule that cannot be repeated proves nothing.

use std::cell::RefCell;

use beldi::testing::{World, explore};

use crate::calls::stamp_then_write;
use crate::rows::count_up;
use crate::world;

/// Everything that is stored in the end, run nonces, epochs and all, and when that was.
fn final_states() -> Vec<String> {
    let states = RefCell::new(Vec::new());
    explore(
        0..30,
        || world(&[("x", 1), ("y", 1)]),
        async |world| {
            let reply = world.call(stamp_then_write()).await.unwrap();
            (reply, world.call(count_up()).await.unwrap())
        },
        |world: &World, outcome| {
            let state = format!("{outcome:?} {} {:?}", world.now(), world.stored());
            states.borrow_mut().push(state);
        },
    );
    states.into_inner()
}

#[test]
fn the_simulator_repeats_itself() {
    assert_eq!(final_states(), final_states());
}
