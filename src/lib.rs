//! Stateful serverless functions that change data exactly once.

pub use beldi_core::*;
pub use beldi_macros::{part, ssf};

#[doc(hidden)]
pub use beldi_core::__private;
