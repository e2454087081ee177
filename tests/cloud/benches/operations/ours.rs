//! The operations as steps of a handler.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use beldi::store::DynamoStore;
use beldi::{App, Host, Limits, Table, When};
use cloud::proxy::Proxy;
use tokio::time::{Instant, sleep};

use crate::{Operation, Result};

const ROWS: Table<str, String> = Table::new("rows");
/// What was written here has registered its root.
const BEGUN: Table<str, u32> = Table::new("begun");

/// As long as in the original benchmark.
pub(crate) const VALUE: &str = "0123456789abcdef";

/// The times at which a handler was somewhere.
static LAPS: Mutex<Vec<Instant>> = Mutex::new(Vec::new());

fn lap() {
    LAPS.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
}

/// One operation, in a root that is under way: what the step takes.
#[beldi::ssf]
async fn step((operation, key): (Operation, String)) {
    BEGUN.put(&key, &0).await;
    lap();
    act(operation, &key).await;
    lap();
}

/// One operation and nothing else: what the whole request takes.
#[beldi::ssf]
async fn request((operation, key): (Operation, String)) {
    act(operation, &key).await;
}

#[beldi::part]
async fn act(operation: Operation, key: &str) {
    let value = VALUE.to_owned();
    let as_expected = match operation {
        Operation::Read => ROWS.get(key).await.is_some(),
        Operation::Write => {
            ROWS.put(key, &value).await;
            true
        }
        Operation::CondWriteTrue => ROWS.put(key, &value).when(When::exists()).await,
        Operation::CondWriteFalse => !ROWS.put(key, &value).when(When::absent()).await,
        Operation::Call => nothing().await,
    };
    assert!(as_expected, "{operation:?}");
}

#[beldi::ssf]
async fn nothing() -> bool {
    true
}

/// The service.
pub(crate) struct Ours {
    host: Host,
    marks: u32,
}

impl Ours {
    pub(crate) fn open(store: DynamoStore) -> Result<Self> {
        // Collectors would be measured now and then.
        let never = Duration::from_secs(24 * 3600);
        let limits = Limits { collect_every: never, garbage_every: never, ..Limits::default() };
        let marks = limits.marks;
        let app = App::new("bench").limits(limits).ssf(step).ssf(request).ssf(nothing);
        Ok(Self { host: app.open(store)?, marks })
    }

    /// There is a value.
    pub(crate) async fn fill(&self, key: &str) -> Result<()> {
        Ok(self.host.call(request((Operation::Write, key.to_owned()))).await?)
    }

    /// Gives the item so many older rows.
    pub(crate) async fn grow_log(&self, key: &str, rows: u32) -> Result<()> {
        for _ in 0..=rows * self.marks {
            self.fill(key).await?;
        }
        Ok(())
    }

    pub(crate) async fn time_step(&self, operation: Operation, key: &str) -> Result<Duration> {
        LAPS.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.host.call(step((operation, key.to_owned()))).await?;
        match LAPS.lock().unwrap_or_else(PoisonError::into_inner)[..] {
            [began, ended] => Ok(ended - began),
            _ => Err("the handler ran more than once".into()),
        }
    }

    pub(crate) async fn time_request(&self, operation: Operation, key: &str) -> Result<Duration> {
        let began = Instant::now();
        let name = format!("request-{}", fastrand::u64(..));
        self.host.call(request((operation, key.to_owned()))).key(name).await?;
        Ok(began.elapsed())
    }

    /// Until what follows a reply is done.
    pub(crate) async fn at_rest(&self, proxy: &Proxy) {
        let mut before = None;
        loop {
            let now = proxy.requests(|_| true);
            if before.replace(now) == Some(now) && !proxy.is_busy() {
                return;
            }
            sleep(Duration::from_millis(1)).await;
        }
    }
}
