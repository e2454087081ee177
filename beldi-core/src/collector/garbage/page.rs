//! One page of the garbage index: what its rows are, what they left elsewhere, and how they go.
//!
//! In this order: all rows of the page are read; the items they name are pruned, each once; then each row
//! is emptied, removed, or put off to a later date. A row leaves the index last, so a crash anywhere leaves
//! it there, and the next run begins with it again. Two collectors at once do half of it each, or all of it
//! twice; why each change may come twice or late is in [`recycle`].

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::{Collected, Result, Run};
use crate::engine::millis;
use crate::id::{Epoch, Id};
use crate::protocol::daal;
use crate::protocol::intent::{self, Intent, State};
use crate::protocol::layout;
use crate::protocol::prepare::Prepare;
use crate::protocol::prune::Mark;
use crate::protocol::recycle::{self, Tombstone};
use crate::protocol::txn::ItemKey;
use crate::store::{Key, Row, Store};
use crate::weakness::{self, Weakness};

/// A row of the garbage index, as it was read after the index.
#[derive(Default)]
struct Found {
    /// Its place in the index.
    order: Epoch,
    what: Garbage,
}

/// What has to be known of a row before it goes.
#[derive(Default)]
enum Garbage {
    /// A finished root, the rest of its partition, and the items it left with marks.
    Root { intent: Box<Intent>, contents: Vec<(Key, Row)>, items: Vec<ItemKey> },
    /// The tombstone of a root, and the rest of its partition.
    Remains { left: Box<Intent>, contents: Vec<(Key, Row)> },
    /// The abort of a try, and the items it left with marks.
    Abort { root: String, key: Key, items: Vec<ItemKey> },
    /// An older log row.
    Older { key: Key, row: Row },
    /// A head without a value, when it was listed.
    Head { item: ItemKey, row: Row },
    /// A prepare record, and the items it left with marks.
    Prepare { key: Key, txn: Id, service: String, items: Vec<ItemKey> },
    /// The tombstone of a prepare record.
    Prepared(Key),
    /// Something that is no garbage any more.
    #[default]
    Nothing,
}

impl Garbage {
    fn items(&self) -> &[ItemKey] {
        match self {
            Self::Root { items, .. } | Self::Abort { items, .. } | Self::Prepare { items, .. } => {
                items
            }
            _ => &[],
        }
    }
}

