//! What the reference does not tell: pages to read once.
//!
//! No code is in here.

#[doc = include_str!("docs/determinism.md")]
pub mod determinism {}

#[doc = include_str!("docs/transactions.md")]
pub mod transactions {}

#[doc = include_str!("docs/errors.md")]
pub mod errors {}

#[doc = include_str!("docs/storage.md")]
pub mod storage {}

#[cfg(feature = "dynamodb")]
#[doc = include_str!("docs/dynamodb.md")]
pub mod dynamodb {}

#[cfg(feature = "embedded")]
#[doc = include_str!("docs/http.md")]
pub mod http {}

#[cfg(feature = "testing")]
#[doc = include_str!("docs/testing.md")]
pub mod testing {}
