//! A bank under fire: transfers between popular accounts from many clients, while attempts crash at
//! random points. Then the money, every entry and every lock is counted.
//!
//! ```sh
//! cargo run --release --example bank
//! cargo run --release --example bank -- --compare
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | [`service`] | the application: this is what a user of beldi writes |
//! | [`load`] | the transfers, and the clients that ask until they are answered |
//! | [`fire`] | the run in which attempts crash |
//! | [`faults`] | what goes wrong, and how it is counted: as in the travel example |
//! | [`aborts`] | counts the tries that the engine aborts |
//! | [`audit`] | what is on the accounts, against what was answered |
//! | [`report`] | the table and the JSON |
//! | [`compare`] | the same load on other ways to do it, in virtual time |
//! | [`args`] | the command line |

mod aborts;
mod args;
mod audit;
mod compare;
#[path = "../travel/faults.rs"]
#[allow(dead_code, reason = "nothing is killed here")]
mod faults;
mod fire;
mod load;
mod report;
#[allow(unreachable_pub, reason = "tests include this file as well")]
mod service;

use std::process::ExitCode;

use aborts::Aborts;
use args::Args;
use tokio::runtime::Runtime;
use tracing_subscriber::layer::SubscriberExt;

/// Whatever ends the run: it is shown, never matched on.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Error> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let args = Args::read();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bank: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Tells whether beldi lost, doubled and kept nothing.
fn run(args: &Args) -> Result<bool> {
    let aborts = Aborts::default();
    let telling = tracing_subscriber::registry().with(aborts.clone());
    tracing::subscriber::set_global_default(telling)?;
    if args.compare {
        return compare::run(args, &aborts);
    }
    let report = Runtime::new()?.block_on(fire::run(args, &aborts))?;
    print!("{report}");
    if args.json {
        println!("{}", report.json());
    }
    Ok(report.is_exact())
}