impl Run<'_> {
    /// Takes away one page. All its rows are read first, for what they left at the same items.
    pub(super) async fn take_away(&self, rows: Vec<(Key, Row)>) -> Result<Collected> {
        let look = stream::iter(rows).map(async |(key, row)| self.spare(self.look(key, row).await));
        let found: Vec<Found> = look.buffer_unordered(AT_ONCE).try_collect().await?;
        let items: BTreeSet<_> =
            found.iter().flat_map(|found| found.what.items()).cloned().collect();
        let tidy =
            stream::iter(items).map(async |item: ItemKey| self.spare(self.tidy(&item).await));
        let sum = async |a: usize, b| Ok(a + b);
        let marks = tidy.buffer_unordered(AT_ONCE).try_fold(0, sum).await?;
        let go = stream::iter(found).map(async |found| self.spare(self.let_go(found).await));
        let removed = Collected { marks, ..Collected::default() };
        let both = async |removed: Collected, went| Ok(removed.plus(went));
        go.buffer_unordered(AT_ONCE).try_fold(removed, both).await
    }

    /// Reads what is to be known of a row. The index may be behind, or another collector ahead: only
    /// the row itself tells whether it is garbage. But what is finished stays so, and can only be
    /// emptied once; if that is all there is of a root, it need not be read again.
    async fn look(&self, key: Key, listed: Row) -> Result<Found> {
        let store = &self.service.store;
        let root = layout::parse_root(&key).filter(|root| key == layout::intent_row(root));
        if let Some(root) = root
            && let Ok(intent) = Intent::read(root, &listed)
            && matches!(intent.state, State::Done(_))
            && !(intent.is_collected() || intent.left.rows)
        {
            let order = listed.due().map_or(intent.epoch, |(_, order)| order);
            return Ok(Found { order, what: root_of(intent, Vec::new())? });
        }
        let (row, contents) = match root {
            Some(root) => recycle::contents(store, root).await?,
            None => (store.get(&key).await?, Vec::new()),
        };
        let row = row.unwrap_or_default();
        let Some((shard, order)) = row.due() else { return Ok(Found::default()) };
        if !layout::is_garbage_shard(shard) || order >= self.round.horizon {
            return Ok(Found::default());
        }
        let what = match root {
            Some(root) => root_of(Intent::read(root, &row)?, contents)?,
            None => other(key, row)?,
        };
        Ok(Found { order, what })
    }

    /// Prunes an item, once the services whose tombstones it holds have been asked.
    async fn tidy(&self, (table, key): &ItemKey) -> Result<usize> {
        let row = daal::read(&self.service.store, table, key).await?;
        self.ask_all(&row).await;
        recycle::tidy(&self.service.item(table, key), row, self.service.window().until).await
    }

    /// Asks the services whose tombstones stand in a row.
    async fn ask_all(&self, row: &Row) {
        for name in row.0.keys() {
            if let Some(Mark::Foreign { service, .. }) = Mark::of(name) {
                self.ask(service).await;
            }
        }
    }

    /// Takes one thing away, after the items it left marks at.
    async fn let_go(&self, Found { order, what }: Found) -> Result<Collected> {
        let (service, store) = (self.service, &self.service.store);
        let mut went = Collected::default();
        match what {
            Garbage::Root { intent, contents, .. } => {
                let left = service.tombstone(&intent.ssf);
                (went.slots, went.decisions) =
                    recycle::empty_contents(store, &contents, &left).await?;
                let is_over = self.is_origin_over(&intent).await;
                let by_store = left.by_store && is_over;
                let left = Tombstone { by_store, ..left };
                recycle::empty_intent(store, &intent, &left, is_over).await?;
                went.roots += 1;
            }
            Garbage::Remains { left, .. } if !left.is_over => {
                let key = layout::intent_row(&left.request_key);
                if self.is_origin_over(&left).await {
                    let until = service.tombstone(&left.ssf);
                    intent::note_over(store, &left, &until).await?;
                } else {
                    let later = self.later(left.epoch);
                    recycle::postpone(store, &key, &left.request_key, order, later).await?;
                }
            }
            Garbage::Remains { left, contents } => {
                recycle::remove_root(store, &left, &contents, self.round.horizon).await?;
                went.tombstones += 1;
            }
            Garbage::Abort { root, key, .. } => {
                went.decisions += self.remove_abort(&root, &key, order).await?;
            }
            Garbage::Older { key, row } => {
                let Some((table, name)) = layout::parse_older(&key) else { return Ok(went) };
                self.ask_all(&row).await;
                if recycle::remove_older(&service.item(table, name), &key, &row).await? {
                    went.older_rows += 1;
                } else {
                    // Its place is a date once it was postponed; its largest epoch stays.
                    let newest = row.int(layout::item::SPILLED);
                    let newest = newest.and_then(|epoch| Epoch::try_from(epoch).ok());
                    let later = self.later(newest.unwrap_or(order));
                    recycle::postpone(store, &key, name, order, later).await?;
                }
            }
            Garbage::Head { item: (table, key), row } => {
                self.ask_all(&row).await;
                let (item, until) = (service.item(&table, &key), service.window().until);
                went.heads += usize::from(recycle::remove_head(&item, row, until).await?);
            }
            Garbage::Prepare { key, txn, service: coordinator, .. } => {
                if txn.epoch() < self.ask(&coordinator).await {
                    recycle::empty_prepare(store, &key, &service.window()).await?;
                    went.prepared += 1;
                } else {
                    let later = self.later(txn.epoch());
                    recycle::postpone(store, &key, &key.partition, order, later).await?;
                }
            }
            Garbage::Prepared(key) => {
                went.tombstones += usize::from(recycle::remove_prepare(store, &key).await?);
            }
            Garbage::Nothing => {}
        }
        Ok(went)
    }

    /// When to look again at what another service, or an unfinished root, still keeps from going: the
    /// longer ago it began, the less often, down to once in eight lags.
    fn later(&self, since: Epoch) -> Epoch {
        let most = millis(self.service.limits.lag).saturating_mul(8);
        self.began + self.began.saturating_sub(since).min(most)
    }

    /// Whether nobody is left who could send or call a root again.
    async fn is_origin_over(&self, root: &Intent) -> bool {
        let Some(id) = layout::parse_sent_key(&root.request_key) else { return true };
        let origin = match &root.caller {
            Some(caller) => self.ask(caller).await,
            None => self.round.horizon,
        };
        id.epoch() < origin || weakness::is(Weakness::CallersUnasked)
    }

    /// Removes the abort of a root that was never registered.
    async fn remove_abort(&self, root: &str, key: &Key, order: Epoch) -> Result<usize> {
        let store = &self.service.store;
        match intent::read(store, root).await? {
            Some(intent) if matches!(intent.state, State::Done(_)) => {
                recycle::unlist(store, key, root).await?;
                Ok(0)
            }
            Some(_) => {
                let until = self.service.window().until;
                recycle::postpone(store, key, root, order, until).await?;
                Ok(0)
            }
            None => recycle::remove_abort(store, key, root, order).await.map(usize::from),
        }
    }
}

/// A finished root, or what is left of it.
fn root_of(intent: Intent, contents: Vec<(Key, Row)>) -> Result<Garbage> {
    let intent = Box::new(intent);
    if intent.is_collected() {
        return Ok(Garbage::Remains { left: intent, contents });
    }
    let items = recycle::items(&intent, &contents)?;
    Ok(Garbage::Root { intent, contents, items })
}

/// Any other garbage.
fn other(key: Key, row: Row) -> Result<Garbage> {
    if let Some((root, (_, retry))) =
        layout::parse_root(&key).zip(layout::parse_decision(&key.sort))
    {
        let root = root.to_owned();
        let items = crate::protocol::txn::Decision::read(&root, retry, &row)?;
        let items = items.items().cloned().collect();
        return Ok(Garbage::Abort { root, key, items });
    }
    if let Some(((txn, service), callee)) = layout::parse_prepare(&key).zip(Id::parse(&key.sort)) {
        return Ok(match Prepare::read(callee, &row)? {
            Some(record) => {
                let (service, items) = (service.to_owned(), record.items().cloned().collect());
                Garbage::Prepare { key, txn, service, items }
            }
            None => Garbage::Prepared(key),
        });
    }
    if layout::parse_older(&key).is_some() {
        return Ok(Garbage::Older { key, row });
    }
    Ok(match layout::parse_head(&key) {
        Some((table, name)) => Garbage::Head { item: (table.to_owned(), name.to_owned()), row },
        None => Garbage::Nothing,
    })
}

/// Rows that are worked on side by side.
const AT_ONCE: usize = 16;
