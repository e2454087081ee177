//! Prepare records: what a service that takes part in another's transaction would do.
//!
//! One row for each callee, put if absent once it has locked everything and has its result: the
//! items it changes, those it only read, its sends, and the result. It is the service's vote, and
//! **the first one counts**: another attempt of the callee gets the result that stands. It saw what the
//! callees before it had prepared here, so it stands for the same callees before it only: one whose caller
//! has asked in another order gives way. The coordinator's decision lists the records that count; a record
//! it does not list is void.
//!
//! A crash before the row leaves locks, which are settled as the coordinator decides. After it, the
//! locks say the same, and the row tells what a commit writes. The row itself changes nothing. It is in the
//! garbage from the beginning: the collector asks the coordinator how far that is swept.

use std::collections::BTreeMap;

use crate::id::{Epoch, Id};
use crate::protocol::intent::Intent;
use crate::protocol::layout::{self, prepare as attr};
use crate::protocol::txn::{ItemKey, Txn, item_key, named, read_write, written};
use crate::store::{
    Condition, DUE_ORDER, DUE_SHARD, Key, Query, Result, Row, Store, StoreError, Update, Updated,
};
use crate::value::Value;

/// What one callee would do.
#[derive(Clone, Debug)]
pub(crate) struct Prepare {
    /// The callee, as its caller names it.
    pub(crate) instance: Id,
    pub(crate) by: String,
    /// When it was prepared: the garbage collector looks at it once its horizon is above that.
    pub(crate) at: Epoch,
    /// The callees whose records it saw, in the order of their calls.
    pub(crate) before: Vec<Id>,
    pub(crate) writes: BTreeMap<ItemKey, Option<Value>>,
    pub(crate) reads: Vec<ItemKey>,
    pub(crate) sends: Vec<Intent>,
    pub(crate) result: Value,
}

/// Whose record stands.
#[derive(Debug)]
pub(crate) enum Put {
    Mine,
    /// That of another attempt, which saw the same.
    Theirs(Value),
    /// That of another attempt, which saw what other callees had prepared.
    InAnotherOrder,
    /// None any more: the transaction is over.
    Collected,
}

/// Puts the record, unless there is one.
pub(crate) async fn put(store: &dyn Store, txn: &Txn, prepare: &Prepare) -> Result<Put> {
    let key = layout::prepare_row(txn, prepare.instance);
    let row = match store.update(&key, &prepare.update(&key)).await? {
        Updated::Applied(_) => return Ok(Put::Mine),
        Updated::Refused(row) => row.unwrap_or_default(),
    };
    Ok(match Prepare::read(prepare.instance, &row)? {
        Some(standing) if standing.before == prepare.before => Put::Theirs(standing.result),
        Some(_) => Put::InAnotherOrder,
        None => Put::Collected,
    })
}

/// The records of these callees, in this order, as far as the transaction stands.
pub(crate) async fn find(store: &dyn Store, txn: &Txn, callees: &[Id]) -> Result<Vec<Prepare>> {
    if callees.is_empty() {
        return Ok(Vec::new());
    }
    let records = all(store, txn).await?.into_iter().map(|record| (record.instance, record));
    let mut records: BTreeMap<_, _> = records.collect();
    Ok(callees.iter().filter_map(|callee| records.remove(callee)).collect())
}

/// All records of one try of a transaction.
pub(crate) async fn all(store: &dyn Store, txn: &Txn) -> Result<Vec<Prepare>> {
    let mut query = Query {
        partition: layout::prepare_partition(txn),
        prefix: String::new(),
        descending: false,
        limit: usize::MAX,
        after: None,
    };
    let mut records = Vec::new();
    loop {
        let page = store.query(&query).await?;
        for (key, row) in &page.rows {
            let instance = Id::parse(&key.sort).ok_or_else(|| corrupt(&key.sort))?;
            records.extend(Prepare::read(instance, row)?);
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(records),
        }
    }
}

impl Prepare {
    /// The items it concerns.
    pub(crate) fn items(&self) -> impl Iterator<Item = &ItemKey> {
        self.writes.keys().chain(&self.reads)
    }

    fn update(&self, key: &Key) -> Update {
        let sends = self.sends.iter().map(Intent::to_value).collect();
        let reads = self.reads.iter().map(|item| Value::map(named(item))).collect();
        let before = self.before.iter().map(|callee| callee.to_string().into()).collect();
        Update::when(Condition::absent(attr::BY))
            .set(attr::BY, &*self.by)
            .set(attr::BEFORE, Value::List(before))
            .set(DUE_SHARD, layout::garbage_shard(&key.partition))
            .set(DUE_ORDER, self.at)
            .set(attr::WRITES, Value::List(self.writes.iter().map(written).collect()))
            .set(attr::READS, Value::List(reads))
            .set(attr::SENDS, Value::List(sends))
            .set(attr::RESULT, self.result.clone())
    }

    /// The record in a row; none if it was collected.
    pub(crate) fn read(instance: Id, row: &Row) -> Result<Option<Self>> {
        if row.get(attr::BY).is_some() && row.get(attr::WRITES).is_none() {
            return Ok(None);
        }
        let list = |name| match row.get(name) {
            Some(Value::List(list)) => Some(list.iter()),
            _ => None,
        };
        let id = |value: &Value| Id::parse(value.as_text()?);
        let read = || {
            let sends = list(attr::SENDS)?.map(|send| Intent::from_value(send).ok());
            Some(Self {
                instance,
                by: row.text(attr::BY)?.to_owned(),
                at: row.int(DUE_ORDER).and_then(|at| Epoch::try_from(at).ok())?,
                before: list(attr::BEFORE)?.map(id).collect::<Option<_>>()?,
                writes: list(attr::WRITES)?.map(read_write).collect::<Option<_>>()?,
                reads: list(attr::READS)?.map(item_key).collect::<Option<_>>()?,
                sends: sends.collect::<Option<_>>()?,
                result: row.get(attr::RESULT)?.clone(),
            })
        };
        read().map(Some).ok_or_else(|| corrupt(&instance.to_string()))
    }
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(format!("the prepare record `{what}`"))
}
