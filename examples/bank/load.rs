//! The transfers, and clients that ask for each until they are answered.

use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, Zipf};
use tokio::time::{Instant, sleep};

use crate::Result;
use crate::service::{NoFunds, Transfer};

/// Accounts have the numbers below this.
pub(crate) const ACCOUNTS: u32 = 10_000;
/// How long a client without an answer waits before it asks again.
const PAUSE: Duration = Duration::from_millis(20);
/// How long it goes on asking.
const PATIENCE: Duration = Duration::from_secs(120);

/// A transfer, what the bank said to it, and when.
pub(crate) struct Answered {
    pub(crate) transfer: Transfer,
    pub(crate) answer: Result<(), NoFunds>,
    pub(crate) took: Duration,
}

/// Everything that was answered, and how long it took in all.
pub(crate) struct Driven {
    pub(crate) answered: Vec<Answered>,
    pub(crate) took: Duration,
}

/// Transfers between accounts of which some are more popular than others.
pub(crate) fn transfers(count: u32, skew: f64, seed: u64) -> Result<Vec<Transfer>> {
    let mut random = StdRng::seed_from_u64(seed);
    let popular = Zipf::new(f64::from(ACCOUNTS), skew)?;
    let mut account = || popular.sample(&mut random) as u32 - 1;
    let mut amounts = fastrand::Rng::with_seed(seed);
    let transfers = (0..count).map(|id| {
        let from = account();
        let mut to = account();
        while to == from {
            to = account();
        }
        Transfer { id, from, to, amount: amounts.i64(1..=30) }
    });
    Ok(transfers.collect())
}

/// Sends all transfers, so many at once, and returns when all are answered. `ask` returns nothing
/// when no answer came.
pub(crate) async fn drive(
    transfers: &[Transfer],
    clients: usize,
    ask: impl AsyncFn(Transfer) -> Option<Result<(), NoFunds>>,
    done: impl Fn(),
) -> Result<Driven> {
    let began = Instant::now();
    let answered = stream::iter(transfers)
        .map(|transfer| until_answered(*transfer, &ask))
        .buffer_unordered(clients)
        .inspect_ok(|_| done())
        .try_collect()
        .await?;
    Ok(Driven { answered, took: began.elapsed() })
}

async fn until_answered(
    transfer: Transfer,
    ask: &impl AsyncFn(Transfer) -> Option<Result<(), NoFunds>>,
) -> Result<Answered> {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask(transfer).await {
            return Ok(Answered { transfer, answer, took: began.elapsed() });
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("transfer {} was not answered in {PATIENCE:?}", transfer.id).into());
        }
        sleep(PAUSE).await;
    }
}
