//! One instance at a time: run its handler, answer each step from the log or the store, buffer what
//! it observes, flush before effects, stop it when the world fails, and bring it to its one result.
//!
//! ```text
//!   handler ──await──► Step ──► Instance (log, pending, flush) ──► protocol ──► Patient store
//!      ▲                              │ Stop: adopt, halt, park
//!      └────── run: restart ◄── Attempt (registered? stopped?) ◄──┘
//! ```
//!
//! Nothing here knows a user's type; values, names, keys and paths only.

mod attempt;
mod callbacks;
mod federation;
mod holdings;
mod instance;
mod locks;
mod ops;
mod patient;
#[cfg(feature = "testing")]
mod raw;
mod run;
mod scope;
mod secure;
mod service;
mod sizes;
mod tasks;
mod txn;
mod what;

pub(crate) use attempt::{Attempt, Registration, Stop};
pub(crate) use federation::{Declined, Ended as TxnEnded, Errand, Part, Peer, Vote};
pub(crate) use instance::Instance;
pub(crate) use locks::millis;
pub(crate) use ops::{Step, Write};
#[cfg(feature = "testing")]
pub(crate) use raw::run_raw;
pub(crate) use run::{Ended, Request, out_of_attempts, run_fresh, run_registered};
pub(crate) use scope::{Scope, Scoped};
pub(crate) use service::{Handler, Parts, Service};
use txn::Context;
