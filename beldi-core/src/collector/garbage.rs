//! The garbage collector: takes away what nobody can need any more, while everybody goes on.
//!
//! A run is one round of the [`horizon`], then everything in the due index that the horizon has passed,
//! [page by page](page), until nothing is left or its time is over. What each kind of row needs, and
//! why any of it may stop, come twice or come late, is in [`recycle`](crate::protocol::recycle) and
//! [`prune`](crate::protocol::prune).
//!
//! It reads no table: only the due index, and the rows that it names. So an idle service costs two
//! queries a shard and the service row, and a busy one what its garbage costs.
//!
//! Records that other services have asked for go once those have told how far they are swept. Each
//! is asked at most once a run; one that does not answer keeps its records, and nothing else.

mod page;
mod report;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::{error, info, warn};

pub use report::{Collected, HeldBack};

use crate::engine::{Service, millis};
use crate::id::Epoch;
use crate::protocol::horizon::{self, Round};
use crate::protocol::intent::{Intent, State};
use crate::protocol::layout;
use crate::protocol::txn::Decision;
use crate::store::{DueQuery, Key, Row, Store, StoreError};
use crate::weakness::{self, Weakness};

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// One run of the garbage collector.
pub(crate) async fn collect(service: &Service) -> Result<Collected> {
    let mut run = Run {
        service,
        began: service.outside.now(),
        waited: AtomicU64::new(0),
        round: Round::default(),
        asked: tokio::sync::Mutex::default(),
        damaged: Mutex::default(),
    };
    let held_back = run.round().await?;
    let (removed, is_complete) = run.sweep().await?;
    let damaged = run.damaged.lock().unwrap_or_else(PoisonError::into_inner).len();
    if is_complete && damaged == 0 {
        horizon::note_swept(&service.store, run.round.horizon).await?;
    }
    let took = Duration::from_millis(service.outside.now().saturating_sub(run.began));
    let (horizon, unreachable) = (run.round.horizon, run.unreachable().await);
    let collected =
        Collected { horizon, took, is_complete, held_back, damaged, unreachable, ..removed };
    run.tell(&collected);
    Ok(collected)
}

struct Run<'a> {
    service: &'a Service,
    began: u64,
    /// How long it has waited for the index and for other services, in milliseconds: no time that another
    /// run could save, or that those who answer should lose.
    waited: AtomicU64,
    round: Round,
    /// The services asked in this run, and whether they have answered.
    asked: tokio::sync::Mutex<BTreeMap<String, bool>>,
    /// What is wrong with rows that could not be dealt with.
    damaged: Mutex<Vec<StoreError>>,
}

