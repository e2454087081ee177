//! The garbage collector: takes away what nobody can need any more, while everybody goes on.
//!
//! A run is one round of the [`horizon`], then everything in the due index that the horizon has passed,
//! page by page, until nothing is left or its time is over. What each kind of row needs, and why any
//! of it may stop, come twice or come late, is in [`recycle`] and [`prune`](crate::protocol::prune).
//!
//! It reads no table: only the due index, and the rows that it names. So an idle service costs one
//! query a shard and the service row, and a busy one what its garbage costs.
//!
//! Records that other services have asked for go once those have told how far they are swept. Each
//! is asked at most once a run; one that does not answer keeps its records, and nothing else.

mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tracing::{info, warn};

pub use report::{Collected, HeldBack};

use crate::engine::{Service, millis};
use crate::id::Epoch;
use crate::protocol::horizon::{self, Round};
use crate::protocol::intent::{Intent, State};
use crate::protocol::layout;
use crate::protocol::prepare::Prepare;
use crate::protocol::prune::Mark;
use crate::protocol::recycle::{self, Tombstone};
use crate::protocol::txn::{Decision, ItemKey};
use crate::protocol::{daal, intent};
use crate::store::{DueQuery, Key, Row, Store, StoreError};
use crate::weakness::{self, Weakness};

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// One run of the garbage collector.
pub(crate) async fn collect(service: &Service) -> Result<Collected> {
    let began = service.outside.now();
    let mut run = Run { service, began, round: Round::default(), asked: Mutex::default() };
    let held_back = run.round().await?;
    let (removed, is_complete) = run.sweep().await?;
    if is_complete {
        horizon::note_swept(&service.store, run.round.horizon).await?;
    }
    let took = Duration::from_millis(service.outside.now().saturating_sub(began));
    let (horizon, unreachable) = (run.round.horizon, run.unreachable());
    let collected = Collected { horizon, took, is_complete, held_back, unreachable, ..removed };
    run.tell(&collected);
    Ok(collected)
}

struct Run<'a> {
    service: &'a Service,
    began: u64,
    round: Round,
    /// The services asked in this run, and whether they have answered.
    asked: Mutex<BTreeMap<String, bool>>,
}

