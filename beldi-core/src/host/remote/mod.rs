//! A service elsewhere: the questions of [`Peer`] as sealed letters, carried by somebody else.
//!
//! A letter may be lost, doubled or late, like a store request: what it asks for is done once, or
//! harmless twice. One without an answer is sent again a few times; then the attempt halts and asks
//! later.
//!
//! Nothing is written for a letter, on either side: what a question does is written by the engine that
//! answers it, which may crash at any line and be asked again. An answer is sealed to its letter, so a
//! late one is never taken for that to another.

mod letter;
mod message;
mod receive;
#[cfg(test)]
mod tests;

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};

pub use self::letter::SharedKey;
use self::letter::open_answer;
use self::message::{Answer, Question};
pub(crate) use self::receive::receive;
use crate::engine::{Declined, Errand, Part, Peer, Service, TxnEnded, Vote};
use crate::error::{LetterError, Reason};
use crate::id::{Epoch, Id};
use crate::protocol::callback::{Callback, Delivered};
use crate::protocol::txn::Txn;
use crate::store::StoreError;
use crate::value::Value;

/// Carries letters to another owner's service, which answers each with
/// [`Invocation::receive`](crate::on_demand::Invocation::receive).
///
/// A letter may arrive twice or late; none may be altered, which its seal shows. See
/// [`OnDemand::connect`](crate::on_demand::OnDemand::connect).
pub trait Transport: Send + Sync + 'static {
    /// Delivers a letter and brings the answer.
    fn ask(&self, letter: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, Unreachable>>;
}

impl<T: Transport + ?Sized> Transport for Arc<T> {
    fn ask(&self, letter: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, Unreachable>> {
        (**self).ask(letter)
    }
}

/// Why a letter has no answer. See [`Transport`].
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unreachable {
    /// It may or may not have arrived; it is safe to send it again.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// It never arrives, such as one that is too large or addressed to nobody.
    #[error("{0}")]
    Undeliverable(String),
}

/// How many answers are waited for before a question is given up.
const TRIES: u32 = 3;

/// Another owner's service, reached by letters.
pub(crate) struct Remote {
    own: Weak<Service>,
    other: String,
    key: SharedKey,
    transport: Arc<dyn Transport>,
}

impl Remote {
    pub(crate) fn new(
        own: &Arc<Service>,
        other: &str,
        key: SharedKey,
        transport: Arc<dyn Transport>,
    ) -> Self {
        Self { own: Arc::downgrade(own), other: other.to_owned(), key, transport }
    }

    fn own(&self) -> Result<Arc<Service>, StoreError> {
        let gone = || StoreError::Unavailable("this service is closed".to_owned());
        self.own.upgrade().ok_or_else(gone)
    }

    async fn ask(&self, question: &Question) -> Result<Answer, NoAnswer> {
        let own = self.own()?;
        let mut tried = 1;
        loop {
            let letter = self.key.seal(&own.name, &self.other, own.outside.now(), question)?;
            let error = match self.transport.ask(letter.bytes.clone()).await {
                Ok(answer) => return Ok(open_answer(&self.key, &letter, &answer)?),
                Err(error) => error,
            };
            match error {
                Unreachable::NoAnswer(_) if tried < TRIES => {
                    let wait = 1 + own.outside.random() % (20 << tried);
                    own.outside.sleep(Duration::from_millis(wait)).await;
                    tried += 1;
                }
                error => return Err(self.no_answer(error)),
            }
        }
    }

    fn no_answer(&self, error: Unreachable) -> NoAnswer {
        let other = &self.other;
        match error {
            Unreachable::NoAnswer(why) => NoAnswer::Later(format!("service `{other}`: {why}")),
            Unreachable::Undeliverable(why) => NoAnswer::Never(format!("service `{other}`: {why}")),
        }
    }

