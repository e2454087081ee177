//! Where everything is stored: the one place that spells keys and attributes.
//!
//! `docs/stored-form.md` tells the same as a table, with who writes and who deletes each row.

use crate::id::Id;
use crate::protocol::txn::Txn;
use crate::store::Key;

/// Separates the parts of a key; escaped user keys sort around it as they should.
const SEPARATOR: char = '\u{0}';

/// Attributes of an item head and of its older rows.
pub(crate) mod item {
    /// The user's value; absent when there is none.
    pub(crate) const VALUE: &str = "v";
    /// Counts changes of the value.
    pub(crate) const VERSION: &str = "n";
    /// Counts the marks in the head.
    pub(crate) const MARKS: &str = "c";
    /// Counts the older rows.
    pub(crate) const GENERATION: &str = "g";
    /// The largest epoch of any mark ever spilled.
    pub(crate) const SPILLED: &str = "e";
    /// Writers older than this epoch are refused for ever. With the name of another service behind it,
    /// the same for the transactions which that one coordinates.
    pub(crate) const FENCE: &str = "f";
    /// Who holds the item.
    pub(crate) const LOCK: &str = "l";
    /// Since when, in milliseconds since 1970.
    pub(crate) const LOCKED_SINCE: &str = "ls";
    /// The transaction whose the item is next.
    pub(crate) const TURN: &str = "q";
    /// When it asked for that, in milliseconds since 1970.
    pub(crate) const TURN_SINCE: &str = "qs";
    /// What the name of a mark begins with; its id follows.
    pub(crate) const MARK: &str = "m";
    /// The same for a tombstone of another service's transaction; that service's name follows.
    pub(crate) const FOREIGN_MARK: &str = "x";
}

/// Attributes of the service row.
pub(crate) mod service {
    /// The horizon: every root with a smaller epoch is finished, for ever.
    pub(crate) const HORIZON: &str = "h";
    /// The horizon that the present round of the garbage collector wants.
    pub(crate) const DOOR: &str = "d";
    /// Counts how often the door was moved.
    pub(crate) const ROUND: &str = "r";
    /// The horizon up to which everything was swept.
    pub(crate) const SWEPT: &str = "s";
    /// What the tokens of callbacks are made with.
    pub(crate) const SECRET: &str = "k";
}

/// Fields of a lock.
pub(crate) mod lock {
    /// The transaction that holds it.
    pub(crate) const TXN: &str = "t";
    /// Which try of the transaction.
    pub(crate) const RETRY: &str = "r";
    /// The service that coordinates the transaction.
    pub(crate) const SERVICE: &str = "s";
    /// The instance that holds it, outside of transactions.
    pub(crate) const INSTANCE: &str = "i";
    /// The step at which that instance took it.
    pub(crate) const STEP: &str = "m";
    /// The request key of the holder's root.
    pub(crate) const ROOT: &str = "k";
}

/// Attributes of a decision.
pub(crate) mod decision {
    /// `commit` or `abort`.
    pub(crate) const OUTCOME: &str = "outcome";
    /// The transaction's id, with the epoch of the run that decided.
    pub(crate) const TXN: &str = "txn";
    /// The run that decided.
    pub(crate) const BY: &str = "by";
    /// The items it changes: table, key and, unless it deletes, value.
    pub(crate) const WRITES: &str = "writes";
    /// The items it only read: table and key.
    pub(crate) const READS: &str = "reads";
    /// The roots it begins: their request keys and registrations.
    pub(crate) const SENDS: &str = "sends";
    /// What other services have prepared: service, instance and whether it counts.
    pub(crate) const PREPARED: &str = "prepared";
    /// The instance that took the transactional step.
    pub(crate) const INSTANCE: &str = "instance";
    /// The hash of its code.
    pub(crate) const CODE: &str = "code";
    /// The step and its result, encoded.
    pub(crate) const ENTRY: &str = "entry";
    /// The registration of a root that was not registered.
    pub(crate) const ROOT: &str = "root";
}

/// Attributes of an intent.
pub(crate) mod intent {
    /// The SSF to run.
    pub(crate) const SSF: &str = "ssf";
    /// Its input.
    pub(crate) const INPUT: &str = "input";
    /// The hash of the handler's code, as hexadecimal text.
    pub(crate) const CODE: &str = "code";
    /// The deployed version that registered it.
    pub(crate) const VERSION: &str = "version";
    /// The root's epoch.
    pub(crate) const EPOCH: &str = "epoch";
    /// Attempts begun.
    pub(crate) const ATTEMPTS: &str = "attempts";
    /// Attempts that ended for no fault of the handler.
    pub(crate) const EXCUSED: &str = "excused";
    /// `running`, `done` or `parked`.
    pub(crate) const STATE: &str = "state";
    /// When the collector may begin the next attempt, in milliseconds since 1970.
    pub(crate) const NEXT: &str = "next";
    /// What the SSF returned.
    pub(crate) const RESULT: &str = "result";
    /// Why the last attempt failed, or why the instance is parked.
    pub(crate) const REASON: &str = "reason";
    /// The run that wrote the row last: tells an own repeated request from another's.
    pub(crate) const BY: &str = "by";
    /// The first journal slot, written together with the intent.
    pub(crate) const FIRST: &str = "first";
    /// The service whose root called it or sent it, if that is another one.
    pub(crate) const CALLER: &str = "caller";
    /// How many calls from service to service it is below the first root, if it is below one.
    pub(crate) const DEPTH: &str = "depth";
    /// Where its result is to be brought, if the caller has gone: root, token and date.
    pub(crate) const CALLBACK: &str = "callback";
    /// What the name of a result begins with that another service has brought; the callee's id follows.
    pub(crate) const CALLED_BACK: &str = "back/";
    /// Items whose heads were left with more than its own mark: table and key.
    pub(crate) const ITEMS: &str = "items";
    /// When done: there may be other rows in its partition.
    pub(crate) const MORE: &str = "more";
    /// Of a tombstone: a digest of the input.
    pub(crate) const ASKED: &str = "asked";
    /// Of a tombstone: kept for as long as whoever sent or called it is unfinished.
    pub(crate) const KEPT: &str = "kept";
}

