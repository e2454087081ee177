//! What the world outside a handler can be told. Handlers themselves never see one of these.

use std::fmt;

use crate::limits::{LETTER_FORM, MAX_LETTER, MAX_REQUEST_KEY, MIN_SECRET};
use crate::store::StoreError;

/// Why an instance was parked, or why an attempt failed.
///
/// The codes of bugs and limits, which park the instance at once (or, where it has changed nothing
/// yet, are told as [`Error::Failed`]): retrying would not help, a person has to look.
///
/// | code | what happened | what to do |
/// |---|---|---|
/// | `undecodable_value` | what is stored is not of the table's or SSF's type | give new fields a default, or migrate |
/// | `unencodable_value` | a value cannot be stored, such as NaN, or lists nested more than 31 deep | change the type |
/// | `value_too_large` | a value is over [`MAX_VALUE`](crate::MAX_VALUE) | store it in pieces, or elsewhere |
/// | `input_too_large` | the input of an SSF is over [`MAX_INPUT`](crate::MAX_INPUT) | store it elsewhere, hand over where |
/// | `update_result_too_large` | the closure of an update returned more than [`MAX_UPDATE_RESULT`](crate::MAX_UPDATE_RESULT) | return less |
/// | `row_too_large`, `invalid_key` | a row or key is over a limit of the store; an input and its result share a row | shorten it |
/// | `unstorable_value` | the store has no form for a value, such as a number of more than 38 digits | change the type |
/// | `too_complex` | an update is more than the store takes in one request | smaller conditions; lower [`Limits::marks`](crate::Limits::marks) |
/// | `rejected` | the store refused a request for good | the message tells why |
/// | `foreign_key` | a scanned table holds another kind of keys | correct the type |
/// | `call_depth` | calls are nested deeper than [`MAX_CALL_DEPTH`](crate::MAX_CALL_DEPTH) | end the recursion |
/// | `read_only` | a `read_only` SSF asks for an effect | take `read_only` away |
/// | `no_route` | another service's SSF was called, which this host cannot reach | [`Host::connect`](crate::Host::connect) the two |
/// | `callee` | another service has another request under the key of this call | look there |
/// | `unknown_ssf` | no SSF of that name is registered | register it |
/// | `not_in_txn` | something in a transaction cannot be taken back or kept as it is: an effect, a scan, `lock`, a third service; or it wants what its own root has locked | do it before or after the transaction, or `send` it |
/// | `txn_keys` | a transaction locks more than [`Limits::txn_keys`](crate::Limits::txn_keys) items | make it smaller, or raise the limit |
/// | `txn_too_large` | what a transaction decides is more than a row can hold | make it smaller |
/// | `locked_by_itself` | an instance asks for an item that another instance of its root has locked | unlock it before the call |
/// | `other_code` | another build began it, and this one's code differs | see [`App::compatible`](crate::App::compatible) |
/// | `other_way` | a replay took other steps than the log has | make the handler deterministic |
/// | `corrupt_row` | a row cannot be read | restore the file |
/// | `collected` | the garbage collector has passed an unfinished instance, since the clock of its host was far behind | correct the clocks; see [`Limits::lag`](crate::Limits::lag) |
///
/// Those of failed attempts, which are repeated, and park the instance after
/// [`Limits::attempts`](crate::Limits::attempts):
///
/// | code | what happened |
/// |---|---|
/// | `panic` | the handler panicked |
/// | `attempt_time` | the attempt was over [`Limits::attempt_time`](crate::Limits::attempt_time) |
/// | `lock_wait` | somebody else held an item for longer than [`Limits::lock_wait`](crate::Limits::lock_wait) |
/// | `contention` | a transaction, or a snapshot, lost every race for `Limits::attempt_time` |
/// | `snapshot` | items changed so often that no two looks at them were alike |
/// | `callee` | a callee in another service is parked there, or is not registered |
///
/// A `store` or another service that does not answer parks nothing; it is tried again for as long
/// as it takes.
///
/// `txn_gave_way`, `txn_aborted`, `txn_order` and `txn_time` say why a transaction is run again. Nobody is
/// told: their texts are in the log, and the last one in that of `contention`.
///
/// ```
/// use beldi::testing::{World, in_virtual_time};
/// use beldi::{App, Error, Table};
///
/// const ROOMS: Table<str, u32> = Table::new("rooms");
///
/// #[beldi::ssf]
/// async fn describe(hotel: String) {
///     ROOMS.put(&hotel, &1).await;
///     Table::<str, String>::new("rooms").get(&hotel).await;
/// }
///
/// in_virtual_time(async {
///     let world = World::new(App::new("travel").ssf(describe));
///     let error = world.call(describe("ritz".into())).key("order-17").await.unwrap_err();
///     let Error::Parked { reason, .. } = error else { panic!("{error}") };
///     assert_eq!(reason.code, "undecodable_value");
///     assert_eq!(reason.step.as_deref(), Some("1")); // the put was step 0
/// });
/// ```
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reason {
    /// A stable code from the table above.
    pub code: String,
    /// What happened and what to do about it.
    pub message: String,
    /// The path of the step at which it happened, if it was at one.
    pub step: Option<String>,
}

