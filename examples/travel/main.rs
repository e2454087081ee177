//! The travel service under fire: thousands of bookings from many clients, while attempts crash at
//! random points and the server is killed and started again. Then every room, seat and confirmation
//! is counted, and the same is done without beldi.
//!
//! ```sh
//! cargo run --release --example travel
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | [`service`] | the application: this is what a user of beldi writes |
//! | [`server`] | a process that serves it, and the parent's hold on that process |
//! | [`client`] | a booking over HTTP |
//! | [`raw`] | the same application straight on the store, with plain retries |
//! | [`load`] | the bookings, and the clients that ask until they are answered |
//! | [`faults`] | what goes wrong, and how it is counted |
//! | [`audit`] | what was taken and sent, against what was answered |
//! | [`report`] | the table and the JSON |
//! | [`args`] | the command line |

mod args;
mod audit;
mod client;
mod faults;
mod load;
mod raw;
mod report;
mod server;
#[allow(unreachable_pub, reason = "tests include this file as well")]
mod service;

use std::path::Path;
use std::process::ExitCode;

use args::Args;
use load::Load;
use report::{Report, Side};
use tokio::time::Instant;

/// Whatever ends the run: it is shown, never matched on.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Error> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::read();
    let ended = match &args.serve {
        Some(database) => server::child(database, args.seed()).await.map(|()| true),
        None => tokio::select! {
            ended = run(&args) => ended,
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        },
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("travel: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Both runs and the report; tells whether beldi lost and doubled nothing.
async fn run(args: &Args) -> Result<bool> {
    let started = Instant::now();
    let folder = args.folder()?;
    let load = Load::new(args.bookings, args.seed());
    let beldi = on_beldi(&load, &folder.path().join("beldi.db")).await?;
    let raw = on_raw_store(&load, &folder.path().join("raw.db")).await?;
    let report = Report { load: &load, beldi, raw, seconds: started.elapsed().as_secs_f64() };
    print!("{report}");
    if args.json {
        println!("{}", report.json());
    }
    Ok(report.is_exact())
}

async fn on_beldi(load: &Load, database: &Path) -> Result<Side> {
    audit::open_business(load, database).await?;
    let server = server::Server::start(database, load.seed).await?;
    let client = client::Client::new(server)?;
    let answers = load.drive("beldi", &client).await?;
    let tally = client.server.stop().await?;
    let (audit, attempts) = audit::of_beldi(load, &answers, database).await?;
    Ok(Side::new(&answers, audit, Some(attempts), tally))
}

async fn on_raw_store(load: &Load, database: &Path) -> Result<Side> {
    let raw = raw::Raw::open(load, database).await?;
    let answers = load.drive("raw store", &raw).await?;
    let (audit, tally) = raw.audit(load, &answers).await?;
    Ok(Side::new(&answers, audit, None, tally))
}
