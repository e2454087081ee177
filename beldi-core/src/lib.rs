//! core
pub mod store;
mod value;

pub use value::Value;