impl Reason {
    /// A reason without a step.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), step: None }
    }

    /// What is to be expected of trying again.
    pub(crate) fn kind(&self) -> ReasonKind {
        match &*self.code {
            "store" => ReasonKind::Away,
            "panic" | "attempt_time" | "lock_wait" | "contention" | "snapshot" | "callee" => {
                ReasonKind::Attempt
            }
            _ => ReasonKind::Final,
        }
    }

    /// The reason, at a step.
    #[must_use]
    pub fn at(mut self, step: impl fmt::Display) -> Self {
        self.step.get_or_insert_with(|| step.to_string());
        self
    }
}

/// What is to be expected of trying again. See [`Reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReasonKind {
    /// The store or another service was away: no fault of the handler.
    Away,
    /// The attempt failed; another one may not.
    Attempt,
    /// A bug or a limit: it stays so.
    Final,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.step {
            Some(step) => write!(f, "{} (step {step})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Why there is no result. Each kind says what to do.
///
/// What an SSF itself returns, `Err` included, is its result and not one of these; and no handler
/// ever sees one.
///
/// ```
/// use beldi::{App, Error, store::MemoryStore};
///
/// #[beldi::ssf]
/// async fn reserve_room(hotel: String) -> Result<u32, String> {
///     Err(format!("{hotel} is sold out"))
/// }
///
/// # beldi::testing::in_virtual_time(async {
/// let host = App::new("travel").ssf(reserve_room).open(MemoryStore::new())?;
/// let answer = loop {
///     match host.call(reserve_room("ritz".into())).key("order-17").await {
///         Err(Error::Unfinished { .. } | Error::InDoubt { .. }) => continue, // with the same key
///         other => break other?,
///     }
/// };
/// assert_eq!(answer, Err("ritz is sold out".into()));
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The instance hit a bug or a limit and waits for a person: mend it, then resume it.
    #[error("instance `{key}` is parked: {reason}")]
    Parked {
        /// Its request key.
        key: String,
        /// Why.
        reason: Reason,
    },
    /// The instance goes on in the background: ask again with the same key.
    #[error(
        "instance `{key}` has not finished yet ({why}); it goes on, ask again with the same key"
    )]
    Unfinished {
        /// Its request key.
        key: String,
        /// What keeps it.
        why: String,
    },
    /// The attempt failed before it had changed anything: calling again is safe.
    #[error("the attempt failed before it changed anything: {reason}; calling again is safe")]
    Failed {
        /// Why.
        reason: Reason,
    },
    /// The store did not answer, so what the request came to is not known: ask again with the same
    /// key.
    #[error("it is not known how far instance `{key}` came ({why}); ask again with the same key")]
    InDoubt {
        /// Its request key.
        key: String,
        /// What the store said last.
        why: String,
    },
    /// The instance has its result, and this build cannot read it: ask with the build that made it.
    #[error("the result is recorded, but cannot be read: {0}")]
    UnreadableOutput(Reason),
    /// The request key already names a request with other contents: choose another key.
    #[error(
        "request key `{key}` was used before for another request: a key names one request, choose a new one"
    )]
    KeyReused {
        /// The key.
        key: String,
    },
    /// No instance can have this request key: choose another.
    #[error(
        "request key `{}` cannot be used: it must have 1 to {MAX_REQUEST_KEY} bytes and not begin with `~`",
        key.escape_debug()
    )]
    BadKey {
        /// The key.
        key: String,
    },
    /// No SSF of that name: register it with `App::ssf`.
    #[error(
        "service `{service}` has no SSF `{ssf}`; it has {}. Register it with `App::ssf({ssf})`",
        if known.is_empty() { "none" } else { known }
    )]
    UnknownSsf {
        /// The service asked.
        service: String,
        /// The name asked for.
        ssf: String,
        /// The names there are.
        known: String,
    },
    /// The request cannot be read as what it should be: correct it.
    #[error("{0}")]
    BadRequest(String),
    /// No instance has this key.
    #[error(
        "no instance has the key `{key}`: it was never registered, changed nothing, or is collected"
    )]
    UnknownInstance {
        /// The key.
        key: String,
    },
    /// Only a parked instance can be resumed; this one runs, or has its result.
    #[error("instance `{key}` is not parked, so there is nothing to resume")]
    NotParked {
        /// Its request key.
        key: String,
    },
    /// The store refused; see [`StoreError::is_transient`] for whether to try again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A letter of another service is not to be trusted, or cannot be read: nothing was done.
    #[error(transparent)]
    Letter(#[from] LetterError),
    /// The host could not start or go on: the text names the address or the file.
    #[error("{0}")]
    Host(String),
}

