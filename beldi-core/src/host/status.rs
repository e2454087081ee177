//! What can be said of an instance from outside.

use serde::Serialize;

use crate::engine::Service;
use crate::error::{Error, Reason, Result};
use crate::protocol::intent::{self, State};
use crate::protocol::journal::{self, Loaded};
use crate::protocol::lock::{self, Holder, Standing};
use crate::store::StoreError;
use crate::value::Value;

/// How far an instance is. See [`Host::instance`](crate::Host::instance).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// Registered; an attempt runs or will.
    Running,
    /// It has its result.
    Done,
    /// It waits for a person: see the reason.
    Parked,
}

/// An instance, as the store shows it. See [`Host::instance`](crate::Host::instance).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InstanceStatus {
    /// Its request key.
    pub key: String,
    /// Its SSF.
    pub ssf: String,
    /// How far it is.
    pub state: InstanceState,
    /// Attempts begun so far.
    pub attempts: u32,
    /// The last step of the root that is logged, or the step at which it was parked.
    pub step: Option<String>,
    /// What it returned, as it is stored.
    pub result: Option<Value>,
    /// Why it is parked, or why its last attempt failed.
    pub reason: Option<Reason>,
}

/// A lock that stands. See [`Host::locks`](crate::Host::locks).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LockStatus {
    /// The table of the item.
    pub table: String,
    /// Its key, as it is stored.
    pub key: String,
    /// The request key of the root that holds it.
    pub holder: String,
    /// The service that the root belongs to.
    pub service: String,
    /// Whether a transaction holds it; otherwise it was taken with
    /// [`Table::lock`](crate::Table::lock).
    pub in_transaction: bool,
    /// Since when, in milliseconds since 1970.
    pub since: u64,
}

/// All locks that stand.
pub(crate) async fn locks(service: &Service) -> Result<Vec<LockStatus>> {
    let mut locks: Vec<_> = lock::standing(&service.store).await?;
    locks.sort_by_key(|standing| standing.lock.since);
    let status = |Standing { table, key, lock }: Standing| LockStatus {
        table,
        key,
        holder: lock.holder.root().to_owned(),
        service: match &lock.holder {
            Holder::Txn(txn) => txn.service.clone(),
            Holder::Instance(_) => service.name.clone(),
        },
        in_transaction: matches!(lock.holder, Holder::Txn(_)),
        since: lock.since,
    };
    Ok(locks.into_iter().map(status).collect())
}

pub(crate) async fn read(service: &Service, key: &str) -> Result<InstanceStatus> {
    let Loaded { intent, journal, .. } = journal::load(&service.store, key).await?;
    let intent = intent.ok_or_else(|| Error::UnknownInstance { key: key.to_owned() })?;
    let log = journal.log(intent.instance(&service.name));
    let logged = log.entries.last_key_value().map(|(path, _)| path.to_string());
    let (state, result) = match intent.state {
        State::Running => (InstanceState::Running, None),
        State::Done(result) => (InstanceState::Done, Some(result)),
        State::Parked(_) => (InstanceState::Parked, None),
    };
    let step = intent.reason.as_ref().and_then(|reason| reason.step.clone()).or(logged);
    Ok(InstanceStatus {
        key: key.to_owned(),
        ssf: intent.ssf,
        state,
        attempts: intent.attempts,
        step,
        result,
        reason: intent.reason,
    })
}

pub(crate) async fn resume(service: &Service, key: &str) -> Result<()> {
    let intent = match intent::read(&service.store, key).await {
        // No request has such a key.
        Err(StoreError::InvalidKey { .. }) => None,
        intent => intent?,
    };
    let intent = intent.ok_or_else(|| Error::UnknownInstance { key: key.to_owned() })?;
    if !intent::resume(&service.store, &intent, service.outside.now()).await? {
        return Err(Error::NotParked { key: key.to_owned() });
    }
    service.announce(key.to_owned());
    Ok(())
}
