//! Running handlers without any guarantee: the baseline everything is measured against.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::attempt::Begin;
use super::txn::Context;
use super::{Attempt, Instance, Scope, Scoped, Service, Stop};
use crate::error::{Error, Reason};
use crate::path::Path;
use crate::protocol::intent::Intent;
use crate::protocol::journal::Journal;
use crate::value::Value;

/// Runs a handler with plain retries: after a failure, again from its first line.
pub(crate) fn run_raw(
    service: Arc<Service>,
    ssf: String,
    input: Value,
) -> BoxFuture<'static, Result<Value, Error>> {
    Box::pin(async move {
        let (mut tried, tries) = (1, service.limits.attempts);
        loop {
            let reason = match once(&service, &ssf, &input).await? {
                Ok(result) => return Ok(result),
                Err(Stop::Park(reason) | Stop::Fail(reason)) => reason,
                Err(Stop::Halt(error)) => Reason::new("store", error.to_string()),
                Err(Stop::Adopt | Stop::Retry(_) | Stop::Collected) => {
                    Reason::new("raw", "not possible without a log")
                }
            };
            if tried >= tries {
                return Err(Error::Failed { reason });
            }
            tried += 1;
        }
    })
}

async fn once(
    service: &Arc<Service>,
    ssf: &str,
    input: &Value,
) -> Result<Result<Value, Stop>, Error> {
    let handler = service.handler(ssf)?;
    let intent = match service.new_intent(service.nonce(), handler, input.clone()) {
        Ok(intent) => intent,
        Err(reason) => return Ok(Err(Stop::Park(reason))),
    };
    let id = intent.instance(&service.name);
    let attempt = Arc::new(Attempt::raw(Arc::clone(service), intent));
    let instance = match Instance::new(Arc::clone(&attempt), id, handler, 0) {
        Ok(instance) => Arc::new(instance),
        Err(stop) => return Ok(Err(stop)),
    };
    let body = Scoped::new(
        Scope::new(instance, Path::default(), Context::Plain),
        (handler.run)(input.clone()),
    );
    Ok(attempt.drive(body).await)
}

impl Attempt {
    fn raw(service: Arc<Service>, intent: Intent) -> Self {
        let journal = Journal::default();
        let begin = Begin { intent, registered: false, asked: false, resumed: false, journal };
        let mut attempt = Self::new(service, begin);
        attempt.raw = true;
        attempt
    }
}
