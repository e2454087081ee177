//! Two services that different people own, as functions: a travel agency, whose customers pay through
//! a bank.
//!
//! | file | what is in it |
//! |---|---|
//! | [`agency`] | the travel example's service, and a purchase: room, seat and payment, or nothing |
//! | [`travel`] | `examples/travel/service.rs` |
//! | [`bank`] | `examples/bank/service.rs` |
//! | [`statements`] | the bank with statements of what was paid, some of which take their time |
//! | [`limits`](fn@limits) | how patient they are |

pub mod agency;
#[path = "../../../../examples/bank/service.rs"]
#[allow(missing_docs, missing_debug_implementations)]
pub mod bank;
pub mod statements;
#[path = "../../../../examples/travel/service.rs"]
#[allow(missing_docs, missing_debug_implementations)]
pub mod travel;

use std::time::Duration;

use beldi::Limits;

/// For functions that are killed all the time: what a dead one holds is in everybody's way until it is
/// overdue, and what it left is begun again soon. The lag is short, so that the garbage collector has
/// something to take away within minutes.
///
/// ```
/// assert!(cloud::services::limits().txn_time.as_secs() < 10);
/// ```
pub fn limits() -> Limits {
    Limits {
        attempts: 1000,
        attempt_time: Duration::from_secs(8),
        request_time: Duration::from_secs(2),
        backoff: Duration::from_millis(50),
        backoff_max: Duration::from_millis(500),
        txn_time: Duration::from_secs(2),
        lock_wait: Duration::from_secs(6),
        lag: Duration::from_secs(30),
        ..Limits::default()
    }
}
