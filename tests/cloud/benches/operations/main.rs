//! What an operation costs on DynamoDB, beside DynamoDB alone: the original system's microbenchmark.
//!
//! ```sh
//! cargo bench -p cloud --bench operations                # prints a table
//! cargo bench -p cloud --bench operations -- --write     # and puts it into docs/performance.md
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | [`ours`] | the operations in a handler of beldi |
//! | [`raw`] | the same with the SDK |
//! | [`samples`] | times, and what they come to |
//! | [`report`] | the table, and the page of the documentation |

mod ours;
mod raw;
mod report;
mod samples;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use beldi::store::DynamoStore;
use clap::Parser;
use cloud::proxy::Proxy;
use dynamodb::Dynoxide;
use tokio::runtime::Runtime;

use ours::Ours;
use raw::Raw;
use report::{Line, Report};
use samples::Samples;

/// Measures every operation, with beldi and without, one after the other.
#[derive(Debug, Parser)]
struct Args {
    /// How often each operation is measured
    #[arg(long, value_name = "N", default_value_t = 300)]
    rounds: u32,

    /// What a request takes to DynamoDB, in milliseconds, beside what the server takes
    #[arg(long, value_name = "MS", default_value_t = 5)]
    delay: u64,

    /// Write docs/performance.md
    #[arg(long)]
    write: bool,

    /// Cargo says so
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Operation {
    Read,
    Write,
    CondWriteTrue,
    CondWriteFalse,
    Call,
}

impl Operation {
    const ALL: [Self; 5] =
        [Self::Read, Self::Write, Self::CondWriteTrue, Self::CondWriteFalse, Self::Call];
}

/// Older rows that the log of the long key has at the beginning.
const ROWS: u32 = 20;
/// The key that has them.
const LONG: &str = "long";

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Error> = std::result::Result<T, E>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    // What stands for DynamoDB has a thread of its own, as it has machines of its own.
    let elsewhere = Runtime::new()?;
    let server = Dynoxide::in_memory(0);
    let proxy = elsewhere.spawn(Proxy::start(0, server.url())).await??;
    let client = Client::from_conf(dynamodb::config(&proxy.endpoint()).build());
    let store = DynamoStore::new(client.clone(), "bench");
    store.create_table().await?;
    let (ours, raw) = (Ours::open(store)?, Raw::open(client).await?);
    ours.grow_log(LONG, ROWS).await?;
    proxy.delay(Duration::from_millis(args.delay));
    let mut report = Report { delay: args.delay, rounds: args.rounds, lines: Vec::new() };
    for operation in Operation::ALL {
        for is_long in [false, true] {
            report.lines.push(measure(&args, operation, is_long, &ours, &raw, &proxy).await?);
        }
    }
    println!("{report}");
    if args.write {
        report.write()?;
    }
    elsewhere.shutdown_background();
    Ok(())
}

/// One after the other, so that what disturbs one disturbs all.
async fn measure(
    args: &Args,
    operation: Operation,
    is_long: bool,
    ours: &Ours,
    raw: &Raw,
    proxy: &Proxy,
) -> Result<Line> {
    let mut line = Line {
        operation,
        is_long,
        raw: Samples::default(),
        step: Samples::default(),
        request: Samples::default(),
    };
    for round in 0..args.rounds {
        let key = if is_long { LONG.to_owned() } else { format!("{operation:?}-{round}") };
        raw.fill(&key).await?;
        // With one write more in every other round, a head is full at each place equally often.
        if !is_long || round % 2 == 1 {
            ours.fill(&key).await?;
            ours.at_rest(proxy).await;
        }
        let count = || proxy.requests(|_| true);
        let before = count();
        line.raw.add(raw.time(operation, &key).await?, count() - before);
        line.step.add(ours.time_step(operation, &key).await?, 0);
        ours.at_rest(proxy).await;
        let before = count();
        let took = ours.time_request(operation, &key).await?;
        ours.at_rest(proxy).await;
        line.request.add(took, count() - before);
    }
    Ok(line)
}
