//! A function: its program, environment and limits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the host knows of a function.
///
/// ```
/// use std::time::Duration;
///
/// use cloud::lambda::Function;
///
/// let bank = Function::new("bank", "target/release/bank-lambda")
///     .env("BELDI_TABLE", "bank")
///     .time_out(Duration::from_secs(3))
///     .slots(8);
/// assert_eq!(bank.name(), "bank");
/// ```
#[derive(Clone, Debug)]
pub struct Function {
    pub(super) name: String,
    pub(super) program: PathBuf,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) time_out: Duration,
    pub(super) slots: usize,
    pub(super) retries: u32,
    pub(super) retry_after: Duration,
    pub(super) log: Option<PathBuf>,
}

impl Function {
    /// A function with the defaults of Lambda, but for the time-out: 10 s.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            environment: BTreeMap::new(),
            time_out: Duration::from_secs(10),
            slots: 1000,
            retries: 2,
            retry_after: Duration::from_secs(60),
            log: None,
        }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A variable of its environment; there are no others but those that Lambda sets.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// How long an invocation may take.
    #[must_use]
    pub fn time_out(mut self, time_out: Duration) -> Self {
        self.time_out = time_out;
        self
    }

    /// How many invocations may run at once: its reserved concurrency.
    #[must_use]
    pub fn slots(mut self, slots: usize) -> Self {
        self.slots = slots;
        self
    }

    /// How often an event is tried again, and how long after; Lambda waits one minute and two.
    #[must_use]
    pub fn retries(mut self, retries: u32, after: Duration) -> Self {
        (self.retries, self.retry_after) = (retries, after);
        self
    }

    /// The file to which its processes append what they print. Without one it is lost.
    #[must_use]
    pub fn log(mut self, file: &Path) -> Self {
        self.log = Some(file.to_owned());
        self
    }

    pub(super) fn arn(&self) -> String {
        format!("arn:aws:lambda:us-east-1:000000000000:function:{}", self.name)
    }
}