impl Run<'_> {
    /// Moves the horizon as far as it may go; tells which root it stops at.
    async fn round(&mut self) -> Result<Option<HeldBack>> {
        let Service { store, outside, limits, horizons, .. } = self.service;
        let door = self.began.saturating_sub(millis(limits.lag));
        let round = horizon::raise(store, door).await?;
        if !store.due_lag().is_zero() {
            outside.sleep(store.due_lag()).await;
            self.waited.fetch_add(millis(store.due_lag()), Ordering::Relaxed);
        }
        let oldest = self.oldest(round.horizon).await?.filter(|(epoch, _)| *epoch < round.door);
        let reached = oldest.as_ref().map_or(round.door, |(epoch, _)| *epoch);
        self.round = horizon::publish(store, &round, reached).await?;
        horizons.learn(self.round.horizon);
        Ok(oldest.map(|(_, held_back)| held_back))
    }

    /// The oldest unfinished root, running or parked, that the horizon has not passed. Those it has
    /// were registered too late, and get new epochs.
    async fn oldest(&self, horizon: Epoch) -> Result<Option<(Epoch, HeldBack)>> {
        let mut oldest: Option<(Epoch, HeldBack)> = None;
        for shard in layout::intent_shards() {
            let mut query = DueQuery { shard, up_to: u64::MAX, limit: 1, after: None };
            loop {
                let page = self.service.store.due(&query).await?;
                let holds = page.rows.iter().find_map(|(key, row)| {
                    let (_, epoch) = row.due()?;
                    (epoch >= horizon && !is_forgotten(row)).then_some((key, row, epoch))
                });
                if let Some((key, row, epoch)) = holds {
                    if oldest.as_ref().is_none_or(|(least, _)| epoch < *least) {
                        oldest = Some((epoch, held_back(key, row, epoch)));
                    }
                    break;
                }
                match page.next {
                    Some(next) => query = DueQuery { after: Some(next), limit: PAGE, ..query },
                    None => break,
                }
            }
        }
        Ok(oldest)
    }

    /// Takes away what the horizon has passed; tells whether that was all. Begins anywhere, so that
    /// no shard has to wait for others if there is never time for all.
    async fn sweep(&self) -> Result<(Collected, bool)> {
        let mut removed = Collected::default();
        let Some(up_to) = self.round.horizon.checked_sub(1) else { return Ok((removed, true)) };
        let mut shards: Vec<_> = layout::garbage_shards().collect();
        let first = self.service.outside.random() % shards.len().max(1) as u64;
        shards.rotate_left(usize::try_from(first).unwrap_or(0));
        for shard in shards {
            let mut query = DueQuery { shard, up_to, limit: PAGE, after: None };
            loop {
                let page = self.service.store.due(&query).await?;
                // Having looked in vain took time as well, but is progress.
                let found_any = !page.rows.is_empty();
                removed = removed.plus(self.take_away(page.rows).await?);
                if found_any && self.is_time_over() {
                    return Ok((removed, false));
                }
                match page.next {
                    Some(next) => query.after = Some(next),
                    None => break,
                }
            }
        }
        Ok((removed, true))
    }

    fn is_time_over(&self) -> bool {
        let took = self.service.outside.now().saturating_sub(self.began);
        took.saturating_sub(self.waited.load(Ordering::Relaxed))
            >= millis(self.service.limits.garbage_time)
    }

    /// What can be done with one row, if that row does not make it impossible.
    fn spare<T: Default>(&self, done: Result<T>) -> Result<T> {
        match done {
            Err(damage) if damage.is_of_one_row() => {
                error!(%damage, "the garbage collector cannot deal with a row; it stays where it is");
                self.damaged.lock().unwrap_or_else(PoisonError::into_inner).push(damage);
                Ok(T::default())
            }
            done => done,
        }
    }

    /// How far another service is swept, as far as it can be reached.
    async fn ask(&self, service: &str) -> Epoch {
        let horizons = &self.service.horizons;
        let mut asked = self.asked.lock().await;
        if !asked.contains_key(service) {
            let began = self.service.outside.now();
            let answer = match self.service.peers.find(service) {
                Some(peer) => peer.swept().await.ok(),
                None => None,
            };
            let took = self.service.outside.now().saturating_sub(began);
            self.waited.fetch_add(took, Ordering::Relaxed);
            asked.insert(service.to_owned(), answer.is_some());
            horizons.learn_swept(service, answer.unwrap_or(0));
        }
        horizons.swept(service)
    }

    async fn unreachable(&self) -> Vec<String> {
        let asked = self.asked.lock().await;
        asked.iter().filter(|(_, answered)| !**answered).map(|(name, _)| name.clone()).collect()
    }

    /// Metrics, and a word about what stands in the way.
    fn tell(&self, collected: &Collected) {
        collected.count(self.began);
        if collected.removed() > 0 {
            info!(?collected, "collected garbage");
        }
        let long = millis(self.service.limits.lag).saturating_mul(2);
        if let Some(HeldBack { key, since, why }) = &collected.held_back
            && self.began.saturating_sub(*since) > long
        {
            warn!(instance = %key, since, %why, "an unfinished instance holds the garbage collector back");
        }
        for service in &collected.unreachable {
            warn!(%service, "cannot ask a service how far it is swept; what it has called is kept");
        }
    }
}

/// Whether a row is one that the weakened collector does not see.
fn is_forgotten(row: &Row) -> bool {
    let is_parked = |intent: Intent| matches!(intent.state, State::Parked(_));
    weakness::is(Weakness::ParkedRootsForgotten) && Intent::read("", row).is_ok_and(is_parked)
}

/// Why an unfinished root is not finished, as its row in the due index shows.
fn held_back(key: &Key, row: &Row, since: Epoch) -> HeldBack {
    let root = layout::parse_root(key).unwrap_or_default();
    let why = match layout::parse_decision(&key.sort) {
        Some((_, retry)) => Decision::read(root, retry, row)
            .map(|_| "a transaction has committed, and the rest is to be done".to_owned()),
        None => Intent::read(root, row).map(|intent| match &intent.state {
            State::Parked(reason) => format!("it is parked: {reason}"),
            _ => match &intent.reason {
                Some(reason) => format!("attempt {} failed: {reason}", intent.attempts),
                None => format!("attempt {} has not ended", intent.attempts),
            },
        }),
    };
    let why = why.unwrap_or_else(|damage| damage.to_string());
    HeldBack { key: root.to_owned(), since, why }
}

/// Rows of the index that are read at a time.
const PAGE: usize = 256;
