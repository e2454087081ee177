//! dynoxide as a process: prints its address on one line and serves until it is killed.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Parser;
use dynamodb::Dynoxide;

/// A DynamoDB on this machine, for tests.
#[derive(Parser)]
struct Args {
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Keeps everything in this file; without it, everything goes with the process.
    #[arg(long)]
    file: Option<PathBuf>,
}

fn main() {
    let args = Args::parse();
    let server = match args.file {
        Some(file) => Dynoxide::on_file(file, args.port),
        None => Dynoxide::in_memory(args.port),
    };
    let mut out = std::io::stdout();
    writeln!(out, "{}", server.url()).and_then(|()| out.flush()).expect("somebody reads");
    server.join();
}
