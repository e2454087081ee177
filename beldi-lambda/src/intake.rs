//! Records in: each exactly once, whatever its source delivers again.
//!
//! A record is a request with a key of its own. Where order does not matter, all records are
//! registered before the first is run: from then on the intent collector answers for them, so they are
//! acknowledged, finished or not. Where it does, the next record of a group is registered only when
//! the one before is finished, parked or, from a queue, malformed; what does not come to that in time is
//! reported with all that comes after it in its group, and is delivered again.
//!
//! | a record | is | because |
//! |---|---|---|
//! | has a result, also an `Err` | acknowledged | it happened |
//! | is parked | acknowledged, and counted as parked | delivering it again would not help; resuming will |
//! | is unfinished, without order | acknowledged | it is registered |
//! | is unfinished, in a group | reported, with the rest of its group | the rest must wait |
//! | cannot be registered for now | reported, with the rest of its group | nobody else has it |
//! | can never be an input, or be stored | reported, and counted as malformed; the rest of its group waits in a stream only | the source's dead-letter queue is its place |

use std::collections::HashMap;

use beldi::Error;
use futures_util::stream::{self, StreamExt as _};
use metrics::counter;
use tracing::{Instrument as _, debug, error, info_span, warn};

use crate::event::{Batch, Record};
use crate::failure::Failure;
use crate::routes::Routes;
use crate::source::Kind;
use beldi::on_demand::{Invocation, Progress};

/// Groups, or records without one, that are worked on at once.
const SIDE_BY_SIDE: usize = 32;

/// What came of a batch.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// What is to be delivered again, in the order of the batch.
    pub(crate) failed: Vec<String>,
    /// Why the first of them is.
    pub(crate) failure: Option<Failure>,
}

/// What came of a record.
#[derive(Clone, Debug)]
enum Outcome {
    Done,
    Parked,
    /// Registered, and left to the intent collector.
    Left,
    /// Registered, and its group waits for it.
    Unfinished(Failure),
    /// Not registered now.
    Refused(Failure),
    /// Never.
    Malformed(Failure),
    /// One before it in its group was not finished.
    Behind,
}

impl Outcome {
    fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Parked => "parked",
            Self::Left => "left",
            Self::Unfinished(_) => "unfinished",
            Self::Refused(_) => "refused",
            Self::Malformed(_) => "malformed",
            Self::Behind => "behind",
        }
    }

    fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Done | Self::Parked | Self::Left | Self::Behind => None,
            Self::Unfinished(failure) | Self::Refused(failure) | Self::Malformed(failure) => {
                Some(failure)
            }
        }
    }

    fn is_acknowledged(&self) -> bool {
        matches!(self, Self::Done | Self::Parked | Self::Left)
    }
}

/// Takes all records of a batch.
pub(crate) async fn take(invocation: &Invocation, routes: &Routes, batch: &Batch) -> Taken {
    let intake = Intake { invocation, routes, batch };
    let Groups { in_order, alone } = groups(&batch.records);
    let one_by_one = in_order.into_iter().map(|group| intake.one_by_one(group));
    let in_order: Vec<_> = side_by_side(one_by_one).await;
    let mut outcomes: Vec<_> = in_order.into_iter().flatten().collect();
    outcomes.extend(intake.all_at_once(alone).await);
    outcomes.sort_by_key(|(place, _)| *place);
    conclude(batch, &outcomes)
}

async fn side_by_side<F: Future>(work: impl Iterator<Item = F>) -> Vec<F::Output> {
    stream::iter(work).buffer_unordered(SIDE_BY_SIDE).collect().await
}

fn conclude(batch: &Batch, outcomes: &[(usize, Outcome)]) -> Taken {
    let mut taken = Taken::default();
    for ((_, outcome), record) in outcomes.iter().zip(&batch.records) {
        let (source, outcome_name) = (batch.kind.name(), outcome.name());
        counter!("beldi_records_total", "source" => source, "outcome" => outcome_name).increment(1);
        if !outcome.is_acknowledged() {
            taken.failed.push(record.identifier.clone());
            taken.failure = taken.failure.or_else(|| outcome.failure().cloned());
        }
    }
    taken
}

/// Places of records in their batch.
#[derive(Default)]
struct Groups {
    in_order: Vec<Vec<usize>>,
    alone: Vec<usize>,
}

