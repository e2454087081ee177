//! What garbage collection is for: the same load for an hour of virtual time, with the garbage
//! collector and without, and what is stored and what a request costs as time goes by.
//!
//! ```sh
//! cargo run --release --example storage
//! ```
//!
//! It prints both in tenths of the time, draws `docs/storage.svg`, and fails if with the collector the
//! last tenth costs or stores over 10 % more than the first. Before the first tenth the load runs for
//! a [`WARM_UP`](run::WARM_UP), in which the oldest garbage comes to the end of its time: from then on
//! as much goes as comes. Every store request takes one millisecond, so the milliseconds of a request
//! are its sequential round trips.
//!
//! | file | what is in it |
//! |---|---|
//! | [`service`] | the application: a hot key, cold keys, and keys that come and go |
//! | [`load`] | which requests come, and when |
//! | [`run`] | one run of the load in virtual time, sampled |
//! | [`bytes`] | what the stored bytes are there for |
//! | [`report`] | the tables, the ratios and the JSON |
//! | [`plot`] | the picture |
//! | [`args`] | the command line |

mod args;
mod bytes;
mod load;
mod plot;
mod report;
mod run;
mod service;

use std::process::ExitCode;

use args::Args;
use indicatif::{ProgressBar, ProgressStyle};
use report::Report;
use run::Collector;

/// Whatever ends the run: it is shown, never matched on.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Error> = std::result::Result<T, E>;

fn main() -> ExitCode {
    match run(&Args::read()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("storage: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Fails unless everything stays as it is with the collector.
fn run(args: &Args) -> Result<()> {
    let bar = bar(2 * load::times(args).len());
    let with = run::run(args, Collector::Runs, &bar)?;
    let without = run::run(args, Collector::Never, &bar)?;
    bar.finish_and_clear();
    let report = Report { args, with, without };
    plot::draw(&report, args.plot())?;
    if args.json {
        println!("{}", report.json());
    } else {
        print!("{report}");
    }
    report.check()
}

/// A bar on standard error; none where nobody watches.
fn bar(requests: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} requests {elapsed}");
    ProgressBar::new(requests as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