    async fn ask_store<T>(
        &self,
        question: Question,
        answer: impl FnOnce(Answer) -> Option<Result<T, String>>,
    ) -> Result<T, StoreError> {
        let unavailable = |why: String| StoreError::Unavailable(why);
        let own = self.own()?;
        // Nobody's code is run for it, so it takes as long as a few store requests.
        let time = own.limits.request_time.saturating_mul(own.limits.request_tries.max(1));
        let answered = pin!(self.ask(&question));
        let given = match select(answered, own.outside.sleep(time)).await {
            Either::Left((given, _)) => given.map_err(|no| unavailable(no.to_string()))?,
            Either::Right(_) => {
                let why = format!("service `{}`: no answer within {time:?}", self.other);
                return Err(unavailable(why));
            }
        };
        let given = answer(given).ok_or_else(|| unavailable(self.other_answer()))?;
        given.map_err(|why| unavailable(format!("service `{}`: {why}", self.other)))
    }

    fn other_answer(&self) -> String {
        format!("service `{}` answered another question; is it of another version?", self.other)
    }
}

impl Peer for Remote {
    fn call(&self, errand: Errand, patience: Duration) -> BoxFuture<'_, Result<Value, Declined>> {
        Box::pin(async move {
            let own = self.own().map_err(NoAnswer::from)?;
            let callback = own.callback(&self.other, &errand).await.map_err(NoAnswer::from)?;
            match self.ask(&Question::Call { errand, callback, patience }).await? {
                Answer::Called(result) => result,
                _ => Err(Declined::Unavailable(self.other_answer())),
            }
        })
    }

    fn prepare(&self, errand: Errand, part: Part) -> BoxFuture<'_, Vote> {
        Box::pin(async move {
            let tenure = part.tenure;
            let result = match self.ask(&Question::Prepare { errand, part }).await {
                Ok(Answer::Voted(vote)) => return vote,
                Ok(_) => Err(Declined::Unavailable(self.other_answer())),
                Err(no) => Err(no.into()),
            };
            Vote { result, tenure }
        })
    }

    fn ended(&self, txn: Txn, abort: bool) -> BoxFuture<'_, Result<Option<TxnEnded>, StoreError>> {
        let ended = |answer| match answer {
            Answer::Ended(ended) => Some(ended),
            _ => None,
        };
        Box::pin(self.ask_store(Question::Ended { txn, abort }, ended))
    }

    fn settle(&self, txn: Txn, ended: TxnEnded) -> BoxFuture<'_, Result<(), StoreError>> {
        let settled = |answer| match answer {
            Answer::Settled(settled) => Some(settled),
            _ => None,
        };
        Box::pin(self.ask_store(Question::Settle { txn, ended }, settled))
    }

    fn call_back(
        &self,
        callee: Id,
        callback: Callback,
        result: Option<Value>,
    ) -> BoxFuture<'_, Result<Delivered, StoreError>> {
        let delivered = |answer| match answer {
            Answer::CalledBack(delivered) => Some(delivered),
            _ => None,
        };
        Box::pin(self.ask_store(Question::CallBack { callee, callback, result }, delivered))
    }

    fn swept(&self) -> BoxFuture<'_, Result<Epoch, StoreError>> {
        let swept = |answer| match answer {
            Answer::Swept(swept) => Some(swept),
            _ => None,
        };
        Box::pin(self.ask_store(Question::Swept, swept))
    }
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("{0}")]
    Later(String),
    #[error("{0}")]
    Never(String),
}

impl From<LetterError> for NoAnswer {
    fn from(error: LetterError) -> Self {
        match error {
            LetterError::TooLarge { .. } | LetterError::Unspeakable(_) => {
                Self::Never(error.to_string())
            }
            error => Self::Later(error.to_string()),
        }
    }
}

impl From<StoreError> for NoAnswer {
    fn from(error: StoreError) -> Self {
        Self::Later(error.to_string())
    }
}

impl From<NoAnswer> for Declined {
    fn from(no: NoAnswer) -> Self {
        match no {
            NoAnswer::Later(why) => Self::Unavailable(why),
            NoAnswer::Never(why) => Self::Refused(Reason::new("no_route", why)),
        }
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("service", &self.other).finish_non_exhaustive()
    }
}
