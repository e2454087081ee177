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
mod problem;
mod routes;
mod signals;

use std::fmt::Display;
use std::pin::pin;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::HeaderName;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, serve};
use futures_util::future::{Either, select};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, field, info, info_span};

use self::problem::Problem;
pub(crate) use self::signals::stop;
use super::{Host, LAST_WORDS};
use crate::engine::Service;
use crate::error::{Error, Result};

/// The request key of the instance a reply is about.
const INSTANCE: HeaderName = HeaderName::from_static("beldi-instance");

impl Host {
    /// Serves the SSFs over HTTP until ctrl-c or SIGTERM, then stops gracefully: no connection is
    /// accepted any more, what runs has [`Limits::patience`](crate::Limits::patience) to end, the rest
    /// goes on at the next start.
    ///
    /// Nothing checks who asks: bind a loopback address, or put a proxy that does in front.
    /// Feature `embedded`, on by default.
    ///
    /// ```no_run
    /// use beldi::{App, store::EmbeddedStore};
    ///
    /// # async fn example() -> beldi::Result<()> {
    /// let host = App::new("travel").open(EmbeddedStore::open("travel.redb")?)?;
    /// host.serve("127.0.0.1:7420").await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the address cannot be listened on.
    pub async fn serve(self, addr: impl ToSocketAddrs + Display) -> Result<()> {
        let listener = listen(addr).await?;
        self.serve_on(listener, stop()).await
    }

    /// [`serve`](Self::serve) on a listener of one's own, until a future of one's own resolves.
    ///
    /// ```no_run
    /// # async fn example(host: beldi::Host) -> Result<(), Box<dyn std::error::Error>> {
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// println!("on {}", listener.local_addr()?);
    /// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// let serving = tokio::spawn(host.serve_on(listener, async { drop(stopped.await) }));
    /// // ... requests ...
    /// let _ = stop.send(());
    /// serving.await??;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// None at present: what goes wrong on a connection ends that connection.
    pub async fn serve_on(
        self,
        listener: TcpListener,
        until: impl Future<Output = ()> + Send + 'static,
    ) -> Result<()> {
        let address = listener.local_addr().map_or_else(|_| "?".to_owned(), |a| a.to_string());
        info!(service = %self.service.name, %address, "serving");
        let asked_to_stop = CancellationToken::new();
        let told = asked_to_stop.clone();
        let until = async move {
            until.await;
            told.cancel();
        };
        let router = Front::new(Arc::clone(&self.service)).router();
        let served = serve(listener, router).with_graceful_shutdown(until).into_future();
        let closed = pin!(async {
            asked_to_stop.cancelled().await;
            info!("stopping");
            let patience = self.service.limits.patience;
            self.shutdown(patience).await;
        });
        match select(served, closed).await {
            Either::Left((_, closed)) => closed.await,
            Either::Right(((), served)) => drop(timeout(LAST_WORDS, served).await),
        }
        Ok(())
    }
}

/// Listens on an address, or tells which one could not be had.
pub(crate) async fn listen(addr: impl ToSocketAddrs + Display) -> Result<TcpListener> {
    let shown = addr.to_string();
    let listening = TcpListener::bind(addr).await;
    listening.map_err(|error| Error::Host(format!("cannot listen on {shown}: {error}")))
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
}

impl Front {
    fn new(service: Arc<Service>) -> Self {
        let limits = &service.limits;
        let places = limits.concurrency.max(1).saturating_add(limits.waiting);
        let places = Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        Self { service, places }
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| Problem::overloaded())
    }

    fn router(self) -> Router {
        Router::new()
            .route("/", get(routes::service))
            .route("/{ssf}", post(routes::call))
            .route("/instances/{key}", get(routes::instance))
            .route("/instances/{key}/resume", post(routes::resume))
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
    let reply = match asked::of_this_site(&request) {
        Ok(()) => next.run(request).instrument(span.clone()).await,
        Err(problem) => problem.into_response(),
    };
    if let Some(key) = reply.headers().get(INSTANCE).and_then(|key| key.to_str().ok()) {
        span.record("key", key);
    }
    span.record("status", reply.status().as_u16());
    span.in_scope(|| debug!("answered"));
    reply
}
