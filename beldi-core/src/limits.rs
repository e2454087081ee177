//! A number for everything that could grow without end.

use std::time::Duration;

use crate::store::MAX_ROW;

/// The largest value of an item, in bytes as [`Value::size`](crate::Value::size) counts: a row, less
/// the room its head needs for marks.
///
/// A larger one parks the instance. See [`Reason`](crate::Reason).
pub const MAX_VALUE: usize = MAX_ROW - 24 * 1024;
/// The largest input of an SSF, in bytes as [`Value::size`](crate::Value::size) counts: a row, less the
/// room for what becomes of it.
///
/// A larger one is refused before anything has happened. See [`Reason`](crate::Reason).
pub const MAX_INPUT: usize = MAX_VALUE;
/// The largest result an `update` closure may return, in bytes: it is stored with the mark.
///
/// A larger one parks the instance. See [`Reason`](crate::Reason).
pub const MAX_UPDATE_RESULT: usize = 1024;
/// The most bytes of observations a journal slot keeps in one row; what is over goes into parts.
pub(crate) const MAX_SLOT: usize = 320 * 1024;
/// The most bytes an input and the first slot may take together to be written in one row: the
/// result has to find room there too.
pub(crate) const MAX_FIRST_SLOT: usize = 64 * 1024;
/// The most outcomes of effects that are not logged yet; a replay issues no more of them again.
pub(crate) const MAX_UNLOGGED_OUTCOMES: usize = 64;
/// The most bytes that the items to be pruned take in the intent of a finished root; more stand in rows
/// of their own.
pub(crate) const MAX_ITEMS: usize = 4 * 1024;
/// The longest text of a reason that is stored, in bytes: a row that is nearly full has to hold one too.
pub(crate) const MAX_REASON: usize = 4 * 1024;
/// With less time than this left, no effect is begun: there has to be some to tell how far it came.
pub(crate) const LAST_STEP: Duration = Duration::from_millis(100);
/// Results larger than this, or larger than [`MAX_INPUT`] together with their input, are recorded before
/// the reply, so that one too large for its row is noticed in time.
pub(crate) const LARGE_RESULT: usize = 64 * 1024;
/// The largest result that another service may leave beside an unfinished root, in bytes; a larger one
/// is asked for.
pub(crate) const MAX_CALLED_BACK: usize = 16 * 1024;
/// The longest request key, in bytes. See [`Error::BadKey`](crate::Error::BadKey).
pub const MAX_REQUEST_KEY: usize = 256;
/// The largest letter between services, in bytes: base64 makes it a third more, and an invocation of AWS
/// Lambda may have 6 MB. See [`Transport`](crate::on_demand::Transport).
pub const MAX_LETTER: usize = 4 * 1024 * 1024;
/// How long a letter may be under way, in milliseconds; more than clocks differ.
pub(crate) const LETTER_TIME: u64 = 15 * 60 * 1000;
/// The form of letters that this version writes and reads.
pub(crate) const LETTER_FORM: u8 = 1;
/// The most that [`Limits::marks`] may be: a spill names each of them in a condition.
const MAX_MARKS: u32 = 100;
/// The shortest secret that two services may share, in bytes.
pub(crate) const MIN_SECRET: usize = 16;
/// The deepest chain of calls inside a service.
///
/// A deeper one parks the instance. See [`Reason`](crate::Reason).
pub const MAX_CALL_DEPTH: u32 = 64;

