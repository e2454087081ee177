//! The front of a service on one machine: its SSFs over HTTP, with JSON in and out.
//!
//! | request | answer |
//! |---|---|
//! | `POST /{ssf}`, the input as body | its output; `Err(e)` is 422 with `e` as `error.detail` |
//! | the same with `Prefer: respond-async` | 202 with the instance's key, as soon as it is durable |
//! | `GET /instances/{key}` | how far the instance is, with its output or the reason it has none |
//! | `POST /instances/{key}/resume` | 202: a parked instance is tried again |
//! | `GET /` | the service, its version and its SSFs |
//!
//! `Idempotency-Key` names a request: the same key always gets the same answer, and nothing happens
//! twice. Without one a request gets a key of its own; either way the reply carries it as
//! `Beldi-Instance`. Every reply that is no output is `{"error": {"code", "message", ..}}`, see
//! [`problem`].
//!
//! An asker who goes away does not end what was begun. Requests beyond
//! [`Limits::concurrency`](crate::Limits) wait, those beyond [`Limits::waiting`](crate::Limits) are
//! refused before anything is written.

mod asked;
#[cfg(feature = "embedded")]
mod instances;
mod problem;
mod routes;
#[cfg(feature = "embedded")]
mod serve;
#[cfg(feature = "embedded")]
mod signals;

use std::fmt::Display;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::LOCATION;
use axum::http::{self, HeaderName};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt as _;
use tracing::{Instrument, debug, field, info_span};

use self::problem::Problem;
#[cfg(feature = "embedded")]
pub(crate) use self::serve::listen;
#[cfg(feature = "embedded")]
pub(crate) use self::signals::stop;
use crate::engine::Service;
use crate::error::Error;

/// The request key of the instance a reply is about.
const INSTANCE: HeaderName = HeaderName::from_static("beldi-instance");

/// Before the keys of strangers' requests, which must not be those of records and invocations.
const PUBLIC: &str = "http/";

/// Answers one request that has come another way than over a connection of ours.
pub(super) async fn answer(
    service: &Arc<Service>,
    request: http::Request<Bytes>,
) -> http::Response<Bytes> {
    let front = Front { prefix: PUBLIC, ..Front::new(Arc::clone(service)) };
    let router = front.public_router();
    let Ok(reply) = router.oneshot(request.map(Body::from)).await;
    let (head, body) = reply.into_parts();
    // What a handler returned is in memory already.
    http::Response::from_parts(head, to_bytes(body, usize::MAX).await.unwrap_or_default())
}

/// A name or key as one part of a path.
pub(crate) fn escaped(name: &str) -> impl Display {
    const ESCAPED: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(name, ESCAPED)
}

/// What every request shares.
#[derive(Clone)]
struct Front {
    service: Arc<Service>,
    /// One permit a request that runs or waits to.
    places: Arc<Semaphore>,
    /// What all keys begin with, and no asker is told.
    prefix: &'static str,
    /// Whether only this machine can reach it.
    is_local: bool,
}

impl Front {
    fn new(service: Arc<Service>) -> Self {
        let limits = &service.limits;
        let places = limits.concurrency.saturating_add(limits.waiting);
        let places = Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        Self { service, places, prefix: "", is_local: false }
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| Problem::overloaded())
    }

    /// A key as its asker knows it: asked again with, it names the same instance.
    fn shown<'k>(&self, key: &'k str) -> &'k str {
        key.strip_prefix(self.prefix).unwrap_or(key)
    }

    /// What its asker is told of an error.
    fn told(&self, mut error: Error) -> Problem {
        if let Error::Parked { key, .. }
        | Error::Unfinished { key, .. }
        | Error::InDoubt { key, .. }
        | Error::KeyReused { key }
        | Error::UnknownInstance { key } = &mut error
        {
            *key = self.shown(key).to_owned();
        }
        error.into()
    }

    /// Where the instance with this key is to be looked at, if that can be.
    fn location(&self, key: &str) -> Option<[(HeaderName, String); 1]> {
        let is_shown = self.prefix.is_empty();
        is_shown.then(|| [(LOCATION, format!("/instances/{}", escaped(key)))])
    }

    /// Everything there is.
    #[cfg(feature = "embedded")]
    fn router(self) -> Router {
        let instances = Router::new()
            .route("/instances/{key}", get(instances::instance))
            .route("/instances/{key}/resume", post(instances::resume));
        self.with(instances)
    }

    /// What anybody may ask: nothing that shows or changes an instance by its key alone.
    fn public_router(self) -> Router {
        self.with(Router::new())
    }

    fn with(self, more: Router<Self>) -> Router {
        more.route("/", get(routes::service))
            .route("/{ssf}", post(routes::call))
            .fallback(routes::not_found)
            .method_not_allowed_fallback(routes::method_not_allowed)
            .layer(DefaultBodyLimit::max(self.service.limits.body))
            .layer(from_fn_with_state(self.clone(), in_hand))
            .with_state(self)
    }
}

/// Spans a request, and keeps the host open until it is answered.
async fn in_hand(State(front): State<Front>, request: Request, next: Next) -> Response {
    let _held = front.service.tasks.hold();
    let span = info_span!(
        "request",
        method = %request.method(),
        path = request.uri().path(),
        key = field::Empty,
        status = field::Empty,
    );
    let is_ours = match front.is_local {
        true => asked::of_this_machine(&request).and_then(|()| asked::of_this_site(&request)),
        false => asked::of_this_site(&request),
    };
    let reply = match is_ours {
        Ok(()) => next.run(request).instrument(span.clone()).await,
        Err(problem) => problem.into_response(),
    };
    if let Some(key) = reply.headers().get(INSTANCE).and_then(|key| key.to_str().ok()) {
        // As it is stored, for who reads the log looks the instance up.
        span.record("key", format!("{}{key}", front.prefix));
    }
    span.record("status", reply.status().as_u16());
    span.in_scope(|| debug!("answered"));
    reply
}