/// Attributes of a journal slot and of its parts.
pub(crate) mod slot {
    /// The entries, encoded.
    pub(crate) const ENTRIES: &str = "entries";
    /// The hash of the code that wrote them.
    pub(crate) const CODE: &str = "code";
    /// The run that wrote the slot.
    pub(crate) const BY: &str = "by";
    /// How many parts precede the slot.
    pub(crate) const PARTS: &str = "parts";
}

/// The head of an item. `key` is already escaped.
pub(crate) fn head(table: &str, key: &str) -> Key {
    Key::new(table_partition(table), key)
}

/// The partition of all heads of a table.
pub(crate) fn table_partition(table: &str) -> String {
    format!("table/{table}")
}

/// An older log row of an item; generations count from zero.
pub(crate) fn older(table: &str, key: &str, generation: u64) -> Key {
    Key::new(older_partition(table, key), format!("{generation:020}"))
}

/// The partition of all older log rows of an item, apart from where users scan.
pub(crate) fn older_partition(table: &str, key: &str) -> String {
    format!("older/{table}{SEPARATOR}{key}")
}

/// The intent of a root. It sorts before its slots, so reading downwards finds it last.
pub(crate) fn intent_row(request_key: &str) -> Key {
    Key::new(root_partition(request_key), "intent")
}

/// The partition of a root: its intent and all journal slots of all instances in its tree.
pub(crate) fn root_partition(request_key: &str) -> String {
    format!("root/{request_key}")
}

/// A journal slot.
pub(crate) fn slot_row(request_key: &str, instance: Id, number: u32) -> Key {
    Key::new(root_partition(request_key), format!("slot/{instance}/{number:08}"))
}

/// A part of a slot too large for one row: behind its slot, so reading downwards meets it first.
pub(crate) fn part_row(request_key: &str, instance: Id, number: u32, by: &str, part: u32) -> Key {
    let slot = slot_row(request_key, instance, number);
    Key::new(slot.partition, format!("{}/{by}/{part:04}", slot.sort))
}

/// A part of the list of items of a root, where that is too long for its intent.
pub(crate) fn items_row(request_key: &str, by: &str, part: usize) -> Key {
    Key::new(root_partition(request_key), format!("items/{by}/{part:04}"))
}

/// Takes the sort key of a slot apart; `None` for an intent or a part.
pub(crate) fn parse_slot(sort: &str) -> Option<(Id, u32)> {
    let (instance, number) = sort.strip_prefix("slot/")?.split_once('/')?;
    Some((Id::parse(instance)?, number.parse().ok()?))
}

/// The instance of whose slot or part this is the sort key.
pub(crate) fn instance_of(sort: &str) -> Option<Id> {
    Id::parse(sort.strip_prefix("slot/")?.split('/').next()?)
}

/// Attributes of a prepare record.
pub(crate) mod prepare {
    /// The run that put it.
    pub(crate) const BY: &str = "by";
    /// What the callees before it in this service had prepared: their ids.
    pub(crate) const BEFORE: &str = "before";
    /// The items it would change: table, key and, unless it would delete, value.
    pub(crate) const WRITES: &str = "writes";
    /// The items it only read: table and key.
    pub(crate) const READS: &str = "reads";
    /// The roots it would begin.
    pub(crate) const SENDS: &str = "sends";
    /// What the callee returned.
    pub(crate) const RESULT: &str = "result";
}

/// What one callee has prepared for a try of another service's transaction.
pub(crate) fn prepare_row(txn: &Txn, callee: Id) -> Key {
    Key::new(prepare_partition(txn), callee.to_string())
}

/// Everything prepared here for a try of another service's transaction. It names that service: a
/// transaction is known by its id only to who coordinates it, and anybody can make up an id.
pub(crate) fn prepare_partition(Txn { id, retry, service, .. }: &Txn) -> String {
    format!("prepare/{id}/{retry:08}/{service}")
}

