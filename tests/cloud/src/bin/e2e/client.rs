//! A question to a function, over the Invoke API.

use aws_sdk_lambda::error::ProvideErrorMetadata as _;
use aws_sdk_lambda::primitives::Blob;
use cloud::aws;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::Result;

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
    pub(crate) async fn ask<T: DeserializeOwned, E: DeserializeOwned>(
        &self,
        function: &str,
        ssf: &str,
        key: &str,
        input: &impl Serialize,
    ) -> Result<Option<Result<T, E>>> {
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
            return read(body).map(Some);
        }
        let kind = body["errorType"].as_str().unwrap_or_default();
        if HOPELESS.contains(&kind) {
            return Err(format!("{key}: {body}").into());
        }
        Ok(None)
    }
}

/// The `Err` of an SSF is shown as it is over HTTP.
fn read<T: DeserializeOwned, E: DeserializeOwned>(body: Value) -> Result<Result<T, E>> {
    match body.pointer("/error/detail") {
        Some(detail) => Ok(Err(serde_json::from_value(detail.clone())?)),
        None => Ok(Ok(serde_json::from_value(body)?)),
    }
}
