//! What runs beside the requests. No collector is needed for safety, only for progress: each may
//! stop anywhere, run twice, or run late.

pub(crate) mod garbage;
pub(crate) mod intent;
pub(crate) mod lock;

pub use garbage::{Collected, HeldBack};
