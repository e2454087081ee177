//! A client of the Lambda at some URL: no credentials, no TLS, no retries of its own.

use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::{
    BehaviorVersion, Config, Credentials, Region, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::Builder;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

/// Longer than an invocation takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where everything is said to be.
pub fn region() -> Region {
    Region::from_static("us-east-1")
}

/// The client.
///
/// ```
/// let client = cloud::aws::lambda("http://127.0.0.1:9000");
/// # drop(client);
/// ```
pub fn lambda(url: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(url)
        .region(region())
        .credentials_provider(Credentials::new("none", "none", None, None, "none"))
        .http_client(Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(PATIENCE).build())
        // An answer may be long in coming.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    Client::from_conf(config.build())
}
