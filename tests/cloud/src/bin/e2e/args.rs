//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Books travels over two services that are functions, while their processes are killed, and counts
/// what became of them.
///
/// Exits with 1 if beldi lost, doubled or halved a booking, made or lost money, or left anything
/// locked or unfinished.
#[derive(Debug, Parser)]
#[command(name = "e2e")]
pub(crate) struct Args {
    /// How many bookings to make; beside them there are half as many transfers at the bank
    #[arg(long, value_name = "N", default_value_t = 2000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) bookings: u32,

    /// Draws bookings, transfers and kills [default: another one each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// How many clients book at once; half as many make transfers
    #[arg(long, value_name = "N", default_value_t = 12)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) clients: u16,

    /// The chance that the process of an invocation is killed
    #[arg(long, value_name = "P", default_value_t = 0.1)]
    pub(crate) kill: f64,

    /// Print the results as one line of JSON at the end
    #[arg(long)]
    pub(crate) json: bool,

    /// Keep the database and what the functions print in this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,

    /// Where the programs of the functions are [default: they are built]
    #[arg(long, value_name = "DIR")]
    pub(crate) programs: Option<PathBuf>,

    /// Use the DynamoDB at this URL, in the place of one on a file
    #[arg(long, value_name = "URL")]
    pub(crate) dynamodb: Option<String>,

    /// Use the functions `travel-lambda` and `bank-lambda` at this URL, and kill nothing; their DynamoDB
    /// has to be the one at `--port`
    #[arg(long, value_name = "URL", requires = "port")]
    pub(crate) lambda: Option<String>,

    /// The port of this machine at which DynamoDB is, counted [default: a free one]
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
}

impl Args {
    /// Reads the command line; what is wrong with it ends the process with code 2.
    pub(crate) fn read() -> Self {
        let mut args = Self::parse();
        args.seed.get_or_insert_with(|| fastrand::u64(..1_000_000));
        args
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or_default()
    }
}
