//! The horizon: the epoch below which every root of the service is finished, for ever.
//!
//! One row holds it, beside the **door**, the horizon that a round of the garbage collector wants.
//! The horizon never falls, and never passes an unfinished root. A round:
//!
//! 1. **raise**: the door to `now - lag`, if it is lower. A crash after it: the next round goes on.
//! 2. look for the oldest unfinished root, running or parked, in the due index. Whatever had
//!    registered before the door was raised is seen.
//! 3. **publish**: if nobody has moved the door meanwhile, the horizon becomes the lower of the door
//!    and that root, and the door goes down to it. Of two that looked behind the same door, the first
//!    one publishes.
//!
//! A root that registers below the door may have been overlooked. So who has registered one, or is to
//! go on with one, **confirms** its epoch unless it is fresh: reads the row, *after* the root was seen
//! to stand.
//!
//! * Horizon above the epoch: the root is **lost**. Nobody has confirmed it before (a confirmed root
//!   holds the horizon), so nothing was done for it: it is **renewed**, that is, gets an epoch of now.
//! * Door not above the epoch: every later round looks after this moment, and sees the root.
//! * Otherwise a round may be between its look and its end. The door is lowered to the epoch, which
//!   refuses the end of that round; the round's own look comes too late to count.
//!
//! *Fresh* is an epoch that is younger than half the lag by the own clock: no round's door is above
//! it, as long as the clocks of all hosts differ by less than the other half. That saves the read.
//!
//! **Swept** is told to other services: of no transaction and no call below it is anything left here,
//! so nothing they keep for those can be asked for again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::id::Epoch;
use crate::protocol::daal::absent_or;
use crate::protocol::layout::{self, service as attr};
use crate::store::{Compare, Condition, Result, Row, Store, Update, Updated};
use crate::weakness::{self, Weakness};

/// What the service row says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Round {
    pub(crate) horizon: Epoch,
    pub(crate) door: Epoch,
    number: u64,
    pub(crate) swept: Epoch,
}

impl Round {
    fn of(row: Option<&Row>) -> Self {
        let number = |name| row.and_then(|row| u64::try_from(row.int(name)?).ok()).unwrap_or(0);
        Self {
            horizon: number(attr::HORIZON),
            door: number(attr::DOOR),
            number: number(attr::ROUND),
            swept: number(attr::SWEPT),
        }
    }
}

/// The service row as it stands.
pub(crate) async fn read(store: &dyn Store) -> Result<Round> {
    Ok(Round::of(store.get(&layout::service_row()).await?.as_ref()))
}

/// Begins a round: the door is at least there now.
pub(crate) async fn raise(store: &dyn Store, door: Epoch) -> Result<Round> {
    let lower = absent_or(attr::DOOR, Compare::Less, door);
    let update = Update::when(lower).set(attr::DOOR, door).add(attr::ROUND, 1);
    Ok(Round::of(Some(&changed(store, &update).await?)))
}

/// Ends a round: nothing below `horizon` was unfinished after its door was raised. Returns what stands.
pub(crate) async fn publish(store: &dyn Store, round: &Round, horizon: Epoch) -> Result<Round> {
    let mut when = vec![absent_or(attr::HORIZON, Compare::LessOrEqual, horizon)];
    if !weakness::is(Weakness::RoundsEndUnasked) {
        when.push(Condition::equals(attr::ROUND, round.number));
    }
    let update = Update::when(Condition::All(when)).set(attr::HORIZON, horizon);
    let update = update.set(attr::DOOR, horizon).add(attr::ROUND, 1);
    Ok(Round::of(Some(&changed(store, &update).await?)))
}

/// Whether the horizon is not above the epoch of a root that was seen to stand, and will not be
/// before it is finished.
pub(crate) async fn confirm(store: &dyn Store, epoch: Epoch) -> Result<bool> {
    let mut round = read(store).await?;
    if round.horizon <= epoch && round.door > epoch {
        let when = Condition::All(vec![
            Condition::compares(attr::DOOR, Compare::Greater, epoch),
            absent_or(attr::HORIZON, Compare::LessOrEqual, epoch),
        ]);
        let lower = Update::when(when).set(attr::DOOR, epoch).add(attr::ROUND, 1);
        round = Round::of(Some(&changed(store, &lower).await?));
    }
    Ok(round.horizon <= epoch)
}

/// Notes that nothing is left below an epoch.
pub(crate) async fn note_swept(store: &dyn Store, below: Epoch) -> Result<()> {
    let lower = absent_or(attr::SWEPT, Compare::Less, below);
    changed(store, &Update::when(lower).set(attr::SWEPT, below)).await.map(drop)
}

async fn changed(store: &dyn Store, update: &Update) -> Result<Row> {
    Ok(match store.update(&layout::service_row(), update).await? {
        Updated::Applied(row) => row,
        Updated::Refused(row) => row.unwrap_or_default(),
    })
}

/// How far horizons are, as this host knows: it may know too little, never too much.
#[derive(Debug, Default)]
pub(crate) struct Horizons {
    own: AtomicU64,
    /// What other services have told of themselves.
    swept: RwLock<BTreeMap<String, Epoch>>,
}

impl Horizons {
    /// The horizon of the own service.
    pub(crate) fn own(&self) -> Epoch {
        self.own.load(Ordering::Relaxed)
    }

    pub(crate) fn learn(&self, horizon: Epoch) {
        self.own.fetch_max(horizon, Ordering::Relaxed);
    }

    /// How far another service is swept.
    pub(crate) fn swept(&self, service: &str) -> Epoch {
        let swept = self.swept.read().unwrap_or_else(PoisonError::into_inner);
        swept.get(service).copied().unwrap_or(0)
    }

    pub(crate) fn learn_swept(&self, service: &str, epoch: Epoch) {
        let mut swept = self.swept.write().unwrap_or_else(PoisonError::into_inner);
        let known = swept.entry(service.to_owned()).or_default();
        *known = epoch.max(*known);
    }
}