/// What an [`App`](crate::App) allows; every field has a sensible default.
///
/// ```
/// use std::time::Duration;
///
/// use beldi::{App, Limits};
///
/// let limits = Limits { attempts: 3, attempt_time: Duration::from_secs(5), ..Limits::default() };
/// let app = App::new("travel").limits(limits);
/// # drop(app);
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    /// Attempts of an instance before it is parked. Attempts that the store cut short do not count.
    /// Default: 10.
    pub attempts: u32,
    /// How long one attempt may take. Default: 30 s.
    pub attempt_time: Duration,
    /// How long one store request may take before it is sent again. A store that
    /// [is patient](crate::store::Store::is_patient) has limits of its own for that. Default: 5 s.
    pub request_time: Duration,
    /// How often a store request is sent before the attempt halts. A patient store's is sent once, and
    /// then as often as that likes. Default: 4.
    pub request_tries: u32,
    /// How long a caller outside waits for a result before it is told to ask again. Default: 60 s.
    pub call_time: Duration,
    /// Attempts of roots that run at once; more wait. Default: 256.
    pub concurrency: usize,
    /// HTTP requests that are kept waiting beyond `concurrency`; further ones are told to come back
    /// later. Default: 1024.
    pub waiting: usize,
    /// How long a host that is told to stop lets running requests and attempts end. Default: 10 s.
    pub patience: Duration,
    /// The largest HTTP request body, in bytes. Default: 256 KiB.
    pub body: usize,
    /// The wait before the second attempt; doubled for each further one. Default: 100 ms.
    pub backoff: Duration,
    /// The longest wait between two attempts. Default: 60 s.
    pub backoff_max: Duration,
    /// How often the intent collector looks for what is overdue. Default: 1 s.
    pub collect_every: Duration,
    /// How far the horizon of the garbage collector stays behind the present: what is finished is
    /// kept that long at least. Should be more than twice the time of an attempt: a shorter one costs
    /// requests. Must be more than twice what the clocks of the service's hosts differ by. Default: 5 min.
    pub lag: Duration,
    /// How often the garbage collector runs. Default: 1 min.
    pub garbage_every: Duration,
    /// How long one run of the garbage collector may take before it stops, to go on in the next; waiting
    /// for other services does not count. Default: 20 s.
    pub garbage_time: Duration,
    /// How long the result of a finished request answers those that come again with its key, from
    /// its collection on. See [`App::redelivery`](crate::App::redelivery). Where other services call, it
    /// must not be shorter than the 15 minutes for which their letters are good. Default: 7 days.
    pub redelivery: Duration,
    /// Marks in the head of an item before they are spilled to an older row. Default: 16, at most 100:
    /// DynamoDB takes no request that names many more.
    pub marks: u32,
    /// The most items a transaction may lock. Default: 100.
    pub txn_keys: usize,
    /// How long one try of a transaction may hold locks; then whoever meets one may abort it. The
    /// same, if possible, for services that call each other in transactions. Default: 10 s.
    pub txn_time: Duration,
    /// How long a step waits for somebody else's lock before the attempt fails. More than twice
    /// `txn_time`, so that two holders that died one after the other are out of the way by
    /// then. Default: 25 s.
    pub lock_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attempts: 10,
            attempt_time: Duration::from_secs(30),
            request_time: Duration::from_secs(5),
            request_tries: 4,
            call_time: Duration::from_secs(60),
            concurrency: 256,
            waiting: 1024,
            patience: Duration::from_secs(10),
            body: 256 * 1024,
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(60),
            collect_every: Duration::from_secs(1),
            lag: Duration::from_secs(5 * 60),
            garbage_every: Duration::from_secs(60),
            garbage_time: Duration::from_secs(20),
            redelivery: Duration::from_secs(7 * 24 * 3600),
            marks: 16,
            txn_keys: 100,
            txn_time: Duration::from_secs(10),
            lock_wait: Duration::from_secs(25),
        }
    }
}

impl Limits {
    /// Why no service can run with these, if so.
    pub(crate) fn check(&self) -> Result<(), String> {
        if (1..=MAX_MARKS).contains(&self.marks) {
            return Ok(());
        }
        let marks = self.marks;
        Err(format!(
            "`Limits::marks` is {marks}; it has to be at least 1, and at most {MAX_MARKS} fit into one request"
        ))
    }

    /// How long a begun attempt counts as alive: its time, and room for its last request.
    pub(crate) fn lease(&self) -> Duration {
        self.attempt_time.saturating_add(self.request_time.saturating_mul(2))
    }

    /// The wait after the given number of attempts, with `chance` (any random number) as jitter.
    pub(crate) fn backoff_after(&self, attempts: u32, chance: u64) -> Duration {
        let doubled = self.backoff.saturating_mul(1 << attempts.saturating_sub(1).min(20));
        let longest = doubled.min(self.backoff_max);
        let millis = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX).max(1);
        Duration::from_millis(millis / 2 + chance % (millis / 2 + 1))
    }
}