fn groups(records: &[Record]) -> Groups {
    let mut groups = Groups::default();
    let mut known = HashMap::new();
    for (place, record) in records.iter().enumerate() {
        let Some(group) = &record.group else {
            groups.alone.push(place);
            continue;
        };
        let at = *known.entry((&record.origin, group)).or_insert(groups.in_order.len());
        if at == groups.in_order.len() {
            groups.in_order.push(Vec::new());
        }
        groups.in_order[at].push(place);
    }
    groups
}

struct Intake<'i> {
    invocation: &'i Invocation,
    routes: &'i Routes,
    batch: &'i Batch,
}

impl Intake<'_> {
    /// Records of one group.
    async fn one_by_one(&self, group: Vec<usize>) -> Vec<(usize, Outcome)> {
        let mut outcomes = Vec::with_capacity(group.len());
        let mut is_held_up = false;
        for place in group {
            let outcome = match is_held_up {
                true => Outcome::Behind,
                false => self.take(&self.batch.records[place]).await,
            };
            is_held_up |= self.holds_up(&outcome);
            outcomes.push((place, outcome));
        }
        outcomes
    }

    /// Whether the rest of its group waits. Not for what can never be taken, or both would go to the dead
    /// letters; but a stream is read again from whatever is reported.
    fn holds_up(&self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Malformed(_) => self.batch.kind != Kind::Sqs,
            outcome => !outcome.is_acknowledged(),
        }
    }

    async fn take(&self, record: &Record) -> Outcome {
        match self.register(record).await {
            Ok(key) => self.follow(&key).await.unwrap_or_else(Outcome::Unfinished),
            Err(outcome) => outcome,
        }
    }

    /// Records that do not wait for each other.
    async fn all_at_once(&self, records: Vec<usize>) -> Vec<(usize, Outcome)> {
        let register =
            |place: usize| async move { (place, self.register(&self.batch.records[place]).await) };
        let registered = side_by_side(records.into_iter().map(register)).await;
        let finish = |(place, registered)| async move { (place, self.finish(registered).await) };
        side_by_side(registered.into_iter().map(finish)).await
    }

    async fn finish(&self, registered: Result<String, Outcome>) -> Outcome {
        match registered {
            Ok(key) => self.follow(&key).await.unwrap_or_else(|failure| {
                debug!(%key, reason = failure.reason(), "left to the intent collector");
                Outcome::Left
            }),
            Err(outcome) => outcome,
        }
    }

    /// Makes the record durable, under its key.
    async fn register(&self, record: &Record) -> Result<String, Outcome> {
        let request = self.routes.request(self.batch.kind, record);
        let request = request.map_err(|failure| self.malformed(record, failure))?;
        let span = info_span!("record", key = %request.key, ssf = %request.ssf);
        let registering =
            self.invocation.register(&request.ssf, Some(request.key), request.input.as_bytes());
        registering.instrument(span).await.map_err(|error| match error {
            Error::Store(error) if error.is_of_the_row() => {
                self.malformed(record, Error::Store(error).into())
            }
            Error::Store(_) | Error::InDoubt { .. } | Error::Host(_) => {
                let failure = Failure::from(error);
                warn!(record = %record.identifier, reason = failure.reason(), "a record cannot be registered");
                Outcome::Refused(failure)
            }
            error => self.malformed(record, error.into()),
        })
    }

    /// Attempts of a registered record.
    async fn follow(&self, key: &str) -> Result<Outcome, Failure> {
        let span = info_span!("instance", %key);
        match self.invocation.follow(key).instrument(span).await {
            Ok(Progress::Done) => Ok(Outcome::Done),
            Ok(Progress::Parked(_)) => Ok(Outcome::Parked),
            Ok(Progress::Unfinished(why)) => {
                Err(Error::Unfinished { key: key.to_owned(), why }.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What can never become an input. Not its contents, which may be anybody's secrets.
    fn malformed(&self, record: &Record, failure: Failure) -> Outcome {
        error!(
            source = self.batch.kind.name(), origin = %record.origin, record = %record.identifier,
            reason = failure.reason(), "a record can never be taken"
        );
        Outcome::Malformed(failure)
    }
}
