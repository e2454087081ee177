//! The way to a DynamoDB: blocking, counted, and as bad as a test wants it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_dynamodb::error::ConnectorError;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use ureq::Agent;

use super::faults::{Faulty, Verdict, WireFault, WireFaults};

/// The way from a client to a DynamoDB. Clones are the same way.
///
/// ```no_run
/// use beldi::store::{DynamoStore, Key, Store};
/// use beldi::testing::dynamodb::{Wire, WireFaults};
///
/// # beldi::testing::in_virtual_time(async {
/// let faults: WireFaults = "throttle=0.9, seed=17".parse().unwrap();
/// let wire = Wire::to("http://127.0.0.1:8000").faults(faults);
/// let store = DynamoStore::new(wire.client(), "travel");
/// store.get(&Key::new("hotels", "ritz")).await?;
/// assert!(wire.requests()["GetItem"] > 1);
/// # Ok::<(), beldi::store::StoreError>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Wire {
    url: String,
    agent: Agent,
    requests: Arc<Mutex<BTreeMap<String, u64>>>,
    /// What goes wrong, if something does: then requests go one after the other.
    faulty: Option<Arc<Mutex<Faulty>>>,
}

/// A request, so that it can be sent when nobody waits for it any more.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    uri: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Wire {
    /// A good way to the server at this address.
    pub fn to(url: &str) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).proxy(None);
        let (agent, requests) = (config.build().into(), Arc::default());
        Self { url: url.to_owned(), agent, requests, faulty: None }
    }

    /// The same way, on which things go wrong.
    #[must_use]
    pub fn faults(self, faults: WireFaults) -> Self {
        Self { faulty: Some(Arc::new(Mutex::new(Faulty::new(faults)))), ..self }
    }

    /// A client that goes this way, with credentials that only a local server takes.
    pub fn client(&self) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "tests"))
            .http_client(self.clone())
            .endpoint_url(&*self.url);
        Client::from_conf(config.build())
    }

    /// How often each operation was sent.
    pub fn requests(&self) -> BTreeMap<String, u64> {
        lock(&self.requests).clone()
    }

    /// What went wrong how often.
    pub fn injected(&self) -> BTreeMap<WireFault, u64> {
        let faulty = self.faulty.as_ref();
        faulty.map_or_else(BTreeMap::new, |faulty| lock(faulty).injected.clone())
    }

    /// Whether a request may arrive when nobody waits for it any more.
    pub(super) fn is_late(&self) -> bool {
        self.faulty.as_ref().is_some_and(|faulty| lock(faulty).has(WireFault::Late))
    }

    /// Lets all that is late arrive now; tells whether there was something.
    pub(super) fn let_arrive(&self) -> bool {
        let faulty = self.faulty.as_ref();
        let late = faulty.map_or_else(Vec::new, |faulty| lock(faulty).all_late());
        for sent in &late {
            let _ = self.send(sent);
        }
        !late.is_empty()
    }

    fn transfer(&self, request: &HttpRequest) -> Result<Reply, ConnectorError> {
        let sent = Sent::of(request);
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        *lock(&self.requests).entry(operation.to_owned()).or_default() += 1;
        let Some(faulty) = &self.faulty else { return self.send(&sent) };
        let mut faulty = lock(faulty);
        for late in faulty.late() {
            let _ = self.send(&late);
        }
        match faulty.judge(operation, &sent) {
            Verdict::Send => Ok(faulty.shown(operation, &sent, self.send(&sent)?)),
            Verdict::Answer(reply) => Ok(reply),
            Verdict::Lose => Err(ConnectorError::timeout("the request is lost".into())),
            Verdict::LoseReply => {
                self.send(&sent)?;
                Err(ConnectorError::io("the reply is lost".into()))
            }
        }
    }

    fn send(&self, sent: &Sent) -> Result<Reply, ConnectorError> {
        let io = |error: ureq::Error| ConnectorError::io(error.into());
        let request = self.agent.post(&sent.uri);
        let request = sent
            .headers
            .iter()
            .fold(request, |request, (name, value)| request.header(name.as_str(), value.as_str()));
        let mut response = request.send(&sent.body).map_err(io)?;
        let body = response.body_mut().with_config().limit(u64::MAX).read_to_vec().map_err(io)?;
        Ok(Reply { status: response.status().as_u16(), body })
    }
}

impl Sent {
    fn of(request: &HttpRequest) -> Self {
        let own = ["host", "content-length"];
        let headers = request.headers().iter().filter(|(name, _)| !own.contains(name));
        Self {
            uri: request.uri().to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: request.body().bytes().unwrap_or_default().to_owned(),
        }
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let response = self.transfer(&request).and_then(|reply| {
            let status = StatusCode::try_from(reply.status);
            let status = status.map_err(|error| ConnectorError::other(error.into(), None))?;
            Ok(HttpResponse::new(status, SdkBody::from(reply.body)))
        });
        HttpConnectorFuture::ready(response)
    }
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("url", &self.url).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
