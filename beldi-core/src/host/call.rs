//! Requests from outside: run, wait for what another attempt has to finish, answer.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tracing::Instrument as _;

use super::Host;
use crate::api::{Call, Sending, Ssf};
use crate::engine::{Ended, Registration, Request, Service, millis, run_fresh, run_registered};
use crate::error::{Error, Reason, Result};
use crate::limits::{LAST_STEP, MAX_REQUEST_KEY};
use crate::protocol::intent::{self, State};
use crate::value::Value;

/// A call from outside: see [`Host::call`]. Await it.
#[must_use = "a call does nothing until it is awaited"]
pub struct HostCall<'h, S: Ssf> {
    host: &'h Host,
    call: Call<S>,
    key: Option<String>,
}

impl<'h, S: Ssf> HostCall<'h, S> {
    pub(super) fn new(host: &'h Host, call: Call<S>) -> Self {
        Self { host, call, key: None }
    }

    /// Names the request: the same key always gets the same answer, and nothing happens twice.
    /// Without it the request gets a random key of its own, and calling again begins another
    /// instance.
    ///
    /// A key has 1 to [`MAX_REQUEST_KEY`](crate::MAX_REQUEST_KEY) bytes and does not begin with `~`.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }
}

impl<'h, S: Ssf> IntoFuture for HostCall<'h, S> {
    type Output = Result<S::Output>;
    type IntoFuture = BoxFuture<'h, Result<S::Output>>;

    fn into_future(self) -> Self::IntoFuture {
        let input = Call::<S>::encoded_input(&self.call.input);
        let service = Arc::clone(&self.host.service);
        let key = self.key;
        Box::pin(async move {
            let input = input.map_err(|reason| Error::BadRequest(reason.message))?;
            let request = request(&service, S::NAME, key, input)?;
            let output = answer_apart(&service, request, ()).await?;
            Call::<S>::decoded_output(output).map_err(Error::UnreadableOutput)
        })
    }
}

/// A send from outside: see [`Host::send`]. Await it.
#[must_use = "a send does nothing until it is awaited"]
pub struct HostSend<'h, S: Ssf> {
    host: &'h Host,
    send: Sending<S>,
    key: Option<String>,
}

impl<'h, S: Ssf> HostSend<'h, S> {
    pub(super) fn new(host: &'h Host, send: Sending<S>) -> Self {
        Self { host, send, key: None }
    }

    /// Names the request: a second send under the same key starts nothing.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }
}

impl<'h, S: Ssf> IntoFuture for HostSend<'h, S> {
    type Output = Result<String>;
    type IntoFuture = BoxFuture<'h, Result<String>>;

    fn into_future(self) -> Self::IntoFuture {
        let input = Call::<S>::encoded_input(&self.send.input);
        let service = Arc::clone(&self.host.service);
        let key = self.key;
        Box::pin(async move {
            let input = input.map_err(|reason| Error::BadRequest(reason.message))?;
            let request = request(&service, S::NAME, key, input)?;
            register(&service, &request).await?;
            Ok(request.key)
        })
    }
}

/// Answers a request in a task of its own: an asker who goes away does not end the attempt.
/// `place` is given up when the request is answered.
pub(crate) async fn answer_apart<P: Send + 'static>(
    service: &Arc<Service>,
    request: Request,
    place: P,
) -> Result<Value> {
    let answering = Arc::clone(service);
    let answered = async move {
        let _place = place;
        answer(&answering, &request).await
    };
    apart(service, answered).await
}

/// The same for an answer of any kind.
pub(crate) async fn apart(
    service: &Arc<Service>,
    answered: impl Future<Output = Result<Value>> + Send + 'static,
) -> Result<Value> {
    match service.tasks.spawn(answered.in_current_span()).await {
        Ok(Some(answered)) => answered,
        _ => Err(Error::Host("the host stopped; ask again with the same key".to_owned())),
    }
}

/// A request under the key given, or under one of its own.
pub(crate) fn request(
    service: &Service,
    ssf: &str,
    key: Option<String>,
    input: Value,
) -> Result<Request> {
    request_among(service, "", ssf, key, input)
}

/// The same among those whose keys begin with `prefix`, of which the asker knows nothing.
pub(crate) fn request_among(
    service: &Service,
    prefix: &str,
    ssf: &str,
    key: Option<String>,
    input: Value,
) -> Result<Request> {
    let explicit = key.is_some();
    let key = key.unwrap_or_else(|| format!("{}{}", service.nonce(), service.nonce()));
    if key.is_empty() || key.len() > MAX_REQUEST_KEY || key.starts_with('~') {
        return Err(Error::BadKey { key });
    }
    let key = format!("{prefix}{key}");
    let ssf = ssf.to_owned();
    Ok(Request { key, explicit, caller: None, depth: 0, callback: None, ssf, input })
}

