//! Servers, a host for function processes, and the tests of beldi on DynamoDB and Lambda.

pub mod aws;
pub mod dynoxide;
pub mod lambda;
pub mod proxy;
pub mod services;
