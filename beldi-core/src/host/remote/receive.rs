//! Answers the letters of other services: opens one, sees that its sender may ask this, asks the engine.

use std::sync::Arc;

use tracing::Instrument as _;

use super::letter::{SharedKey, open};
use super::message::{Answer, Question};
use crate::engine::{Part, Service, Vote};
use crate::error::LetterError;
use crate::host::peer::called;
use crate::limits::LETTER_TIME;
use crate::protocol::horizon;
use crate::protocol::txn::Txn;

/// The answer to a letter, sealed; `key_of` tells what this service shares with another.
pub(crate) async fn receive(
    service: &Arc<Service>,
    letter: &[u8],
    key_of: impl FnOnce(&str) -> Option<SharedKey>,
) -> Result<Vec<u8>, LetterError> {
    let (opened, question) = open(letter, &service.name, service.outside.now(), key_of)?;
    may_ask(service, &opened.from, &question)?;
    opened.answer(&answer(service, &opened.from, question).await)
}

/// A transaction is the business of the service that coordinates it, and of those that it asks.
fn may_ask(service: &Service, from: &str, question: &Question) -> Result<(), LetterError> {
    let id = match question {
        Question::Call { errand, .. } | Question::Prepare { errand, .. } => Some(errand.callee),
        Question::Settle { txn, .. } | Question::Ended { txn, .. } => Some(txn.id),
        Question::CallBack { .. } | Question::Swept => None,
    };
    // What is kept until its caller's horizon has passed it would be kept for ever.
    let latest = service.outside.now().saturating_add(LETTER_TIME * 2);
    if id.is_some_and(|id| id.epoch() > latest) {
        let why = "it has an id of the future; is its clock far ahead?".to_owned();
        return Err(LetterError::NotAllowed { from: from.to_owned(), why });
    }
    let (txn, coordinator) = match question {
        Question::Prepare { part: Part { txn, .. }, .. } | Question::Settle { txn, .. } => {
            (txn, from)
        }
        Question::Ended { txn, .. } => (txn, &*service.name),
        Question::Call { .. } | Question::CallBack { .. } | Question::Swept => return Ok(()),
    };
    if txn.service == coordinator {
        return Ok(());
    }
    let Txn { service: of, .. } = txn;
    let why = format!("`{of}` coordinates the transaction, not `{coordinator}`");
    Err(LetterError::NotAllowed { from: from.to_owned(), why })
}

async fn answer(service: &Arc<Service>, from: &str, question: Question) -> Answer {
    match question {
        Question::Call { errand, callback, patience } => {
            let called = called(service, from, errand, Some((callback, patience)));
            // Boxed, or the type of what waits for it is too deep for the compiler.
            Answer::Called(Box::pin(called).await)
        }
        Question::Prepare { errand, part } => {
            let (taking_part, tenure) = (Arc::clone(service), part.tenure);
            let vote = async move { taking_part.take_part(errand, part).await };
            // A task of its own: a coordinator that goes away must not leave half of it.
            let voted = service.tasks.spawn(vote.in_current_span()).await;
            Answer::Voted(voted.ok().flatten().unwrap_or_else(|| Vote::stopped(tenure)))
        }
        Question::Ended { txn, abort } => {
            Answer::Ended(told(service.ended(from, &txn, abort).await))
        }
        Question::Settle { txn, ended } => {
            Answer::Settled(told(service.settle_prepared(&txn, &ended).await))
        }
        Question::CallBack { callee, callback, result } => Answer::CalledBack(told(
            service.called_back(from, callee, &callback, result.as_ref()).await,
        )),
        Question::Swept => {
            Answer::Swept(told(horizon::read(&service.store).await.map(|round| round.swept)))
        }
    }
}

fn told<T>(answer: crate::store::Result<T>) -> Result<T, String> {
    answer.map_err(|error| error.to_string())
}
