//! What a function is made of, and how it is run.

use std::fmt;
use std::sync::Arc;

use aws_sdk_lambda::Client;
use beldi::store::{DynamoStore, Store};
use beldi::{App, IntoHandler};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::host::Host;
use crate::invoke::Invoke;
use crate::routes::Routes;
use crate::settings::{Peer, Settings};
use crate::source::Source;
use crate::{clients, logs, metrics, settings};
use beldi::on_demand::{OnDemand, SharedKey, Transport};

/// Runs a service as a Lambda function, as its environment says: `Function::new(app).run()`.
///
/// ```no_run
/// const VISITS: beldi::Table<str, u64> = beldi::Table::new("visits");
///
/// #[beldi::ssf]
/// async fn visit(page: String) -> u64 {
///     VISITS.update(&page, |visits| *visits.insert(visits.unwrap_or(0) + 1)).await
/// }
///
/// #[tokio::main]
/// async fn main() -> Result<(), beldi_lambda::Error> {
///     beldi_lambda::run(beldi::App::new("site").ssf(visit)).await
/// }
/// ```
///
/// # Errors
///
/// If the environment lacks something, or the Runtime API is gone.
pub async fn run(app: App) -> Result<(), crate::Error> {
    Function::new(app).run().await
}

/// A service as a Lambda function, with what cannot be guessed of it.
///
/// ```no_run
/// use beldi::{App, Table};
/// use beldi_lambda::{Function, Source};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Order {
///     id: String,
///     article: String,
/// }
///
/// const ORDERS: Table<str, Order> = Table::new("orders");
///
/// #[beldi::ssf]
/// async fn take_order(order: Order) {
///     ORDERS.put(&order.id, &order).await;
/// }
///
/// #[beldi::ssf]
/// async fn cancel_order(id: String) {
///     ORDERS.delete(&id).await;
/// }
///
/// #[tokio::main]
/// async fn main() -> Result<(), beldi_lambda::Error> {
///     let app = App::new("shop").ssf(take_order).ssf(cancel_order);
///     Function::new(app)
///         .route(Source::queue("orders").key("/id"), take_order)
///         .route(Source::queue("cancellations"), cancel_order)
///         .run()
///         .await
/// }
/// ```
#[must_use = "a function does nothing until it is run or opened"]
pub struct Function {
    app: App,
    ssf: Option<String>,
    routes: Routes,
    connect: Vec<Connect>,
}

/// Makes a connection of a service that is open.
type Connect = Box<dyn FnOnce(&OnDemand) + Send>;

impl Function {
    /// A function for all SSFs of a service.
    pub fn new(app: App) -> Self {
        Self { app, ssf: None, routes: Routes::default(), connect: Vec::new() }
    }

    /// Names the SSF that takes what comes from a source. The first source that fits counts; what none
    /// fits goes to the SSF that the function [stands for](Function::stands_for).
    pub fn route<M, F: IntoHandler<M>>(mut self, source: Source, ssf: F) -> Self {
        self.routes.add(source, name_of(&ssf));
        self
    }

    /// Names the SSF that takes events which name none, in the place of `BELDI_SSF`. If the service
    /// has only one SSF, it need not be named. See [`Function`].
    pub fn stands_for<M, F: IntoHandler<M>>(mut self, ssf: F) -> Self {
        self.ssf = Some(name_of(&ssf).to_owned());
        self
    }

    /// Connects another owner's service: what seals the messages of both, and how it is reached. Those
    /// in `BELDI_PEERS` are reached by invoking their function.
    pub fn peer(mut self, service: &str, key: SharedKey, transport: impl Transport) -> Self {
        let service = service.to_owned();
        self.connect.push(Box::new(move |open| open.connect(&service, key, transport)));
        self
    }

    /// Opens the function on a store of one's own: for tests, which hand it events with
    /// [`Host::invoke`].
    ///
    /// # Errors
    ///
    /// If two SSFs have one name, or a limit cannot be kept.
    pub fn open(self, store: impl Store) -> Result<Host, Failure> {
        self.open_with(store, Settings::default(), None)
    }

    /// Runs the function until the process ends.
    ///
    /// # Errors
    ///
    /// If the environment lacks something, or the Runtime API is gone.
    pub async fn run(self) -> Result<(), crate::Error> {
        logs::install();
        let host = Arc::new(self.open_on_aws().await.inspect_err(Failure::report)?);
        let recorded = metrics::install(&settings::namespace(), host.service());
        let handler = move |event: LambdaEvent<Box<RawValue>>| {
            let host = Arc::clone(&host);
            async move {
                let reply = host.invoke(event.payload, &event.context).await;
                if let Some(recorded) = recorded {
                    metrics::print(recorded);
                }
                reply
            }
        };
        lambda_runtime::run_concurrent(service_fn(handler)).await
    }

    /// Opens it as its environment says.
    async fn open_on_aws(self) -> Result<Host, Failure> {
        let settings = Settings::from_env()?;
        let table = settings.needed_table()?;
        let aws = clients::configured().await;
        let store = DynamoStore::new(clients::dynamodb(&aws), table);
        let host = self.open_with(store.clone(), settings, Some(&clients::lambda(&aws)))?;
        Ok(host.looking_after(store))
    }

    fn open_with(
        mut self,
        store: impl Store,
        settings: Settings,
        lambda: Option<&Client>,
    ) -> Result<Host, Failure> {
        let open = self.app.on_demand(store)?;
        for connect in self.connect {
            connect(&open);
        }
        if let Some(client) = lambda {
            for (service, Peer { function, key }) in settings.peers {
                open.connect(&service, key, Invoke::new(client.clone(), function));
            }
            if let Some(itself) = settings.itself {
                open.start_with(Invoke::new(client.clone(), itself));
            }
        }
        self.routes.set_default(the_one(&open, self.ssf.or(settings.ssf))?);
        Ok(Host::new(open, self.routes))
    }
}

fn name_of<M, F: IntoHandler<M>>(_: &F) -> &'static str {
    <F::Ssf as beldi::Ssf>::NAME
}

/// The SSF that takes what names none: the one named, or the only one.
fn the_one(open: &OnDemand, named: Option<String>) -> Result<Option<String>, Failure> {
    let known: Vec<_> = open.ssfs().collect();
    match (named, &*known) {
        (Some(named), _) if known.contains(&&*named) => Ok(Some(named)),
        (Some(named), _) => Err(Failure::misconfigured(format!(
            "this function stands for the SSF `{named}` (BELDI_SSF), and service `{}` has {}",
            open.name(),
            known.join(", ")
        ))),
        (None, [only]) => Ok(Some((*only).to_owned())),
        (None, _) => Ok(None),
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { app, ssf, routes, .. } = self;
        f.debug_struct("Function")
            .field("app", app)
            .field("ssf", ssf)
            .field("routes", routes)
            .finish_non_exhaustive()
    }
}
