//! core
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod value;

pub use value::Value;
