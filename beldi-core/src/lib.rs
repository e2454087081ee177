//! core

mod api;
mod collector;
mod engine;
mod error;
mod host;
mod id;
mod limits;
mod outside;
mod path;
mod protocol;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod value;

pub use api::*;
pub use error::{Error, Reason, Result};
pub use host::{Host, HostCall, HostSend, InstanceState, InstanceStatus};
pub use limits::*;
pub use outside::{Outside, RealOutside};
pub use value::Value;

#[doc(hidden)]
pub use api::private as __private;
