//! One invocation: what it is about, who does it, what is replied.
//!
//! Nothing outlives an invocation: whatever it began is waited for until shortly before the deadline,
//! and then cut, to go on when the intent collector comes by.

use std::fmt;

use beldi::store::DynamoStore;
use beldi::{InstanceStatus, Outside as _, RealOutside};
use lambda_runtime::Context;
use metrics::counter;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tracing::{Instrument as _, Span, field, info, info_span};

use crate::event::{Batch, Event, HttpEvent, Record, classify};
use crate::failure::{Failure, FailureKind};
use crate::intake::{self, Taken};
use crate::letter::{self, Internal, Tick};
use crate::routes::Routes;
use crate::source::{KeyFrom, Kind, key_in};
use beldi::on_demand::{Answer, Invocation, OnDemand, Round};

/// A service on a store, to be handed invocations. Any number may run at once. See
/// [`Function::open`](crate::Function::open).
///
/// ```
/// use beldi::{App, Table, store::MemoryStore};
/// use beldi_lambda::Function;
///
/// const VISITS: Table<str, u64> = Table::new("visits");
///
/// #[beldi::ssf]
/// async fn visit(page: String) -> u64 {
///     VISITS.update(&page, |visits| *visits.insert(visits.unwrap_or(0) + 1)).await
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let host = Function::new(App::new("site").ssf(visit)).open(MemoryStore::new())?;
/// let event = r#"{
///   "Records": [{
///     "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
///     "body": "\"home\"",
///     "eventSource": "aws:sqs",
///     "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:visits"
///   }]
/// }"#;
/// let context = beldi_lambda::Context::default();
/// for _ in 0..3 {
///     let reply = host.invoke(serde_json::from_str(event)?, &context).await?;
///     assert_eq!(reply, serde_json::json!({ "batchItemFailures": [] }));
/// }
/// let visits = host.invoke(serde_json::from_str("\"home\"")?, &context).await?;
/// assert_eq!(visits, 2); // the message was one visit, this is the second
/// # Ok(()) }
/// ```
pub struct Host {
    open: OnDemand,
    routes: Routes,
    /// Looked at now and then, if it is one of DynamoDB's.
    table: Option<DynamoStore>,
}

impl Host {
    pub(crate) fn new(open: OnDemand, routes: Routes) -> Self {
        Self { open, routes, table: None }
    }

    /// Looks at the service's table with each round of the garbage collector.
    pub(crate) fn looking_after(self, table: DynamoStore) -> Self {
        Self { table: Some(table), ..self }
    }

    /// The name of the service.
    pub fn service(&self) -> &str {
        self.open.name()
    }

    /// Handles one invocation, and gives the reply to it.
    ///
    /// # Errors
    ///
    /// What Lambda is to count as a failure, and to try again if the invocation was asynchronous.
    pub async fn invoke(
        &self,
        payload: Box<RawValue>,
        context: &Context,
    ) -> Result<Value, Failure> {
        let span = info_span!(
            "invocation",
            otel.kind = "server",
            service = self.open.name(),
            request_id = %context.request_id,
            trace_id = context.xray_trace_id,
            event = field::Empty,
            ssf = field::Empty,
            key = field::Empty,
        );
        let handled = async {
            let handled = self.handle(payload.get(), context).await;
            handled.inspect_err(Failure::report)
        };
        handled.instrument(span).await
    }

    async fn handle(&self, payload: &str, context: &Context) -> Result<Value, Failure> {
        let event = classify(payload)?;
        let invocation = self.open.invocation(deadline(context));
        let handling = Handling { invocation: &invocation, host: self };
        let handled = async {
            match event {
                Event::Internal(internal) => handling.internal(internal).await,
                Event::Http(event) => Ok(handling.http(*event).await),
                Event::Records(batch) => handling.records(&batch).await,
                Event::Plain => handling.plain(payload, &context.request_id).await,
            }
        };
        let handled = invocation.in_time(handled).await;
        invocation.end().await;
        handled.unwrap_or_else(|| Err(Failure::out_of_time()))
    }
}

/// When the invocation is cut off, if that is known: some emulators set a time that is long past.
fn deadline(context: &Context) -> Option<u64> {
    Some(context.deadline).filter(|deadline| *deadline > RealOutside.now())
}

struct Handling<'h> {
    invocation: &'h Invocation,
    host: &'h Host,
}

