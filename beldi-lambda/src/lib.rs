#![doc = include_str!("../README.md")]
// A panic here would end the user's invocation.
#![cfg_attr(
    not(test),
    warn(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)
)]

mod change;
mod clients;
mod event;
mod failure;
mod function;
mod host;
mod intake;
mod invoke;
mod letter;
mod logs;
mod metrics;
mod routes;
mod settings;
mod source;

#[doc(no_inline)]
pub use lambda_runtime::{Context, Error};

pub use change::{Change, ChangeKind};
pub use failure::{Failure, FailureKind};
pub use function::{Function, run};
pub use host::Host;
pub use invoke::Invoke;
pub use logs::logs;
pub use source::Source;
