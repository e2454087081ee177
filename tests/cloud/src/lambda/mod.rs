//! A Lambda of our own: functions as processes of this machine, behind the two interfaces that Lambda
//! has, and with a hand on which process dies and when.
//!
//! ```text
//! client ── Invoke API ─► invoke ─► pool ─► worker ◄─ Runtime API ── process
//!                            ▲                │ ▲
//!                        schedule             │ └─ killer
//!                                             └─ starts it, stops its clock, ends it
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | [`function`] | a function: its program, environment, limits |
//! | `invoke` | the Invoke API: what comes in, what is refused, what is repeated |
//! | `pool` | the processes of each function: one for each invocation that runs |
//! | `worker` | the life of one process |
//! | `runtime` | the Runtime API, which a process asks for its next invocation |
//! | [`killer`] | which process dies, and when |
//! | [`counts`] | what there is to count |
//!
//! As on Lambda, a process has one invocation at a time, stands still between two, is killed when it
//! is late, and gets nothing from the environment of its host. Not here: streamed responses,
//! extensions, layers, versions, memory limits, signatures.

pub mod counts;
pub mod function;
mod invoke;
pub mod killer;
mod pool;
mod runtime;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

pub use counts::Counts;
pub use function::Function;
pub use killer::{Begun, Moment};

use pool::Pool;

/// The host. Dropping it kills every process that it started.
///
/// ```
/// use cloud::lambda::{Function, Lambda};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let echo = Function::new("echo", "target/debug/echo").env("GREETING", "hello");
/// let lambda = Lambda::start([echo]).await?;
/// println!("{}", lambda.endpoint()); // what AWS_ENDPOINT_URL_LAMBDA is set to
/// # Ok::<(), std::io::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Lambda {
    pool: Arc<Pool>,
    address: SocketAddr,
    /// The server and the schedules.
    tasks: JoinSet<()>,
}

impl Lambda {
    /// Listens on a port of this machine; processes are started when they are needed.
    ///
    /// # Errors
    ///
    /// When there is no port to listen on.
    pub async fn start(functions: impl IntoIterator<Item = Function>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let pool = Pool::new(address, functions);
        let routes = Router::new().merge(invoke::routes()).merge(runtime::routes());
        let routes = routes.with_state(Arc::clone(&pool));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::error!(%error, "the host of the functions stopped");
            }
        });
        Ok(Self { pool, address, tasks })
    }

    /// Where the Invoke API is.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Invokes the function with this payload again and again, as a schedule does whose period is longer
    /// than the function's time-out: one after the other, and what fails is not repeated.
    pub fn every(&mut self, period: Duration, function: &str, payload: impl Into<Bytes>) {
        let (pool, function, payload) =
            (Arc::clone(&self.pool), function.to_owned(), payload.into());
        self.tasks.spawn(async move {
            let mut clock = interval(period);
            clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                clock.tick().await;
                invoke::once(&pool, &function, payload.clone()).await;
            }
        });
    }

    /// Asks this, for every invocation that begins, whether and when its process dies; see
    /// [`killer::at_random`]. The first to be asked from now on, in place of the one before.
    pub fn kill(&self, script: impl FnMut(&Begun<'_>) -> Option<Moment> + Send + 'static) {
        self.pool.set_script(script);
    }

    /// Kills the processes of the function that have no invocation, and tells how many these were.
    pub fn kill_idle(&self, function: &str) -> usize {
        self.pool.kill_idle(function)
    }

    /// The ids of the function's processes.
    pub fn processes(&self, function: &str) -> Vec<u32> {
        self.pool.processes(function)
    }

    /// What happened to the function until now.
    pub fn counts(&self, function: &str) -> Counts {
        self.pool.counts(function)
    }

    /// What happened to all functions until now.
    pub fn all_counts(&self) -> Counts {
        self.pool.all_counts()
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        self.tasks.abort_all();
        self.pool.close();
    }
}