impl Handling<'_> {
    async fn internal(&self, internal: Internal) -> Result<Value, Failure> {
        let span = Span::current();
        let about = |event: &str, key: &str| {
            span.record("event", event).record("key", key);
        };
        match internal {
            Internal::Letter(letter) => {
                span.record("event", "letter");
                Ok(letter::write(&self.invocation.receive(&letter).await?))
            }
            Internal::Tick(tick) => {
                span.record("event", "tick");
                self.tick(tick).await
            }
            Internal::Follow(key) => {
                about("follow", &key);
                // What does not come to its end goes on without us: no reason to be invoked again.
                self.invocation.follow(&key).await?;
                Ok(Value::Null)
            }
            Internal::Instance(key) => {
                about("instance", &key);
                Ok(shown(&self.invocation.instance(&key).await?))
            }
            Internal::Resume(key) => {
                about("resume", &key);
                self.invocation.resume(&key).await?;
                self.invocation.follow(&key).await?;
                Ok(shown(&self.invocation.instance(&key).await?))
            }
        }
    }

    async fn tick(&self, tick: Tick) -> Result<Value, Failure> {
        match tick {
            Tick::Intents => {
                let round = self.invocation.collect().await?;
                let Round { begun, waiting, settled, damaged, .. } = round;
                info!(begun, waiting, settled, damaged, "the intent collector's round");
                Ok(
                    json!({ "begun": begun, "waiting": waiting, "settled": settled, "damaged": damaged }),
                )
            }
            Tick::Garbage => {
                let round = self.invocation.collect_garbage().await?;
                let (removed, complete) = (round.removed(), round.is_complete);
                info!(removed, complete, "the garbage collector's round");
                // A table that somebody changes, to one of several regions for one, is told soon.
                if let Some(table) = &self.host.table {
                    Box::pin(table.check_table()).await.map_err(beldi::Error::from)?;
                }
                Ok(json!({ "removed": removed, "complete": complete }))
            }
        }
    }

    async fn http(&self, event: HttpEvent) -> Value {
        Span::current().record("event", "http");
        let HttpEvent { front, request } = event;
        let reply = self.invocation.http(request).await;
        if reply.status().is_server_error() {
            counter!("beldi_http_failures_total").increment(1);
        }
        front.wrap(&reply)
    }

    async fn records(&self, batch: &Batch) -> Result<Value, Failure> {
        Span::current().record("event", batch.kind.name());
        let Taken { failed, failure } =
            intake::take(self.invocation, &self.host.routes, batch).await;
        let shown = |failed: &[String]| {
            let failed: Vec<_> = failed.iter().map(|id| json!({ "itemIdentifier": id })).collect();
            json!({ "batchItemFailures": failed })
        };
        match batch.kind {
            // A failure is seen by alarms, and by mappings that do not ask for single records.
            Kind::Sqs if failed.len() == batch.records.len() => {
                failure.map_or(Ok(shown(&failed)), Err)
            }
            Kind::Sqs | Kind::Invocation => Ok(shown(&failed)),
            // The first one, from which the stream is read again: a failure if that is where it was.
            Kind::Kinesis | Kind::DynamoDb => {
                let first = failed.get(..1).unwrap_or_default();
                let begins = |record: &Record| first.contains(&record.identifier);
                match batch.records.first().is_some_and(begins) {
                    true => failure.map_or(Ok(shown(first)), Err),
                    false => Ok(shown(first)),
                }
            }
            Kind::EventBridge => failure.map_or(Ok(Value::Null), Err),
        }
    }

    async fn plain(&self, payload: &str, request_id: &str) -> Result<Value, Failure> {
        let Asked { ssf, key, input } = self.asked(payload, request_id)?;
        Span::current().record("event", "plain").record("ssf", &*ssf).record("key", key.as_deref());
        let Answer { output, .. } = self.invocation.call(&ssf, key, input.as_bytes()).await?;
        Ok(output.unwrap_or_else(|detail| rejected(&ssf, &detail)))
    }

    /// The request that a plain payload is: an input, if the function stands for one SSF.
    fn asked(&self, payload: &str, request_id: &str) -> Result<Asked, Failure> {
        let own_key =
            || Some(request_id).filter(|id| !id.is_empty()).map(|id| format!("lambda/{id}"));
        if let Some((ssf, key_from)) = self.host.routes.of_invocations() {
            let key = match key_from {
                KeyFrom::Field(pointer) => Some(key_in(payload, pointer).map_err(bad_request)?),
                KeyFrom::Record | KeyFrom::DeduplicationId => own_key(),
            };
            return Ok(Asked { ssf: ssf.to_owned(), key, input: payload.to_owned() });
        }
        let named: Named = serde_json::from_str(payload).map_err(|error| {
            bad_request(format!(
                "this function has several SSFs, so a payload is \
                 `{{\"ssf\": \"..\", \"input\": .., \"key\": \"..\"}}`, the key if there is one: {error}"
            ))
        })?;
        let input = named.input.map_or_else(|| "null".to_owned(), |input| input.get().to_owned());
        Ok(Asked { ssf: named.ssf, key: named.key.or_else(own_key), input })
    }
}

/// A request for an SSF.
struct Asked {
    ssf: String,
    key: Option<String>,
    input: String,
}

/// A payload that names its SSF.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    ssf: String,
    key: Option<String>,
    input: Option<Box<RawValue>>,
}

fn bad_request(why: String) -> Failure {
    Failure::new(FailureKind::BadRequest, why)
}

/// An `Err` is a result: shown as over HTTP, and no failure of the function.
fn rejected(ssf: &str, detail: &Value) -> Value {
    let message = format!("`{ssf}` returned an error, see `detail`");
    json!({ "error": { "code": "rejected", "message": message, "detail": detail } })
}

/// An instance, for those who look after it.
fn shown(instance: &InstanceStatus) -> Value {
    let InstanceStatus { key, ssf, state, attempts, step, reason, .. } = instance;
    json!({
        "key": key, "ssf": ssf, "state": state, "attempts": attempts, "step": step, "reason": reason,
    })
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("service", &self.open.name()).finish_non_exhaustive()
    }
}
