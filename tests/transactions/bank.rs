//! A bank: transfers between accounts, alone and nested, in one SSF and across several.

use beldi::testing::{Fault, RequestKind, World, explore, in_virtual_time, seeds};
use beldi::{App, Table};
use serde::{Deserialize, Serialize};

use super::{answered, assert_unlocked};

const ACCOUNTS: Table<str, u64> = Table::new("accounts");
const LEDGER: Table<str, u64> = Table::new("ledger");

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Transfer {
    from: String,
    to: String,
    amount: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct NoFunds;

#[beldi::ssf]
async fn withdraw((account, amount): (String, u64)) -> Result<u64, NoFunds> {
    let balance = ACCOUNTS.get(&account).await.unwrap_or(0);
    let left = balance.checked_sub(amount).ok_or(NoFunds)?;
    ACCOUNTS.put(&account, &left).await;
    Ok(left)
}

#[beldi::ssf]
async fn deposit((account, amount): (String, u64)) {
    ACCOUNTS.update(&account, |balance| *balance = Some(balance.unwrap_or(0) + amount)).await;
}

#[beldi::ssf]
async fn book(account: String) {
    LEDGER.update(&account, |entries| *entries = Some(entries.unwrap_or(0) + 1)).await;
}

/// Takes the money first, so that an abort has something to take back.
#[beldi::ssf]
async fn transfer(transfer: Transfer) -> Result<u64, NoFunds> {
    beldi::txn(async {
        let Transfer { from, to, amount } = transfer;
        deposit((to, amount)).await;
        let left = withdraw((from.clone(), amount)).await?;
        book(from).send().await;
        Ok(left)
    })
    .await
}

fn bank() -> App {
    App::new("bank").ssf(withdraw).ssf(deposit).ssf(book).ssf(transfer)
}

fn world() -> World {
    World::new(bank()).row(ACCOUNTS, "ann", &10).row(ACCOUNTS, "ben", &5)
}

fn of(from: &str, to: &str, amount: u64) -> Transfer {
    Transfer { from: from.into(), to: to.into(), amount }
}

/// One transfer that goes through and one that does not.
async fn two_transfers(world: &World) -> (Result<u64, NoFunds>, Result<u64, NoFunds>) {
    let ask = async |key: &str, amount| {
        answered(async || world.call(transfer(of("ann", "ben", amount))).key(key).await).await
    };
    (ask("one", 3).await, ask("two", 30).await)
}

fn check(world: &World, outcome: (Result<u64, NoFunds>, Result<u64, NoFunds>)) {
    assert_eq!(outcome, (Ok(7), Err(NoFunds)));
    assert_eq!(world.peek(ACCOUNTS, "ann"), Some(7));
    assert_eq!(world.peek(ACCOUNTS, "ben"), Some(8));
    assert_eq!(world.peek(LEDGER, "ann"), Some(1), "a send begins with the commit, once");
    assert_unlocked(world);
}

#[test]
fn a_transfer_happens_whole_or_not_at_all() {
    in_virtual_time(async {
        let world = world();
        let outcome = two_transfers(&world).await;
        world.settle().await.unwrap();
        check(&world, outcome);
    });
}

#[test]
fn a_crash_at_every_request_loses_nothing() {
    let visited = World::crash_everywhere(world, two_transfers, check);
    println!("{visited}");
}

#[test]
fn a_second_attempt_at_every_request_changes_nothing() {
    let visited = World::second_attempt_everywhere(world, two_transfers, check);
    println!("{visited}");
}

#[test]
fn random_schedules_conserve_the_money() {
    let explored = explore(seeds(300), world, two_transfers, check);
    println!("{explored}");
}

/// All pairs would be too many; these are the same in each run.
#[test]
fn sampled_pairs_of_crashes_lose_nothing() {
    let crashes = [Fault::CrashBefore, Fault::CrashAfter, Fault::LoseReply];
    for seed in 0..150_u64 {
        let mut pick = fastrand::Rng::with_seed(seed);
        let plan =
            [(); 2].map(|()| (pick.u32(1..=25), crashes[pick.usize(0..crashes.len())].clone()));
        println!("seed {seed}: {plan:?}");
        in_virtual_time(async {
            let world = world();
            disturb_in_turn(&world, plan);
            let outcome = until_a_host_lives(&world).await;
            world.new_host().settle().await.unwrap();
            check(&world, outcome);
        });
    }
}

/// The n-th request meets the first fault; then, counted from there, another the second.
fn disturb_in_turn(world: &World, plan: [(u32, Fault); 2]) {
    let (mut seen, mut plan) = (0, plan.into_iter().peekable());
    world.store().script(move |request| {
        seen += u32::from(request.kind != RequestKind::Due);
        match plan.next_if(|(n, _)| *n == seen) {
            Some((_, fault)) if request.kind != RequestKind::Due => {
                seen = 0;
                fault
            }
            _ => Fault::None,
        }
    });
}

/// After each crash the client asks again, beside the collector.
async fn until_a_host_lives(world: &World) -> (Result<u64, NoFunds>, Result<u64, NoFunds>) {
    loop {
        let host = world.new_host();
        let work = async {
            let (outcome, settled) = tokio::join!(two_transfers(&host), host.settle());
            settled.unwrap();
            host.settle().await.unwrap();
            outcome
        };
        tokio::select! {
            outcome = work => return outcome,
            () = host.store().died() => {}
        }
    }
}
