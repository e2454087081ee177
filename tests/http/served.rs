//! A service on a port of its own, and a client.

use beldi::store::MemoryStore;
use beldi::testing::{Fault, FaultyStore, Gate, RequestKind};
use beldi::{Host, Limits};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::service::app;

pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) store: FaultyStore,
    client: Client,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<beldi::Result<()>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

pub(crate) async fn serve() -> Served {
    serve_with(Limits::default(), FaultyStore::new(MemoryStore::new())).await
}

pub(crate) async fn serve_with(limits: Limits, store: FaultyStore) -> Served {
    serve_host(app().limits(limits).open(store.clone()).unwrap(), store).await
}

pub(crate) async fn serve_host(host: Host, store: FaultyStore) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(host.serve_on(listener, async { drop(stopped.await) }));
    Served { url, store, client: client(), stop, serving }
}

pub(crate) fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

impl Served {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// A call, to be given headers and awaited by [`answer`].
    pub(crate) fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.request(Method::POST, path).json(body)
    }

    pub(crate) async fn call(&self, path: &str, body: Value) -> Answer {
        answer(self.post(path, &body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    /// The instance, as soon as it is in that state.
    pub(crate) async fn instance_when(&self, key: &str, state: &str) -> Value {
        loop {
            let instance = self.get(&format!("/instances/{key}")).await;
            if instance.body.get("state").is_some_and(|now| now == state) {
                return instance.body;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// The first update of a row of that table waits at the gate.
    pub(crate) fn gate_before_writing(&self, table: &'static str) -> Gate {
        let gate = Gate::default();
        let mut next = Some(gate.clone());
        self.store.script(move |request| match request.kind {
            RequestKind::Update if request.target.contains(table) => {
                next.take().map_or(Fault::None, Fault::WaitBefore)
            }
            _ => Fault::None,
        });
        gate
    }

    /// Tells the host to stop; join what it gives to wait until it has.
    pub(crate) fn stop(self) -> JoinHandle<beldi::Result<()>> {
        self.stop.send(()).unwrap();
        self.serving
    }
}

/// Sends the request; a body that is no JSON would be a bug.
pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.json().await.unwrap();
    Answer { status, headers, body }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The stable code of a problem.
    pub(crate) fn code(&self) -> (u16, &str) {
        (self.status, self.body["error"]["code"].as_str().unwrap_or("no code"))
    }
}