/// A result with beldi's [`Error`].
///
/// ```no_run
/// #[tokio::main]
/// async fn main() -> beldi::Result<()> {
///     beldi::App::new("travel").serve("127.0.0.1:7420").await
/// }
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a letter was not accepted. See [`Invocation::receive`](crate::on_demand::Invocation::receive).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LetterError {
    /// The secret of a key is too short to be one.
    #[error(
        "a secret that two services share has at least {MIN_SECRET} bytes; let a generator make it"
    )]
    ShortSecret,
    /// It is larger than [`MAX_LETTER`].
    #[error(
        "a letter of {size} bytes is too large; the limit is {MAX_LETTER}: pass less, or a key to it"
    )]
    TooLarge {
        /// What it takes, in bytes.
        size: usize,
    },
    /// It is no letter.
    #[error("this is no letter of a beldi service")]
    Unreadable,
    /// It is of another version.
    #[error(
        "the letter has form {found}, and this version reads {LETTER_FORM}: upgrade the older service"
    )]
    Version {
        /// Its form.
        found: u8,
    },
    /// No service of that name is known here.
    #[error("service `{from}` is unknown here: connect the two, with a key that they share")]
    Stranger {
        /// Who it says it is from.
        from: String,
    },
    /// It is for another service.
    #[error("the letter is for service `{to}`; this is `{here}`: correct the address")]
    Misdirected {
        /// Who it is for.
        to: String,
        /// Where it came to.
        here: String,
    },
    /// The seal is not of the key that the two share.
    #[error(
        "the seal of the letter is wrong: the two services do not share one key, or it is forged"
    )]
    Forged,
    /// It was under way for too long, or the clocks differ by as much.
    #[error("the letter is too old: it was delayed, or the clocks of the services differ")]
    Expired,
    /// It asks for what its sender may not ask for.
    #[error("service `{from}` must not ask this: {why}")]
    NotAllowed {
        /// Who asks.
        from: String,
        /// Why not.
        why: String,
    },
    /// Something cannot be said in a letter.
    #[error("what is to be sent cannot be encoded: {0}")]
    Unspeakable(String),
}

/// Why JSON from outside is not the input of an SSF.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    /// It is not JSON.
    #[error("is not JSON: {message}")]
    Syntax { message: String, line: usize, column: usize },
    /// It is JSON, but not of the input's type.
    #[error("is not what it takes, at `{path}`: {message}")]
    Type { message: String, path: String },
    /// It is of the input's type, but cannot be stored.
    #[error("cannot be stored: {0}")]
    Value(Reason),
}
