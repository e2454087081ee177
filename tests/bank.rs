//! The transfer of the bank example, disturbed at every store request: money is neither made nor
//! lost, every entry is there once, and no lock is left.

#[path = "../examples/bank/service.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, missing_debug_implementations)]
mod service;

use beldi::testing::{World, explore};
use service::{ACCOUNTS, Account, Entry, NoFunds, OPENING, Transfer, app, transfer};

const ANN: u32 = 1;
const BEN: u32 = 2;

type Outcome = (Result<(), NoFunds>, Result<(), NoFunds>);

/// One transfer that goes through, and one back that does not.
async fn two_transfers(world: &World) -> Outcome {
    let there = Transfer { id: 1, from: ANN, to: BEN, amount: 30 };
    let back = Transfer { id: 2, from: BEN, to: ANN, amount: OPENING + 31 };
    let first = world.call(transfer(there)).key("there").await.unwrap();
    (first, world.call(transfer(back)).key("back").await.unwrap())
}

fn check(world: &World, outcome: Outcome) {
    assert_eq!(outcome, (Ok(()), Err(NoFunds)));
    for (account, amount) in [(ANN, -30), (BEN, 30)] {
        let entries = vec![Entry { transfer: 1, amount }];
        let expected = Account { balance: OPENING + amount, entries };
        assert_eq!(world.peek(ACCOUNTS, &account), Some(expected));
    }
    let locked = world.stored().into_iter().filter(|(_, row)| row.get("l").is_some()).count();
    assert_eq!(locked, 0, "locks are left");
}

fn world() -> World {
    World::new(app())
}

#[test]
fn money_is_conserved_whatever_crashes() {
    println!("crash: {}", World::crash_everywhere(world, two_transfers, check));
    println!("second: {}", World::second_attempt_everywhere(world, two_transfers, check));
    println!("{}", explore(0..50, world, two_transfers, check));
}
