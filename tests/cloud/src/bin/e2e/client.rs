//! A question to a function, over the Invoke API.

use aws_sdk_lambda::error::ProvideErrorMetadata as _;
use aws_sdk_lambda::primitives::Blob;
use cloud::aws;
use serde_json::{Value, json};

use crate::Result;

/// What the SSF returned.
pub(crate) type Answer = Result<Value, Value>;

pub(crate) struct Client {
    lambda: aws_sdk_lambda::Client,
}

/// What will be the same however often it is asked: it ends the run.
const HOPELESS: [&str; 6] = [
    "Beldi.BadEvent",
    "Beldi.BadRequest",
    "Beldi.Refused",
    "Beldi.Parked",
    "Beldi.StoreFailed",
    "Beldi.Misconfigured",
];

impl Client {
    pub(crate) fn new(url: &str) -> Self {
        Self { lambda: aws::lambda(url) }
    }

    /// Asks once. `None`: no answer came, ask again; `Err`: none will ever come.
    pub(crate) async fn ask(
        &self,
        function: &str,
        ssf: &str,
        key: &str,
        input: &Value,
    ) -> Result<Option<Answer>> {
        let payload = Blob::new(json!({ "ssf": ssf, "key": key, "input": input }).to_string());
        let invoke = self.lambda.invoke().function_name(function).payload(payload);
        let answer = match invoke.send().await {
            Ok(answer) => answer,
            Err(error) if error.code() == Some("ResourceNotFoundException") => {
                return Err(format!("there is no function {function}").into());
            }
            Err(_) => return Ok(None),
        };
        let body = answer.payload.map(Blob::into_inner).unwrap_or_default();
        let body: Value = serde_json::from_slice(&body)?;
        if answer.function_error.is_none() {
            return Ok(Some(read(body)));
        }
        let kind = body["errorType"].as_str().unwrap_or_default();
        if HOPELESS.contains(&kind) {
            return Err(format!("{key}: {body}").into());
        }
        Ok(None)
    }
}

/// The `Err` of an SSF is shown as it is over HTTP.
fn read(body: Value) -> Answer {
    match body.pointer("/error/detail") {
        Some(detail) => Err(detail.clone()),
        None => Ok(body),
    }
}
