//! Everything that runs: DynamoDB on a file, the proxy that counts what it is asked and by whom, the functions
//! and the schedules that have their collectors make rounds.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use beldi::store::DynamoStore;
use cloud::aws;
use cloud::lambda::{Counts, Function, Lambda, killer};
use cloud::proxy::{Kind, Proxy};
use dynamodb::Dynoxide;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use crate::Result;
use crate::args::Args;
use crate::build::{self, BANK, RAW, TRAVEL};
use crate::tables::Rows;

/// How often the collectors make a round: the intents', the garbage's.
const ROUNDS: [(&str, Duration); 2] =
    [("intents", Duration::from_millis(500)), ("garbage", Duration::from_secs(5))];
/// How long an invocation may take.
const TIME_OUT: Duration = Duration::from_secs(10);
/// Invocations of a function that may run at once.
const SLOTS: usize = 32;
/// The latest moment for a kill: most invocations take less.
const LATEST_KILL: Duration = Duration::from_millis(120);
/// How long it may take until nothing is unfinished and nothing locked.
const PATIENCE: Duration = Duration::from_secs(90);
/// The services' tables, and what seals the messages between them.
pub(crate) const TRAVEL_TABLE: &str = "travel";
pub(crate) const BANK_TABLE: &str = "bank";
pub(crate) const RAW_TABLE: &str = "raw";
/// What the attribute of a result begins with that a callee has brought to its caller's intent.
const CALLED_BACK: &str = "back/";
const SHARED_KEY: &str = "only the travel agency and the bank know this";

pub(crate) struct Stage {
    chance: f64,
    platform: Platform,
    proxy: Proxy,
    client: aws_sdk_dynamodb::Client,
    /// Held until the end.
    _server: Option<Dynoxide>,
    _folder: Option<TempDir>,
}

/// Where the functions are.
enum Platform {
    Ours(Lambda),
    /// Somewhere that has no schedules, or none that we could set.
    Elsewhere {
        url: String,
        _schedules: JoinSet<()>,
    },
}

/// Requests that arrived at DynamoDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Requests {
    pub(crate) all: u64,
    /// Of an index: that is how collectors find out whether there is something to do.
    pub(crate) index: u64,
}

impl std::ops::Sub for Requests {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self { all: self.all - before.all, index: self.index - before.index }
    }
}

impl Stage {
    pub(crate) async fn start(args: &Args) -> Result<Self> {
        let (folder, temporary) = folder(args)?;
        let server =
            args.dynamodb.is_none().then(|| Dynoxide::on_file(folder.join("dynamodb.db"), 0));
        let url = server.as_ref().map(Dynoxide::url).or_else(|| args.dynamodb.clone());
        let proxy = Proxy::start(args.port.unwrap_or_default(), url.unwrap_or_default()).await?;
        proxy.watch(CALLED_BACK);
        let client = aws_sdk_dynamodb::Client::from_conf(
            dynamodb::config(&proxy.endpoint()).region(aws::region()).build(),
        );
        for table in [TRAVEL_TABLE, BANK_TABLE, RAW_TABLE] {
            DynamoStore::new(client.clone(), table).create_table().await?;
        }
        let platform = match &args.lambda {
            Some(url) => Platform::elsewhere(url),
            None => Platform::ours(args, &folder, &proxy).await?,
        };
        let chance = args.kill;
        Ok(Self { chance, platform, proxy, client, _server: server, _folder: temporary })
    }

    pub(crate) fn lambda_url(&self) -> String {
        match &self.platform {
            Platform::Ours(lambda) => lambda.endpoint(),
            Platform::Elsewhere { url, .. } => url.clone(),
        }
    }

    pub(crate) fn begin_to_kill(&self, seed: u64) {
        if let Platform::Ours(lambda) = &self.platform {
            lambda.kill(killer::at_random(seed, self.chance, LATEST_KILL));
        }
    }

    pub(crate) fn end_to_kill(&self) {
        if let Platform::Ours(lambda) = &self.platform {
            lambda.kill(|_| None);
        }
    }

    /// Whether processes are killed here.
    pub(crate) fn kills(&self) -> bool {
        matches!(self.platform, Platform::Ours(_))
    }

