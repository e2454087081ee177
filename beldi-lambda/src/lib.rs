//! Services of beldi on AWS Lambda.
