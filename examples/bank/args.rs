//! The command line.

use clap::Parser;

/// Transfers money between accounts while everything crashes, and counts what became of it.
///
/// Serves a bank on the embedded store, drives transfers at it from many clients, crashes attempts
/// at random points, and then audits the accounts. Exits with 1 if money was created or lost, a
/// transfer was applied twice or not at all, or a lock is left.
#[derive(Debug, Parser)]
#[command(name = "bank")]
pub(crate) struct Args {
    /// How many transfers to make
    #[arg(long, value_name = "N", default_value_t = 2000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) transfers: u32,

    /// How many of them run at once
    #[arg(long, value_name = "N", default_value_t = 64)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) clients: u16,

    /// How uneven the choice of accounts is: the exponent of a Zipf distribution, 0 to 0.99
    #[arg(long, value_name = "S", default_value_t = 0.5, value_parser = skew)]
    pub(crate) skew: f64,

    /// Draws the transfers and crashes [default: another one each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Print the results as one line of JSON at the end
    #[arg(long, conflicts_with = "compare")]
    pub(crate) json: bool,

    /// Compare beldi with the raw store and with locks that nobody waits for, in virtual time
    #[arg(long, conflicts_with = "skew")]
    pub(crate) compare: bool,
}

impl Args {
    /// Reads the command line; what is wrong with it ends the process with code 2.
    pub(crate) fn read() -> Self {
        let mut args = Self::parse();
        // A comparison is the same each time.
        let any = if args.compare { 1 } else { fastrand::u64(..1_000_000) };
        args.seed.get_or_insert(any);
        args
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or_default()
    }
}

fn skew(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(skew) if (0.0..=0.99).contains(&skew) => Ok(skew),
        _ => Err("a number from 0 to 0.99".to_owned()),
    }
}
