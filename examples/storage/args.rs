//! The command line.

use std::path::{Path, PathBuf};

use clap::Parser;

/// Runs the same load with the garbage collector and without, and compares what is stored.
///
/// Prints in tenths of the time what a request costs and what is stored, and draws both. Exits with 1
/// if with the collector the last tenth costs or stores over 10 % more than the first.
#[derive(Debug, Parser)]
#[command(name = "storage")]
pub(crate) struct Args {
    /// For how long the load runs, in minutes of virtual time, after five that do not count
    #[arg(long, value_name = "N", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u32).range(10..=600))]
    pub(crate) minutes: u32,

    /// How many requests come in a second
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(5..=50))]
    pub(crate) rate: u32,

    /// Draws the requests
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Draw the picture here [default: docs/storage.svg of this repository]
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,

    /// Print the ratios as one line of JSON instead of the tables
    #[arg(long)]
    pub(crate) json: bool,
}

impl Args {
    /// Reads the command line; what is wrong with it ends the process with code 2.
    pub(crate) fn read() -> Self {
        Self::parse()
    }

    pub(crate) fn plot(&self) -> &Path {
        let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/storage.svg");
        self.plot.as_deref().unwrap_or(Path::new(committed))
    }
}
