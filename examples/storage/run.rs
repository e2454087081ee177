//! One run of the load in virtual time, with the garbage collector beside it or without.

use std::time::Duration;

use beldi::testing::{World, in_virtual_time};
use indicatif::ProgressBar;
use tokio::time::{Instant, interval, sleep_until};

use crate::Result;
use crate::args::Args;
use crate::bytes::Bytes;
use crate::load::{self, Load};
use crate::service;

/// How long the load runs before anything counts. By then the first drafts, the longest to go, have
/// been put, deleted, collected (a lag later) and forgotten (a redelivery window and a lag later).
pub(crate) const WARM_UP: Duration = Duration::from_secs(5 * 60);
/// So many samples are taken in each tenth of what counts.
pub(crate) const SAMPLES_IN_A_TENTH: u32 = 6;
/// How often the garbage collector runs.
const EVERY: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Collector {
    Runs,
    Never,
}

/// The load since the sample before, and what is stored now.
pub(crate) struct Sample {
    /// Since the warm-up was over; before, it is negative.
    pub(crate) minutes: f64,
    /// Sequential round trips of a request, up to its reply: the mean.
    pub(crate) cost: f64,
    /// Store requests, those after the reply and the collector's among them, for each request.
    pub(crate) store_requests: f64,
    pub(crate) bytes: Bytes,
}

/// Runs the load to its end.
pub(crate) fn run(args: &Args, collector: Collector, bar: &ProgressBar) -> Result<Vec<Sample>> {
    in_virtual_time(async {
        let world = service::world();
        tokio::select! {
            biased; // A sample is taken just before the collector runs.
            samples = drive(args, &world, bar) => samples,
            Err(error) = collect(&world), if collector == Collector::Runs => Err(error),
        }
    })
}

/// Nothing crashes here, so nothing ever has to be begun again: no other collector is needed.
async fn collect(world: &World) -> Result<()> {
    let mut timer = interval(EVERY);
    loop {
        timer.tick().await;
        world.collect_garbage().await?;
    }
}

/// Makes the requests, and takes samples at even intervals, in the warm-up too.
async fn drive(args: &Args, world: &World, bar: &ProgressBar) -> Result<Vec<Sample>> {
    let between = load::time(args) / (10 * SAMPLES_IN_A_TENTH);
    let ends = (1..).map(|count| between * count);
    let mut comes = load::times(args).peekable();
    let (mut load, mut samples) = (Load::new(args.seed), Vec::new());
    let began = Instant::now();
    for end in ends.take_while(|end| *end <= WARM_UP + load::time(args)) {
        let (mut asked, mut cost, counted) = (0, Duration::ZERO, requests(world));
        while let Some(at) = comes.next_if(|at| *at < end) {
            sleep_until(began + at).await;
            let before = Instant::now();
            load.ask(world).await?;
            cost += before.elapsed();
            asked += 1;
            bar.inc(1);
        }
        sleep_until(began + end).await;
        samples.push(Sample {
            minutes: (end.as_secs_f64() - WARM_UP.as_secs_f64()) / 60.0,
            cost: cost.as_secs_f64() * 1000.0 / f64::from(asked),
            store_requests: (requests(world) - counted) as f64 / f64::from(asked),
            bytes: Bytes::of(&world.stored()),
        });
    }
    Ok(samples)
}

/// All store requests so far.
fn requests(world: &World) -> u64 {
    let counts = world.store().counts();
    counts.total() + counts.dues
}