    pub(crate) fn counts(&self, functions: &[&str]) -> Counts {
        match &self.platform {
            Platform::Ours(lambda) => functions.iter().map(|name| lambda.counts(name)).sum(),
            Platform::Elsewhere { .. } => Counts::default(),
        }
    }

    /// How often a function asked for a table that is not its own.
    pub(crate) fn trespasses(&self) -> u64 {
        self.proxy.refused()
    }

    /// Results that a service has brought to another, which did not wait for them, until now.
    pub(crate) fn callbacks(&self) -> usize {
        self.proxy.written()
    }

    /// Requests for these tables until now.
    pub(crate) fn requests(&self, tables: &[&str]) -> Requests {
        let is_ours = |kind: &Kind| tables.contains(&&*kind.table);
        let all = self.proxy.requests(is_ours);
        Requests { all, index: self.proxy.requests(|kind| is_ours(kind) && kind.of_index) }
    }

    /// What is in the tables when nothing is unfinished and nothing locked any more; or, if it does not
    /// come to that, when patience is over.
    pub(crate) async fn settled(&self) -> Result<[Rows; 2]> {
        let began = Instant::now();
        loop {
            let tables = [self.rows(TRAVEL_TABLE).await?, self.rows(BANK_TABLE).await?];
            let open =
                tables.iter().map(|rows| rows.locks() + rows.roots("running")).sum::<usize>();
            if open == 0 || began.elapsed() > PATIENCE {
                return Ok(tables);
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// What is in a table.
    pub(crate) async fn rows(&self, table: &str) -> Result<Rows> {
        Rows::read(&self.client, table).await
    }
}

impl Platform {
    async fn ours(args: &Args, folder: &Path, proxy: &Proxy) -> Result<Self> {
        let programs = build::programs(args)?;
        let peer = |function: &str| json!({ "function": function, "key": SHARED_KEY });
        let function = |name: &str, table: &str, peers: Value| {
            proxy.only(name, table);
            Function::new(name, programs.join(name))
                .env("BELDI_TABLE", table)
                .env("BELDI_PEERS", peers.to_string())
                .env("AWS_ENDPOINT_URL_DYNAMODB", proxy.endpoint())
                .time_out(TIME_OUT)
                .slots(SLOTS)
                .retries(2, Duration::from_secs(1))
                .log(&folder.join(format!("{name}.log")))
        };
        let functions = [
            function(TRAVEL, TRAVEL_TABLE, json!({ "bank": peer(BANK) })),
            function(BANK, BANK_TABLE, json!({ "travel": peer(TRAVEL) })),
            function(RAW, RAW_TABLE, json!({})),
        ];
        let mut lambda = Lambda::start(functions).await?;
        for (function, payload, period) in rounds() {
            lambda.every(period, function, payload);
        }
        Ok(Self::Ours(lambda))
    }

    fn elsewhere(url: &str) -> Self {
        let mut schedules = JoinSet::new();
        for (function, payload, period) in rounds() {
            let client = aws::lambda(url);
            schedules.spawn(async move {
                // A process of its own for each invocation that runs is not to be had everywhere.
                let mut clock = interval(4 * period);
                loop {
                    clock.tick().await;
                    let payload = aws_sdk_lambda::primitives::Blob::new(payload.clone());
                    let _ = client.invoke().function_name(function).payload(payload).send().await;
                }
            });
        }
        Self::Elsewhere { url: url.to_owned(), _schedules: schedules }
    }
}

/// What is invoked with what, and how often.
fn rounds() -> impl Iterator<Item = (&'static str, String, Duration)> {
    [TRAVEL, BANK].into_iter().flat_map(|function| {
        ROUNDS.map(|(tick, period)| {
            (function, json!({ "beldi": { "tick": tick } }).to_string(), period)
        })
    })
}

/// Where the database is; removed at the end, unless it is to be kept.
fn folder(args: &Args) -> Result<(PathBuf, Option<TempDir>)> {
    match &args.keep {
        Some(folder) => {
            fs::create_dir_all(folder)?;
            Ok((folder.clone(), None))
        }
        None => {
            let folder = tempfile::Builder::new().prefix("e2e").tempdir()?;
            Ok((folder.path().to_owned(), Some(folder)))
        }
    }
}