impl Run<'_> {
    /// Moves the horizon as far as it may go; tells which root it stops at.
    async fn round(&mut self) -> Result<Option<HeldBack>> {
        let Service { store, outside, limits, horizons, .. } = self.service;
        let door = self.began.saturating_sub(millis(limits.lag));
        let round = horizon::raise(store, door).await?;
        if !store.due_lag().is_zero() {
            outside.sleep(store.due_lag()).await;
        }
        let oldest = self.oldest().await?.filter(|(epoch, _)| *epoch < round.door);
        let reached = oldest.as_ref().map_or(round.door, |(epoch, _)| *epoch);
        self.round = horizon::publish(store, &round, reached).await?;
        horizons.learn(self.round.horizon);
        Ok(oldest.map(|(_, held_back)| held_back))
    }

    /// The oldest unfinished root that the horizon has not passed, running or parked.
    async fn oldest(&self) -> Result<Option<(Epoch, HeldBack)>> {
        let mut shards: Vec<_> = layout::intent_shards().collect();
        if !weakness::is(Weakness::ParkedRootsForgotten) {
            shards.extend(layout::parked_shards());
        }
        let mut oldest: Option<(Epoch, HeldBack)> = None;
        for shard in shards {
            let query = DueQuery { shard, up_to: u64::MAX, limit: 1, after: None };
            let page = self.service.store.due(&query).await?;
            let Some((key, row)) = page.rows.first() else { continue };
            let Some((_, epoch)) = row.due() else { continue };
            if oldest.as_ref().is_none_or(|(least, _)| epoch < *least) {
                oldest = Some((epoch, held_back(key, row, epoch)));
            }
        }
        Ok(oldest)
    }

    /// Takes away what the horizon has passed; tells whether that was all.
    async fn sweep(&self) -> Result<(Collected, bool)> {
        let mut removed = Collected::default();
        let Some(up_to) = self.round.horizon.checked_sub(1) else { return Ok((removed, true)) };
        for shard in layout::garbage_shards() {
            let mut query = DueQuery { shard, up_to, limit: PAGE, after: None };
            loop {
                let page = self.service.store.due(&query).await?;
                removed = removed.plus(self.take_away(page.rows).await?);
                if self.is_time_over() {
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
        took >= millis(self.service.limits.garbage_time)
    }

    /// Takes away one page. All its roots are read first, for what they left at the same items.
    async fn take_away(&self, rows: Vec<(Key, Row)>) -> Result<Collected> {
        let look = stream::iter(rows).map(|(key, _)| self.look(key));
        let found: Vec<Garbage> = look.buffer_unordered(AT_ONCE).try_collect().await?;
        let items: BTreeSet<_> = found.iter().flat_map(Garbage::items).cloned().collect();
        let tidy = stream::iter(items).map(|item| self.tidy(item));
        let marks = tidy.buffer_unordered(AT_ONCE).try_fold(0, add).await?;
        let go = stream::iter(found).map(|garbage| self.let_go(garbage));
        let removed = Collected { marks, ..Collected::default() };
        let both = async |removed: Collected, went| Ok(removed.plus(went));
        go.buffer_unordered(AT_ONCE).try_fold(removed, both).await
    }

    /// Reads what is to be known of a row before it goes. The index may be behind, or another
    /// collector ahead: only the row itself tells whether it is garbage.
    async fn look(&self, key: Key) -> Result<Garbage> {
        let store = &self.service.store;
        let row = store.get(&key).await?.unwrap_or_default();
        let is_garbage = |(shard, order): (&str, Epoch)| {
            layout::is_garbage_shard(shard) && order < self.round.horizon
        };
        if !row.due().is_some_and(is_garbage) {
            return Ok(Garbage::Nothing);
        }
        if let Some(root) = layout::parse_root(&key) {
            if layout::parse_decision(&key.sort).is_some() {
                return Ok(Garbage::Abort { root: root.to_owned(), key });
            }
            let intent = Box::new(Intent::read(root, &row)?);
            if intent.is_collected() {
                return Ok(Garbage::Remains(intent));
            }
            let contents = recycle::contents(store, root).await?;
            let items = recycle::items(&intent, &contents)?;
            return Ok(Garbage::Root { intent, contents, items });
        }
        if layout::parse_prepare(&key).is_some() {
            let id = crate::id::Id::parse(&key.sort);
            let record = id.map(|id| Prepare::read(id, &row)).transpose()?.flatten();
            let items = record.iter().flat_map(Prepare::items).cloned().collect();
            return Ok(Garbage::Prepare { key, record: record.map(Box::new), items });
        }
        if layout::parse_older(&key).is_some() {
            return Ok(Garbage::Older { key, row });
        }
        Ok(match layout::parse_head(&key) {
            Some((table, name)) => Garbage::Head((table.to_owned(), name.to_owned())),
            None => Garbage::Nothing,
        })
    }

    /// Prunes an item, once the services whose tombstones it holds have been asked.
    async fn tidy(&self, (table, key): ItemKey) -> Result<usize> {
        let item = self.service.item(&table, &key);
        let row = daal::read(&self.service.store, &table, &key).await?;
        self.ask_all(&row).await;
        recycle::tidy(&item, row, self.service.tombstone("").until).await
    }

    /// Asks the services whose tombstones stand in a row.
    async fn ask_all(&self, row: &Row) {
        for (name, value) in &row.0 {
            if let Some(Mark::Foreign { service, .. }) = Mark::of(name, value) {
                self.ask(service).await;
            }
        }
    }

    /// How far another service is swept, as far as it can be reached.
    async fn ask(&self, service: &str) -> Epoch {
        let horizons = &self.service.horizons;
        let is_new = self.asked().insert(service.to_owned(), true).is_none();
        if is_new {
            let answer = match self.service.peers.find(service) {
                Some(peer) => peer.swept().await.ok(),
                None => None,
            };
            match answer {
                Some(swept) => horizons.learn_swept(service, swept),
                None => drop(self.asked().insert(service.to_owned(), false)),
            }
        }
        horizons.swept(service)
    }

    /// Takes one thing away, after the items it left marks at.
    async fn let_go(&self, garbage: Garbage) -> Result<Collected> {
        let (service, store) = (self.service, &self.service.store);
        let mut went = Collected::default();
        match garbage {
            Garbage::Root { intent, contents, .. } => {
                let left = service.tombstone(&intent.ssf);
                (went.slots, went.decisions) =
                    recycle::empty_contents(store, &contents, &left).await?;
                let from_elsewhere = layout::parse_sent_key(&intent.request_key).is_some();
                let by_store = left.by_store && !from_elsewhere;
                recycle::empty_intent(store, &intent, &Tombstone { by_store, ..left }).await?;
                went.roots += 1;
            }
            Garbage::Remains(intent) => went.tombstones += self.remove(&intent).await?,
            Garbage::Abort { root, key } => {
                went.decisions += self.remove_abort(&root, &key).await?;
            }
            Garbage::Older { key, row } => {
                let Some((table, name)) = layout::parse_older(&key) else { return Ok(went) };
                self.ask_all(&row).await;
                let item = service.item(table, name);
                if recycle::remove_older(&item, &key, &row).await? {
                    went.older_rows += 1;
                } else {
                    recycle::postpone(store, &key, name, self.began).await?;
                }
            }
            Garbage::Head((table, key)) => {
                let (item, until) = (service.item(&table, &key), service.tombstone("").until);
                went.items += usize::from(recycle::remove_head(&item, until).await?);
            }
            Garbage::Prepare { key, record: Some(record), .. } => {
                let Some(txn) = layout::parse_prepare(&key) else { return Ok(went) };
                if txn.epoch() < self.ask(&record.service).await {
                    recycle::empty_prepare(store, &key, &service.tombstone("")).await?;
                    went.prepared += 1;
                } else {
                    recycle::postpone(store, &key, &key.partition, self.began).await?;
                }
            }
            Garbage::Prepare { key, record: None, .. } => {
                went.tombstones += usize::from(recycle::remove_prepare(store, &key).await?);
            }
            Garbage::Nothing => {}
        }
        Ok(went)
    }

    /// Removes what is left of a root, unless another attempt of its sender or caller may ask again.
    async fn remove(&self, intent: &Intent) -> Result<usize> {
        let store = &self.service.store;
        let key = layout::intent_row(&intent.request_key);
        if let Some(id) = layout::parse_sent_key(&intent.request_key) {
            let origin = match &intent.caller {
                Some(caller) => self.ask(caller).await,
                None => self.round.horizon,
            };
            let unasked = weakness::is(Weakness::CallersUnasked);
            if id.epoch() >= origin && !unasked {
                recycle::postpone(store, &key, &intent.request_key, self.began).await?;
                return Ok(0);
            }
            if store.expires() {
                let left = Tombstone { until: self.began, by_store: true };
                recycle::leave_to_store(store, &key, &left).await?;
                return Ok(0);
            }
        }
        recycle::remove_root(store, &intent.request_key, self.round.horizon).await?;
        Ok(1)
    }

    /// Removes the abort of a root that was never registered.
    async fn remove_abort(&self, root: &str, key: &Key) -> Result<usize> {
        let store = &self.service.store;
        match intent::read(store, root).await? {
            Some(intent) if matches!(intent.state, State::Done(_)) => {
                recycle::unlist(store, key, root).await?;
                Ok(0)
            }
            Some(_) => {
                let until = self.service.tombstone("").until;
                recycle::postpone(store, key, root, until).await?;
                Ok(0)
            }
            None => recycle::remove_abort(store, key, root).await.map(usize::from),
        }
    }

    fn unreachable(&self) -> Vec<String> {
        let asked = self.asked();
        asked.iter().filter(|(_, answered)| !**answered).map(|(name, _)| name.clone()).collect()
    }

    fn asked(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, bool>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
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

/// A row of the garbage index, and what has to be known of it.
enum Garbage {
    /// A finished root, the rest of its partition, and the items it left with marks.
    Root { intent: Box<Intent>, contents: Vec<(Key, Row)>, items: Vec<ItemKey> },
    /// The tombstone of a root.
    Remains(Box<Intent>),
    /// The abort of a try.
    Abort { root: String, key: Key },
    /// An older log row.
    Older { key: Key, row: Row },
    /// A head that was bare.
    Head(ItemKey),
    /// A prepare record, or its tombstone.
    Prepare { key: Key, record: Option<Box<Prepare>>, items: Vec<ItemKey> },
    /// Something that is no garbage any more.
    Nothing,
}

impl Garbage {
    fn items(&self) -> &[ItemKey] {
        match self {
            Self::Root { items, .. } | Self::Prepare { items, .. } => items,
            _ => &[],
        }
    }
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

async fn add(a: usize, b: usize) -> Result<usize> {
    Ok(a + b)
}

/// Rows of the index that are read at a time.
const PAGE: usize = 256;
/// Rows that are worked on side by side.
const AT_ONCE: usize = 16;
