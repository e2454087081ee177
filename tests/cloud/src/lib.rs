//! A Lambda on this machine, services that run on it, and their tests.

pub mod aws;
pub mod lambda;
pub mod proxy;
pub mod services;
