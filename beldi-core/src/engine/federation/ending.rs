//! The end of a transaction across services: one row of its coordinator decides, and all look it up.
//!
//! The coordinator **tells** each service that takes part, beside putting its own items in place. There,
//! the sends of the records that count are put, then all items of all records are settled. Each is safe
//! to do again, and late: a send is put if absent, and a lock is settled only if it is this very try's.
//! A root is finished only after all have been told of what it committed; so after a crash anywhere its
//! next attempt, or the one that takes over its decision, tells them again. Who meets a lock before that
//! **asks** the coordinator, and settles it by what it hears.
//!
//! A decision may be collected when somebody asks. Then all have been told of what its root committed, and
//! what the item shows is current.

use futures_util::future::try_join_all;

use super::Ended;
use crate::engine::Service;
use crate::protocol::prepare::{self, Prepare};
use crate::protocol::send;
use crate::protocol::txn::{self, Decision, Outcome, Prepared, Txn};
use crate::store::StoreError;

impl Service {
    /// How a transaction ended that this service coordinates, for one that takes part.
    pub(crate) async fn ended(
        &self,
        asker: &str,
        txn: &Txn,
        abort: bool,
    ) -> Result<Option<Ended>, StoreError> {
        let abort = abort.then(|| self.abort_by(self.nonce(), Vec::new()));
        let decision = txn::find(&self.store, txn, abort).await?;
        Ok(decision.map(|decision| Ended::of(&decision, asker)))
    }

    /// How a transaction ended that another service coordinates, for the items of this one.
    pub(in crate::engine) async fn ask_coordinator(
        &self,
        txn: &Txn,
        abort: bool,
    ) -> Result<Option<Outcome>, StoreError> {
        let peer = self.peers.of(txn, &txn.service)?;
        let Some(ended) = peer.ended(txn.clone(), abort).await? else { return Ok(None) };
        Ok(Some(self.outcome_of(txn, &ended).await?.0))
    }

    /// What an ended transaction does here, and everything it has prepared here.
    async fn outcome_of(
        &self,
        txn: &Txn,
        ended: &Ended,
    ) -> Result<(Outcome, Vec<Prepare>), StoreError> {
        let records = prepare::all(&self.store, txn).await?;
        let mut outcome = Outcome {
            txn: Some(ended.txn),
            commit: ended.counting.is_some(),
            for_good: ended.for_good,
            is_collected: ended.is_collected,
            ..Outcome::default()
        };
        if let Some(counting) = &ended.counting {
            for instance in counting {
                let record = records.iter().find(|record| record.instance == *instance);
                outcome.is_collected |= record.is_none();
                outcome.writes.extend(record.into_iter().flat_map(|record| record.writes.clone()));
            }
        }
        Ok((outcome, records))
    }

    /// Puts in place what a transaction has prepared here, or takes it back.
    pub(crate) async fn settle_prepared(&self, txn: &Txn, ended: &Ended) -> Result<(), StoreError> {
        let (outcome, records) = self.outcome_of(txn, ended).await?;
        let counting = ended.counting.as_ref();
        let mut items = Vec::new();
        for record in records {
            items.extend(record.writes.into_keys().chain(record.reads));
            if counting.is_some_and(|counting| counting.contains(&record.instance)) {
                for receiver in record.sends {
                    send::send(&self.store, &receiver).await?;
                    self.announce(receiver.request_key);
                }
            }
        }
        items.sort();
        items.dedup();
        self.settle_all(txn, &outcome, items).await
    }

    /// Tells every service that takes part how a transaction ended.
    pub(in crate::engine) async fn tell(
        &self,
        txn: &Txn,
        decision: &Decision,
        services: impl IntoIterator<Item = String>,
    ) -> Result<(), StoreError> {
        let tell = services.into_iter().map(async |service| {
            let peer = self.peers.of(txn, &service)?;
            peer.settle(txn.clone(), Ended::of(decision, &service)).await
        });
        try_join_all(tell).await.map(drop)
    }
}

impl Ended {
    fn of(decision: &Decision, service: &str) -> Self {
        let counts = |prepared: &&Prepared| prepared.commit && prepared.service == service;
        let counting = decision.prepared.iter().filter(counts);
        let counting: Vec<_> = counting.map(|prepared| prepared.instance).collect();
        let counting = decision.commit.then_some(counting);
        let (txn, for_good) = (decision.txn, decision.step.is_some());
        Self { txn, counting, for_good, is_collected: decision.is_collected() }
    }
}
