//! The bank as a function: the bank example's service, and statements of what was paid.
//!
//! ```text
//! issue_statement ─┬─ print  (outside; some wait for the printer)
//!                  └─ put    (under a number of its own)
//! ```
//!
//! One of [`QUEUED`] takes longer than the bank lets anybody wait: whoever called for it is told so when the
//! first attempt has failed, halts, and is called back when a later one has come to the end.

use std::time::{Duration, SystemTime};

use beldi::{App, Limits, Outside as _, RealOutside, Table};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::bank::{self, Transfer};

/// What was paid, by the number of the statement.
pub const STATEMENTS: Table<Uuid, Statement> = Table::new("statements");

/// One of so many payments finds a queue at the printer.
pub const QUEUED: u32 = 4;
/// How long that is.
const QUEUE: Duration = Duration::from_secs(1);

/// That a payment was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// The payment.
    pub payment: Transfer,
}

/// Issues the statement of a payment, and returns its number.
#[beldi::ssf]
pub async fn issue_statement(payment: Transfer) -> Uuid {
    if payment.id.is_multiple_of(QUEUED) {
        let asked = beldi::now().await;
        beldi::effect("print", async |_| print(asked)).await;
    }
    // Not under that of the payment: a second one has to be seen.
    let number = beldi::uuid().await;
    STATEMENTS.put(&number, &Statement { payment }).await;
    number
}

/// Panics until it is the statement's turn, which has the attempt repeated.
fn print(asked: SystemTime) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(RealOutside.now());
    assert!(now >= asked + QUEUE, "the statement is still in the printer's queue");
}

/// The bank's service.
///
/// ```
/// let bank = cloud::services::statements::app();
/// # drop(bank);
/// ```
pub fn app() -> App {
    let limits = Limits { call_time: Duration::ZERO, ..super::limits() };
    bank::app().ssf(issue_statement).limits(limits)
}
