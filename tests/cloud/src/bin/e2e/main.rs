//! End to end, with real processes: a travel agency and a bank as functions of their own, each with a
//! table of its own, calling each other, while their processes are killed. Then every room, seat,
//! confirmation, coin and statement is counted in the tables, and
//! the bookings, without the bank, are done without beldi.
//!
//! ```sh
//! cargo run --release -p cloud --bin e2e
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | [`stage`] | everything that runs: DynamoDB, the proxy, the functions and their schedules |
//! | [`build`] | the programs of the functions |
//! | [`load`] | what is bought and transferred, and clients that ask until they are answered |
//! | [`client`] | a question to a function |
//! | [`tables`] | what is in a table, as it is stored |
//! | [`audit`] | that, against what was answered |
//! | [`report`] | the table and the JSON |
//! | [`args`] | the command line |

mod args;
mod audit;
mod build;
mod client;
mod load;
mod report;
mod stage;
mod tables;

use std::process::ExitCode;

use args::Args;
use audit::Audit;
use build::{BANK, RAW, TRAVEL};
use client::Client;
use load::Load;
use report::{Report, Side};
use stage::{BANK_TABLE, RAW_TABLE, Stage, TRAVEL_TABLE};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Whatever ends the run: it is shown, never matched on.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Error> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::read();
    // What the host of the functions tells, for whoever asks with RUST_LOG.
    let levels = std::env::var("RUST_LOG").ok().and_then(|levels| levels.parse::<Targets>().ok());
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(levels.unwrap_or_default()).with(lines).init();
    let ended = tokio::select! {
        ended = run(&args) => ended,
        Err(error) = interrupted() => Err(error),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("e2e: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whoever ends the program by a signal wants the functions' processes to end with it.
async fn interrupted() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    Err("interrupted".into())
}

/// Tells whether beldi lost, doubled, halved and kept nothing.
async fn run(args: &Args) -> Result<bool> {
    let load = Load::new(args.bookings, args.clients, args.seed());
    let stage = Stage::start(args).await?;
    let started = Instant::now();
    let client = Client::new(&stage.lambda_url());
    let beldi = on_beldi(&stage, &client, &load).await?;
    let raw = if stage.kills() { Some(on_raw_store(&stage, &client, &load).await?) } else { None };
    if stage.trespasses() > 0 {
        return Err("a function asked for the table of another".into());
    }
    let report = Report { load: &load, beldi, raw, seconds: started.elapsed().as_secs_f64() };
    print!("{report}");
    if args.json {
        println!("{}", report.json());
    }
    Ok(report.is_exact())
}

async fn on_beldi(stage: &Stage, client: &Client, load: &Load) -> Result<Side> {
    load.open_business(client, TRAVEL).await?;
    let before = stage.requests(&[TRAVEL_TABLE, BANK_TABLE]);
    stage.begin_to_kill(load.seed);
    let answered = load.drive(client).await?;
    stage.end_to_kill();
    let requests = stage.requests(&[TRAVEL_TABLE, BANK_TABLE]) - before;
    let [travel, bank] = stage.settled().await?;
    let audit = Audit::new(load, &answered, &travel, Some(&bank))?;
    let counts = stage.counts(&[TRAVEL, BANK]);
    Ok(Side { answered, audit, requests, callbacks: stage.callbacks(), counts })
}

async fn on_raw_store(stage: &Stage, client: &Client, load: &Load) -> Result<Side> {
    load.open_business(client, RAW).await?;
    let before = stage.requests(&[RAW_TABLE]);
    stage.begin_to_kill(load.seed);
    let answered = load.drive_raw(client).await?;
    stage.end_to_kill();
    let requests = stage.requests(&[RAW_TABLE]) - before;
    let audit = Audit::new(load, &answered, &stage.rows(RAW_TABLE).await?, None)?;
    Ok(Side { answered, audit, requests, callbacks: 0, counts: stage.counts(&[RAW]) })
}
