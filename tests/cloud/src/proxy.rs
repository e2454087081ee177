//! Stands in front of a DynamoDB server: counts every request, lets it take its time, notes which attributes
//! are written, and gives each owner its own table only.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// The operation, behind the version of the interface.
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// A proxy, until it is dropped.
///
/// ```no_run
/// use std::time::Duration;
///
/// use cloud::proxy::Proxy;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let proxy = Proxy::start(0, "http://127.0.0.1:8000").await?;
/// proxy.delay(Duration::from_millis(5));
/// // .. what speaks with proxy.endpoint() ..
/// println!("{:?}", proxy.counts());
/// # Ok::<(), std::io::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

/// A kind of requests. See [`Proxy`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// The table; empty where there is none, or several.
    pub table: String,
    /// As `GetItem`.
    pub operation: String,
    /// Whether it asks an index: that is how a collector finds out whether there is something to do.
    pub of_index: bool,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    http: reqwest::Client,
    counts: Mutex<BTreeMap<Kind, u64>>,
    watched: Mutex<Watched>,
    delay: Mutex<Duration>,
    /// The table of an access key.
    tables: Mutex<BTreeMap<String, String>>,
    refused: AtomicU64,
    /// Requests that are not answered yet.
    open: AtomicUsize,
}

impl Proxy {
    /// Listens on a port of this machine, 0 for a free one, and sends everything on to the server.
    ///
    /// # Errors
    ///
    /// When it cannot listen there.
    pub async fn start(port: u16, upstream: impl Into<String>) -> io::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build().map_err(io::Error::other)?;
        let shared = Arc::new(Shared {
            upstream: upstream.into(),
            http,
            counts: Mutex::default(),
            watched: Mutex::default(),
            delay: Mutex::default(),
            tables: Mutex::default(),
            refused: AtomicU64::new(0),
            open: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let routes = Router::new().fallback(forward).layer(DefaultBodyLimit::disable());
        let routes = routes.with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::error!(%error, "the proxy stopped");
            }
        });
        Ok(Self { shared, address, server })
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Keeps every request so long before it is sent on, from now on.
    pub fn delay(&self, time: Duration) {
        *self.shared.delay.lock().unwrap_or_else(PoisonError::into_inner) = time;
    }

    /// Refuses what is signed with this access key and is not about this table, as IAM does. Other keys may
    /// ask for all tables.
    pub fn only(&self, access_key: &str, table: &str) {
        let mut tables = self.shared.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.insert(access_key.to_owned(), table.to_owned());
    }

    /// Notes, from now on, which attributes that begin like this are written; those before are forgotten.
    pub fn watch(&self, beginning: &str) {
        let mut watched = self.shared.watched.lock().unwrap_or_else(PoisonError::into_inner);
        *watched = Watched { beginning: Some(beginning.to_owned()), written: BTreeSet::new() };
    }

    /// How many of the attributes that it [watches](Proxy::watch) were written, each counted once.
    pub fn written(&self) -> usize {
        self.shared.watched.lock().unwrap_or_else(PoisonError::into_inner).written.len()
    }

    /// How many requests it refused.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// How many requests there were of each kind.
    pub fn counts(&self) -> BTreeMap<Kind, u64> {
        self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether there are requests that are not answered yet.
    pub fn is_busy(&self) -> bool {
        self.shared.open.load(Ordering::Relaxed) > 0
    }

    /// How many requests there were that `is_counted` accepts.
    pub fn requests(&self, is_counted: impl Fn(&Kind) -> bool) -> u64 {
        self.counts().iter().filter(|(kind, _)| is_counted(kind)).map(|(_, count)| count).sum()
    }
}

/// Attributes with the same beginning, as a table may have without end.
#[derive(Debug, Default)]
struct Watched {
    beginning: Option<String>,
    written: BTreeSet<String>,
}

impl Watched {
    /// An update that was applied, as it was sent. One that removes an attribute comes after one that set it.
    fn note(&mut self, update: &[u8]) {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        struct Update {
            expression_attribute_names: BTreeMap<String, String>,
        }
        let Some(beginning) = &self.beginning else { return };
        let update: Update = serde_json::from_slice(update).unwrap_or_default();
        let names = update.expression_attribute_names.into_values();
        self.written.extend(names.filter(|name| name.starts_with(beginning)));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Kind {
    fn of(headers: &HeaderMap, body: &[u8]) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        struct Asked {
            table_name: String,
            index_name: Option<String>,
        }
        let target = headers.get(TARGET).and_then(|target| target.to_str().ok());
        let (_, operation) = target.and_then(|target| target.split_once('.')).unwrap_or_default();
        let Asked { table_name, index_name } = serde_json::from_slice(body).unwrap_or_default();
        Self { table: table_name, operation: operation.to_owned(), of_index: index_name.is_some() }
    }
}

impl Shared {
    fn count(&self, kind: Kind) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(kind).or_default() += 1;
    }

    fn may(&self, headers: &HeaderMap, kind: &Kind) -> bool {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.get(access_key(headers)).is_none_or(|own| *own == kind.table)
    }

    async fn send_on(&self, mut headers: HeaderMap, body: Bytes) -> reqwest::Result<Response> {
        // They are about this connection, not about the next.
        for name in [header::HOST, header::CONTENT_LENGTH, header::CONNECTION] {
            headers.remove(name);
        }
        let answer = self.http.post(&self.upstream).headers(headers).body(body).send().await?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        for name in [header::CONTENT_LENGTH, header::CONNECTION, header::TRANSFER_ENCODING] {
            headers.remove(name);
        }
        Ok((status, headers, answer.bytes().await?).into_response())
    }
}

async fn forward(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let _open = Open::new(&shared.open);
    let kind = Kind::of(&headers, &body);
    if !shared.may(&headers, &kind) {
        shared.refused.fetch_add(1, Ordering::Relaxed);
        return denied(&kind);
    }
    let is_update = kind.operation == "UpdateItem";
    shared.count(kind);
    let delay = *shared.delay.lock().unwrap_or_else(PoisonError::into_inner);
    if !delay.is_zero() {
        sleep(delay).await;
    }
    let sent = shared.send_on(headers, body.clone()).await;
    if is_update && sent.as_ref().is_ok_and(|answer| answer.status().is_success()) {
        shared.watched.lock().unwrap_or_else(PoisonError::into_inner).note(&body);
    }
    sent.unwrap_or_else(|error| (StatusCode::BAD_GATEWAY, error.to_string()).into_response())
}

/// Who signed the request.
fn access_key(headers: &HeaderMap) -> &str {
    let signature =
        headers.get(header::AUTHORIZATION).and_then(|signature| signature.to_str().ok());
    let credential = signature.and_then(|signature| signature.split_once("Credential="));
    credential.and_then(|(_, scope)| scope.split('/').next()).unwrap_or_default()
}

fn denied(Kind { table, operation, .. }: &Kind) -> Response {
    let why = format!("not authorized to perform dynamodb:{operation} on table {table:?}");
    let body =
        json!({ "__type": "com.amazon.coral.service#AccessDeniedException", "Message": why });
    (StatusCode::BAD_REQUEST, body.to_string()).into_response()
}

/// Counts a request as open until it is answered, or its sender is gone.
struct Open<'a>(&'a AtomicUsize);

impl<'a> Open<'a> {
    fn new(open: &'a AtomicUsize) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(open)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
