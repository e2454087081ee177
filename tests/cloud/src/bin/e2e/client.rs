//! A question to a function, over the Invoke API.

use aws_sdk_lambda::error::{DisplayErrorContext, ProvideErrorMetadata as _};
use aws_sdk_lambda::primitives::Blob;
use cloud::aws;
use serde_json::{Value, json};

use crate::Result;

/// What the SSF returned.
pub(crate) type Answer = Result<Value, Value>;

pub(crate) struct Client {
    lambda: aws_sdk_lambda::Client,
}

/// Why none came.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    /// It is no use to ask again.
    pub(crate) is_final: bool,
    pub(crate) why: String,
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

    /// Asks once.
    pub(crate) async fn ask(
        &self,
        function: &str,
        ssf: &str,
        key: &str,
        input: &Value,
    ) -> Result<Answer, NoAnswer> {
        let payload = Blob::new(json!({ "ssf": ssf, "key": key, "input": input }).to_string());
        let invoke = self.lambda.invoke().function_name(function).payload(payload);
        let answer = invoke.send().await.map_err(|error| NoAnswer {
            is_final: error.code() == Some("ResourceNotFoundException"),
            why: DisplayErrorContext(error).to_string(),
        })?;
        let body = answer.payload.map(Blob::into_inner).unwrap_or_default();
        let body: Value = serde_json::from_slice(&body)
            .map_err(|error| NoAnswer { is_final: true, why: error.to_string() })?;
        if answer.function_error.is_none() {
            return Ok(read(body));
        }
        let kind = body["errorType"].as_str().unwrap_or_default();
        Err(NoAnswer { is_final: HOPELESS.contains(&kind), why: body.to_string() })
    }
}

/// The `Err` of an SSF is shown as it is over HTTP.
fn read(body: Value) -> Answer {
    match body.pointer("/error/detail") {
        Some(detail) => Err(detail.clone()),
        None => Ok(body),
    }
}
