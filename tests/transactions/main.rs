//! Transactions under crashes, second attempts, and lost, doubled and late requests: all or nothing,
//! money conserved, no lock left.

mod bank;
mod federation;

use beldi::testing::World;

/// No row is locked.
#[track_caller]
fn assert_unlocked(world: &World) {
    let locked: Vec<_> =
        world.stored().into_iter().filter(|(_, row)| row.get("l").is_some()).collect();
    assert!(locked.is_empty(), "locks are left: {locked:?}");
}
