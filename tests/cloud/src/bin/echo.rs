//! The smallest function: does what its event says. For the tests of the host.

use std::time::Duration;

use beldi::{Outside as _, RealOutside};
use lambda_runtime::{LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    match std::env::var("ECHO_START").as_deref() {
        Ok("exit") => std::process::exit(7),
        Ok("hang") => std::future::pending().await,
        _ => run(service_fn(act)).await,
    }
}

async fn act(event: LambdaEvent<Value>) -> Result<Value, lambda_runtime::Error> {
    let (payload, context) = event.into_parts();
    let millis = payload["sleep"].as_u64().unwrap_or_default();
    RealOutside.sleep(Duration::from_millis(millis)).await;
    match payload["do"].as_str() {
        Some("fail") => Err("told to fail".into()),
        Some("panic") => panic!("told to panic"),
        Some("exit") => std::process::exit(3),
        Some("grow") => Ok("x".repeat(7 * 1024 * 1024).into()),
        _ => Ok(json!({
            "payload": payload,
            "process": std::process::id(),
            "greeting": std::env::var("GREETING").ok(),
            "path": std::env::var("PATH").ok(),
            "request": context.request_id,
            "function": context.invoked_function_arn,
            "left": context.deadline.saturating_sub(RealOutside.now()),
        })),
    }
}
