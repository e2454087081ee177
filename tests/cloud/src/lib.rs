//! Servers, a host for function processes, and the tests of beldi on DynamoDB and Lambda.

pub mod dynoxide;