/// Runs the request until there is a result, or time is up. Writes the finish after returning.
pub(crate) async fn answer(service: &Arc<Service>, request: &Request) -> Result<Value> {
    let permit = service.permit().await;
    let ended = run_fresh(service, request).await?;
    drop(permit);
    let answered = match ended {
        Ended::Unfinished { reason, registration: Registration::Certain } => {
            follow(service, &request.key, reason).await
        }
        ended => conclude(service, &request.key, ended),
    };
    answered.map_err(|error| in_doubt(error, &request.key))
}

/// A store that does not answer may have done what it was asked: only the key tells, later.
fn in_doubt(error: Error, key: &str) -> Error {
    match error {
        Error::Store(error) if error.is_transient() => {
            Error::InDoubt { key: key.to_owned(), why: error.to_string() }
        }
        other => other,
    }
}

/// What the asker is told.
fn conclude(service: &Arc<Service>, key: &str, ended: Ended) -> Result<Value> {
    let key = key.to_owned();
    match ended {
        Ended::Done { result, rest } => {
            if let Some(rest) = rest {
                service.tasks.spawn(rest.complete());
            }
            Ok(result)
        }
        Ended::Parked(reason) => Err(Error::Parked { key, reason }),
        Ended::Unfinished { reason, registration } => Err(match registration {
            Registration::None => Error::Failed { reason },
            Registration::InDoubt => Error::InDoubt { key, why: reason.message },
            Registration::Certain => Error::Unfinished { key, why: reason.to_string() },
        }),
        Ended::KeyReused => Err(Error::KeyReused { key }),
    }
}

/// Follows a registered root, beginning attempts as they come due, until it ends or time is up.
pub(crate) async fn follow(service: &Arc<Service>, key: &str, mut reason: Reason) -> Result<Value> {
    let limit = service.limits.call_time;
    let limit =
        service.time_left().map_or(limit, |left| left.saturating_sub(LAST_STEP * 3).min(limit));
    let deadline = service.outside.now() + millis(limit);
    loop {
        let now = service.outside.now();
        if now >= deadline {
            return Err(Error::Unfinished { key: key.to_owned(), why: reason.to_string() });
        }
        let Some(intent) = intent::read(&service.store, key).await? else {
            return Err(Error::UnknownInstance { key: key.to_owned() });
        };
        match &intent.state {
            State::Done(result) => return Ok(result.clone()),
            State::Parked(reason) => {
                return Err(Error::Parked { key: key.to_owned(), reason: reason.clone() });
            }
            State::Running => {}
        }
        if intent.next > now {
            let wait = (intent.next - now).min(deadline - now).min(LOOK_EVERY);
            service.outside.sleep(Duration::from_millis(wait)).await;
            continue;
        }
        let permit = service.permit().await;
        let ended = run_registered(service, &intent).await?;
        drop(permit);
        match ended {
            Some(Ended::Unfinished { reason: why, .. }) => reason = why,
            Some(ended) => return conclude(service, key, ended),
            None => service.outside.sleep(Duration::from_millis(LOOK_EVERY)).await,
        }
    }
}

/// How often the state of a root that another attempt works on is looked up, in milliseconds.
const LOOK_EVERY: u64 = 200;

/// Makes the request durable and returns: somebody will run it.
pub(crate) async fn register(service: &Service, request: &Request) -> Result<()> {
    let handler = service.handler(&request.ssf)?;
    let intent = service.new_intent(request.key.clone(), handler, request.input.clone());
    let intent = intent.map_err(|reason| Error::BadRequest(reason.message))?;
    let registered = intent::register(&service.store, &intent, None).await;
    match registered.map_err(|error| in_doubt(error.into(), &request.key))? {
        intent::Registered::Mine => service.announce(request.key.clone()),
        intent::Registered::Theirs(standing) => {
            if !standing.is_of(&request.ssf, &request.input, None) {
                return Err(Error::KeyReused { key: request.key.clone() });
            }
        }
    }
    Ok(())
}

impl<S: Ssf> fmt::Debug for HostCall<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostCall")
            .field("ssf", &S::NAME)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl<S: Ssf> fmt::Debug for HostSend<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostSend")
            .field("ssf", &S::NAME)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