/// The decision on one try of a transaction. Its name has no epoch: runs of one root that began
/// under different ones compete for the same row.
pub(crate) fn decision_row(request_key: &str, txn: Id, retry: u32) -> Key {
    Key::new(root_partition(request_key), format!("txn/{}/{retry:08}", txn.stem()))
}

/// Takes the sort key of a decision apart.
pub(crate) fn parse_decision(sort: &str) -> Option<(&str, u32)> {
    let (stem, retry) = sort.strip_prefix("txn/")?.split_once('/')?;
    Some((stem, retry.parse().ok()?))
}

/// The attribute that holds a mark.
pub(crate) fn mark(mark: Id) -> String {
    format!("{}{mark}", item::MARK)
}

/// The attribute that holds the result of a callee in another service.
pub(crate) fn called_back(callee: Id) -> String {
    format!("{}{callee}", intent::CALLED_BACK)
}

/// The callee in another service whose result an attribute holds, if it is one.
pub(crate) fn parse_called_back(attribute: &str) -> Option<Id> {
    Id::parse(attribute.strip_prefix(intent::CALLED_BACK)?)
}

/// The attribute that holds the fence for transactions of another service.
pub(crate) fn foreign_fence(service: &str) -> String {
    format!("{}/{service}", item::FENCE)
}

/// The attribute that holds the tombstone of another service's transaction.
pub(crate) fn foreign_mark(Txn { id, service, .. }: &Txn) -> String {
    format!("{}{id}/{service}", item::FOREIGN_MARK)
}

/// The mark an attribute holds, if it is one of this service's own.
pub(crate) fn parse_mark(attribute: &str) -> Option<Id> {
    Id::parse(attribute.strip_prefix(item::MARK)?)
}

/// The transaction whose tombstone an attribute holds, if it is another service's, and that service.
pub(crate) fn parse_foreign_mark(attribute: &str) -> Option<(Id, &str)> {
    let (txn, service) = attribute.strip_prefix(item::FOREIGN_MARK)?.split_once('/')?;
    Some((Id::parse(txn)?, service))
}

/// The due shards of unfinished roots.
pub(crate) fn intent_shards() -> impl Iterator<Item = String> {
    (0..SHARDS).map(|shard| format!("intent/{shard}"))
}

/// The due shard of one root's intent, or of the decision that stands for it.
pub(crate) fn intent_shard(request_key: &str) -> String {
    format!("intent/{}", shard(request_key))
}

/// The due shards of what goes once the horizon is above its order: an epoch, or the date until which
/// it is kept.
pub(crate) fn garbage_shards() -> impl Iterator<Item = String> {
    (0..SHARDS).map(|shard| format!("garbage/{shard}"))
}

/// The due shard of what goes, by a key of its own.
pub(crate) fn garbage_shard(key: &str) -> String {
    format!("garbage/{}", shard(key))
}

/// Whether rows in this shard go once the horizon is above their order.
pub(crate) fn is_garbage_shard(shard: &str) -> bool {
    shard.starts_with("garbage/")
}

/// The due shards of locked items.
pub(crate) fn lock_shards() -> impl Iterator<Item = String> {
    (0..SHARDS).map(|shard| format!("lock/{shard}"))
}

/// The due shard of one item's lock.
pub(crate) fn lock_shard(key: &str) -> String {
    format!("lock/{}", shard(key))
}

fn shard(key: &str) -> u8 {
    blake3::hash(key.as_bytes()).as_bytes()[0] % SHARDS
}

const SHARDS: u8 = 4;

/// The request key of a root that a `send` began: outside keys cannot begin with `~`.
pub(crate) fn sent_key(callee: Id) -> String {
    format!("~{callee}")
}

/// The request key of a root that another service has called.
pub(crate) fn called_key(caller: &str, callee: Id) -> String {
    format!("~{caller}/{callee}")
}

/// The instance that a sent or called root is, if `request_key` is of one.
pub(crate) fn parse_sent_key(request_key: &str) -> Option<Id> {
    Id::parse(request_key.strip_prefix('~')?.rsplit('/').next()?)
}

/// What the service knows of itself: one row.
pub(crate) fn service_row() -> Key {
    Key::new("service", "horizon")
}

/// The table and the key of the item to which the older row at `key` belongs.
pub(crate) fn parse_older(key: &Key) -> Option<(&str, &str)> {
    key.partition.strip_prefix("older/")?.split_once(SEPARATOR)
}

/// The transaction to which the prepare record at `key` belongs, and the service that coordinates it.
pub(crate) fn parse_prepare(key: &Key) -> Option<(Id, &str)> {
    let mut parts = key.partition.strip_prefix("prepare/")?.splitn(3, '/');
    let (txn, _retry, service) = (parts.next()?, parts.next()?, parts.next()?);
    Some((Id::parse(txn)?, service))
}

/// The table and the key of the item whose head stands at `key`.
pub(crate) fn parse_head(key: &Key) -> Option<(&str, &str)> {
    Some((key.partition.strip_prefix("table/")?, &key.sort))
}

/// The request key of the root in whose partition `key` lies.
pub(crate) fn parse_root(key: &Key) -> Option<&str> {
    key.partition.strip_prefix("root/")
}
