//! Letters to other services, and roots to this one, by invoking functions.
//!
//! Nothing is repeated here: who asks does so, for all that is asked may be asked twice. A reply that is
//! none, be it an error of the function or of Lambda, says nothing about what the function did.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::{DisplayErrorContext, SdkError};
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::letter;
use beldi::on_demand::{Starter, Transport, Unreachable};

/// The largest payload of an invocation that is waited for, in bytes.
const MAX_ASKED: usize = 6 * 1024 * 1024;
/// The largest payload of one that is not.
const MAX_TOLD: usize = 1024 * 1024;

/// Reaches a service by invoking its function. See [`Function::peer`](crate::Function::peer).
///
/// ```no_run
/// use beldi::on_demand::SharedKey;
/// use beldi_lambda::{Function, Invoke};
///
/// # async fn example(app: beldi::App, secret: &str) -> Result<(), beldi_lambda::Error> {
/// let aws = aws_config::load_from_env().await;
/// let payments = Invoke::new(aws_sdk_lambda::Client::new(&aws), "payments");
/// Function::new(app).peer("payments", SharedKey::new(secret)?, payments).run().await
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Invoke {
    client: Client,
    function: String,
}

impl Invoke {
    /// Invokes a function: by its name, `name:version` or `name:alias`, or its ARN.
    ///
    /// The client should not try again by itself, nor give up while the function runs.
    pub fn new(client: Client, function: impl Into<String>) -> Self {
        Self { client, function: function.into() }
    }

    async fn send(
        &self,
        kind: InvocationType,
        payload: String,
        most: usize,
    ) -> Result<InvokeOutput, Unreachable> {
        if payload.len() > most {
            let text = format!(
                "an invocation of `{}` would have {} bytes, and may have {most}",
                self.function,
                payload.len()
            );
            return Err(Unreachable::Undeliverable(text));
        }
        let invoke = self.client.invoke().function_name(&self.function).invocation_type(kind);
        let invoked = invoke.payload(Blob::new(payload)).send().await;
        invoked.map_err(|error| self.unreachable(error))
    }

    fn unreachable(&self, error: SdkError<InvokeError>) -> Unreachable {
        let text = format!("invoking `{}`: {}", self.function, DisplayErrorContext(&error));
        match error.as_service_error() {
            Some(
                InvokeError::RequestTooLargeException(_)
                | InvokeError::InvalidRequestContentException(_)
                | InvokeError::InvalidParameterValueException(_),
            ) => Unreachable::Undeliverable(text),
            _ => Unreachable::NoAnswer(text),
        }
    }

    fn answer(&self, output: InvokeOutput) -> Result<Vec<u8>, Unreachable> {
        let payload = output.payload.unwrap_or_else(|| Blob::new([])).into_inner();
        match output.function_error {
            Some(_) => Err(Unreachable::NoAnswer(format!(
                "`{}` failed: {}",
                self.function,
                failure(&payload)
            ))),
            None => letter::read_answer(&payload)
                .map_err(|why| Unreachable::NoAnswer(format!("`{}`: {why}", self.function))),
        }
    }
}

/// What a function that failed says, in short.
fn failure(payload: &[u8]) -> String {
    let shown: Option<serde_json::Value> = serde_json::from_slice(payload).ok();
    let field = |name: &str| shown.as_ref().and_then(|shown| shown[name].as_str()).unwrap_or("?");
    format!("{}: {}", field("errorType"), field("errorMessage"))
}

impl Transport for Invoke {
    fn ask(&self, letter: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, Unreachable>> {
        let payload = letter::write(&letter).to_string();
        async move {
            let output = self.send(InvocationType::RequestResponse, payload, MAX_ASKED).await?;
            self.answer(output)
        }
        .boxed()
    }
}

impl Starter for Invoke {
    fn start(&self, key: &str) -> BoxFuture<'_, Result<(), Unreachable>> {
        let payload = letter::follow(key).to_string();
        self.send(InvocationType::Event, payload, MAX_TOLD).map(|sent| sent.map(drop)).boxed()
    }
}
