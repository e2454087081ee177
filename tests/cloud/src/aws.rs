//! Clients of the SDKs for servers on this machine: no credentials, no TLS, no retries of their own.

use std::time::Duration;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client of the DynamoDB at this endpoint.
pub fn dynamodb(endpoint: &str) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(region())
        .credentials_provider(credentials())
        .http_client(http())
        .retry_config(RetryConfig::disabled())
        .timeout_config(patient());
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// A client of the Lambda at this endpoint.
pub fn lambda(endpoint: &str) -> aws_sdk_lambda::Client {
    let config = aws_sdk_lambda::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(region())
        .credentials_provider(credentials())
        .http_client(http())
        .retry_config(RetryConfig::disabled())
        .timeout_config(patient())
        // An answer may be long in coming.
        .stalled_stream_protection(
            aws_sdk_lambda::config::StalledStreamProtectionConfig::disabled(),
        );
    aws_sdk_lambda::Client::from_conf(config.build())
}

fn region() -> Region {
    Region::from_static("us-east-1")
}

fn credentials() -> Credentials {
    Credentials::new("none", "none", None, None, "none")
}

fn http() -> SharedHttpClient {
    Builder::new().build_http()
}

fn patient() -> TimeoutConfig {
    TimeoutConfig::builder().operation_timeout(PATIENCE).build()
}
