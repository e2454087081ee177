//! Clients of AWS, set up for a process that is frozen between invocations.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

/// Connections that have been idle for longer may be dead: a frozen process does not see them close.
const IDLE: Duration = Duration::from_secs(5);
/// A connection that takes longer is tried again.
const CONNECT: Duration = Duration::from_secs(2);

/// Region, endpoints and credentials as the environment says.
pub(crate) async fn configured() -> SdkConfig {
    let http = Builder::new()
        .pool_idle_timeout(IDLE)
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).build())
        .load()
        .await
}

/// The store repeats by itself what may be repeated.
pub(crate) fn dynamodb(aws: &SdkConfig) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::new(aws)
}

/// For invocations: they take as long as the callee does, and our protocols repeat them.
pub(crate) fn lambda(aws: &SdkConfig) -> aws_sdk_lambda::Client {
    let config = aws_sdk_lambda::config::Builder::from(aws)
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    aws_sdk_lambda::Client::from_conf(config)
}
