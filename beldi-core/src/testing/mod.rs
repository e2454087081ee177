//! Tools for tests.

pub mod conformance;
