//! Callbacks: the result of a call that its callee, in another service, finished after the caller had gone.
//!
//! A caller that gets no result in time halts, and its collector would ask again some time later. The
//! callee need not wait for that: once somebody who went on with it has finished it, its service brings
//! the result. One row is written, the intent of the caller's root, in one conditional update: the result
//! beside it, and the next attempt may begin at once; the one that halted does not count. A crash before
//! the update: the caller asks again, and is answered. After it: the attempt that begins finds the result
//! where it would have asked.
//!
//! The result is refused unless
//!
//! * the **token** is the one that went out with the call. It is a keyed hash of callee, service, root and
//!   date, under a secret that never leaves the service row; so nothing is stored for a call, and every
//!   attempt sends the same one,
//! * its date has not passed,
//! * the root is running: no late callback makes a row,
//! * no result of this callee is there: the token is good for one,
//! * it is small enough to be kept beside the intent.
//!
//! So the callee of a large result says only that it is done: the next attempt begins, and asks for it.

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::limits::MAX_CALLED_BACK;
use crate::protocol::intent;
use crate::protocol::layout::{self, intent as attr, service};
use crate::store::{Condition, Result, Store, Update, Updated};
use crate::value::Value;

/// Where and until when the result of a callee is wanted, and the token that lets it in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Callback {
    /// The request key of the caller's root.
    pub(crate) root: String,
    token: [u8; 32],
    /// In milliseconds since 1970.
    until: u64,
}

/// What became of a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Delivered {
    /// The caller goes on with it.
    Accepted,
    /// There was one before.
    Already,
    /// The caller is finished, or parked, or gone.
    NotWaiting,
    /// It was not this call that the token went out with.
    Forged,
    /// It came too late.
    Expired,
    /// It cannot be kept: whoever has so much says only that it is done.
    TooLarge,
}

/// What the tokens of a service are made with.
#[derive(Clone, Copy)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    /// The secret of the service; `fresh` becomes it if there is none yet.
    pub(crate) async fn read(store: &dyn Store, fresh: [u8; 32]) -> Result<Self> {
        let key = layout::service_row();
        let known = |row: Option<&crate::store::Row>| match row?.get(service::SECRET)? {
            Value::Bytes(secret) => Some(Self(secret.as_slice().try_into().ok()?)),
            _ => None,
        };
        if let Some(secret) = known(store.get(&key).await?.as_ref()) {
            return Ok(secret);
        }
        let first = Update::when(Condition::absent(service::SECRET));
        let row = match store.update(&key, &first.set(service::SECRET, fresh.to_vec())).await? {
            Updated::Applied(row) => Some(row),
            Updated::Refused(row) => row,
        };
        let damaged = || crate::store::StoreError::Corrupt(format!("row {key}: its secret"));
        known(row.as_ref()).ok_or_else(damaged)
    }

    /// The callback of a call: the same for every attempt of the caller.
    pub(crate) fn callback(&self, service: &str, callee: Id, root: &str, until: u64) -> Callback {
        let token = *self.token(service, callee, root, until).as_bytes();
        Callback { root: root.to_owned(), token, until }
    }

    fn token(&self, service: &str, callee: Id, root: &str, until: u64) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in [service.as_bytes(), &callee.bytes(), root.as_bytes(), &until.to_be_bytes()] {
            hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
        }
        hasher.finalize()
    }
}

/// The result as it is brought; nothing if it is to be asked for.
pub(crate) fn brought(result: Value) -> Option<Value> {
    Some(result).filter(|result| result.size() <= MAX_CALLED_BACK)
}

/// Takes in what a callee of `service` has returned, or that it is done.
pub(crate) async fn deliver(
    store: &dyn Store,
    secret: &Secret,
    service: &str,
    callee: Id,
    callback: &Callback,
    result: Option<&Value>,
    now: u64,
) -> Result<Delivered> {
    let Callback { root, token, until } = callback;
    // Hashes compare in constant time.
    if secret.token(service, callee, root, *until) != blake3::Hash::from_bytes(*token) {
        return Ok(Delivered::Forged);
    }
    if *until < now {
        return Ok(Delivered::Expired);
    }
    if result.is_some_and(|result| result.size() > MAX_CALLED_BACK) {
        return Ok(Delivered::TooLarge);
    }
    let name = layout::called_back(callee);
    let when = vec![intent::is_running(), Condition::absent(&*name)];
    let update = Update::when(Condition::All(when))
        .set(&*name, Value::List(result.cloned().into_iter().collect()))
        .set(attr::NEXT, now)
        // It may begin an attempt beside one that runs, which is no fault of either.
        .add(attr::EXCUSED, 1);
    Ok(match store.update(&layout::intent_row(root), &update).await? {
        Updated::Applied(_) => Delivered::Accepted,
        Updated::Refused(Some(row)) if row.get(&name).is_some() => Delivered::Already,
        Updated::Refused(_) => Delivered::NotWaiting,
    })
}

/// The result in the attribute of a callee, if it was kept.
pub(super) fn kept(value: &Value) -> Option<Value> {
    match value {
        Value::List(kept) => kept.first().cloned(),
        _ => None,
    }
}

impl Callback {
    pub(super) fn to_value(&self) -> Value {
        Value::map([
            ("root", Value::from(&*self.root)),
            ("token", self.token.to_vec().into()),
            ("until", self.until.into()),
        ])
    }

    /// Reads what [`to_value`](Self::to_value) made; fails with the name of the attribute.
    pub(super) fn from_value(value: &Value) -> std::result::Result<Self, &'static str> {
        let read = || {
            let root = value.field("root")?.as_text()?.to_owned();
            let Value::Bytes(token) = value.field("token")? else { return None };
            let until = u64::try_from(value.field("until")?.as_int()?).ok()?;
            Some(Self { root, token: token.as_slice().try_into().ok()?, until })
        };
        read().ok_or(attr::CALLBACK)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests;
