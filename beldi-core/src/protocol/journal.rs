//! The journal of an instance: what its attempts observed, in slots that the first writer wins.
//!
//! An attempt buffers what it observes and **appends** all of it as slot *k*, put if absent, just
//! before its next effect or its reply (P2 to P4). The slot also carries the outcomes of the effects
//! since slot *k-1*, so a replay issues again only what came after the last slot.
//!
//! Order of writes: the parts of a slot too large for one row, each under a name of this run's own;
//! then the slot, which names them and decides. Slot *k* is written only when *k-1* is known to be
//! there. A crash before the slot leaves at most orphaned parts, and nothing was visible yet; a
//! crash after it leaves a slot every later attempt loads. The loser of a slot must not go on with
//! what it observed itself: it starts again with the winner's log.
//!
//! A transaction's step is logged by its decision, which lies in the same partition ([`txn`](super::txn)); one
//! that decides nothing, and a snapshot, are observations.
//!
//! **Load** reads the root's partition downwards, newest slot of an instance first. A query is no
//! snapshot: read upwards, it could show slot 1 without slot 0 (j). A slot whose parts are not there
//! yet is taken as not written; the next append of it is refused and reloads. So is one that the
//! garbage collector has emptied ([`recycle`](super::recycle)): the root is finished then.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{Epoch, Id};
use crate::limits::MAX_SLOT;
use crate::path::Path;
use crate::protocol::intent::{self, Intent};
use crate::protocol::layout::{self, slot as attr};
use crate::protocol::txn::Decision;
use crate::store::{Condition, Key, Query, Result, Row, Store, StoreError, Update, Updated};
use crate::value::Value;

/// What one step did and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) path: Path,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) value: Value,
}

/// What a step was, so that a replay which takes another way is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    pub(crate) kind: Kind,
    /// A hash of what the step was about: table and key, callee and input, name.
    pub(crate) target: u32,
}

/// The kinds of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Get,
    GetMany,
    Scan,
    Put,
    Delete,
    Update,
    Call,
    Send,
    Now,
    Effect,
    Txn,
    Lock,
    Unlock,
}

impl Kind {
    /// The kind as the user writes it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::GetMany => "get_many",
            Self::Scan => "scan",
            Self::Put => "put",
            Self::Delete => "delete",
            Self::Update => "update",
            Self::Call => "call",
            Self::Send => "send",
            Self::Now => "now",
            Self::Effect => "effect",
            Self::Txn => "txn",
            Self::Lock => "lock",
            Self::Unlock => "unlock",
        }
    }
}

/// One slot of one instance.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slot {
    pub(crate) instance: Id,
    pub(crate) number: u32,
    pub(crate) code: u64,
    pub(crate) by: String,
    /// The step that asked for the slot: user code up to it has run.
    pub(crate) reached: Path,
    pub(crate) entries: Vec<Entry>,
}

/// What is logged of one instance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) entries: BTreeMap<Path, Entry>,
    /// The steps that asked for slots.
    reached: BTreeSet<Path>,
    /// How many slots there are: the number of the next.
    pub(crate) slots: u32,
    /// The hash of the code that wrote it; none if nothing is logged.
    pub(crate) code: Option<u64>,
}

/// What is logged of every instance in a root's tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    logs: HashMap<Id, Arc<Log>>,
    /// Transactions by their stem: the tries that are to be repeated.
    aborted: HashMap<String, BTreeSet<u32>>,
    /// What was committed, and may not be in place yet.
    pub(crate) committed: Vec<Decision>,
    /// The decision that carries the registration of the root.
    pub(crate) carrier: Option<(Id, u32)>,
    /// Aborts, and until when they are kept.
    pub(crate) aborts: Vec<(Id, u32, Epoch)>,
}

impl Journal {
    /// The log of an instance.
    pub(crate) fn log(&self, instance: Id) -> Arc<Log> {
        self.logs.get(&instance).cloned().unwrap_or_default()
    }

    /// The first try of a transaction that is not decided as far as this journal knows. Not the one after
    /// the last: who takes part can have any try aborted, also one that has not begun.
    pub(crate) fn next_try(&self, txn: Id) -> u32 {
        let aborted = self.aborted.get(&txn.stem());
        let is_open = |retry: &u32| aborted.is_none_or(|aborted| !aborted.contains(retry));
        (0..=u32::MAX).find(is_open).unwrap_or(u32::MAX)
    }

    /// Slots and decisions.
    pub(crate) fn size(&self) -> usize {
        let slots: usize = self.logs.values().map(|log| log.slots as usize).sum();
        slots + self.committed.len() + self.aborts.len()
    }

    /// Whether there are rows beside the intent.
    pub(crate) fn is_empty(&self) -> bool {
        self.logs.is_empty() && self.aborted.is_empty()
    }

    /// Whether anything was logged of a root, in its epoch, after its registration.
    pub(crate) fn has_slots_after(&self, root: &Intent) -> bool {
        let first = root.first.as_ref().map(|first| first.instance);
        let more = |id: &Id, log: &Log| log.slots > u32::from(first == Some(*id));
        self.logs.iter().any(|(id, log)| id.epoch() == root.epoch && more(id, log))
    }

    fn add(&mut self, decision: Decision, epoch: Epoch) {
        match &decision.step {
            None => {
                self.aborted.entry(decision.txn.stem()).or_default().insert(decision.retry);
                let kept = decision.until.map(|until| (decision.txn, decision.retry, until));
                self.aborts.extend(kept);
            }
            Some(decided) => {
                let log = self.logs.entry(decided.instance.with_epoch(epoch)).or_default();
                let log = Arc::make_mut(log);
                log.code.get_or_insert(decided.code);
                log.entries.insert(decided.entry.path.clone(), decided.entry.clone());
            }
        }
        if decision.root.is_some() {
            self.carrier = Some((decision.txn, decision.retry));
        }
        if decision.commit {
            self.committed.push(decision);
        }
    }
}

/// Who wrote the slot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// It holds what was to be appended.
    Mine,
    /// Another attempt's observations stand there: start again with them.
    Theirs,
}

/// Appends a slot behind the last one known.
pub(crate) async fn append(store: &dyn Store, request_key: &str, slot: &Slot) -> Result<Appended> {
    let bytes = encode(slot)?;
    let (inline, parts) = split(&bytes);
    for (number, part) in (0..).zip(&parts) {
        let key = layout::part_row(request_key, slot.instance, slot.number, &slot.by, number);
        let update = Update::when(Condition::always()).set(attr::ENTRIES, part.to_vec());
        store.update(&key, &update).await?;
    }
    let key = layout::slot_row(request_key, slot.instance, slot.number);
    let update = Update::when(Condition::absent(attr::BY))
        .set(attr::BY, &*slot.by)
        .set(attr::CODE, intent::code_text(slot.code))
        .set(attr::PARTS, parts.len() as u64)
        .set(attr::ENTRIES, inline.to_vec());
    match store.update(&key, &update).await? {
        Updated::Applied(_) => Ok(Appended::Mine),
        Updated::Refused(row) => {
            let row = row.unwrap_or_default();
            let whole = parts.is_empty() && row.int(attr::PARTS) == Some(0);
            let same = whole && row.get(attr::ENTRIES) == Some(&Value::from(bytes));
            let mine = row.text(attr::BY) == Some(&*slot.by);
            Ok(if same || mine { Appended::Mine } else { Appended::Theirs })
        }
    }
}

/// The last row holds what one row can; all before it are parts.
fn split(bytes: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let mut parts: Vec<&[u8]> = bytes.chunks(MAX_SLOT).collect();
    (parts.pop().unwrap_or_default(), parts)
}

/// A root as its partition shows it.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// The root, if there is anything to be bound by: its intent or, where none is registered, the
    /// registration that a decision carries.
    pub(crate) intent: Option<Intent>,
    pub(crate) registered: bool,
    pub(crate) journal: Journal,
}

/// Everything logged in a root's tree: one query.
pub(crate) async fn load(store: &dyn Store, request_key: &str) -> Result<Loaded> {
    let mut query = Query {
        partition: layout::root_partition(request_key),
        prefix: String::new(),
        descending: true,
        limit: usize::MAX,
        after: None,
    };
    let mut loading = Loading::default();
    loop {
        let page = store.query(&query).await?;
        for (key, row) in page.rows {
            loading.add(request_key, &key, row)?;
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return loading.finish(),
        }
    }
}

/// Rows of a root's partition on their way to a journal.
#[derive(Default)]
struct Loading {
    intent: Option<Intent>,
    parts: HashMap<String, Vec<u8>>,
    slots: HashMap<Id, Vec<Slot>>,
    decisions: Vec<Decision>,
}

impl Loading {
    fn add(&mut self, request_key: &str, key: &Key, row: Row) -> Result<()> {
        if *key == layout::intent_row(request_key) {
            self.intent = Some(Intent::read(request_key, &row)?);
        } else if let Some((instance, number)) = layout::parse_slot(&key.sort) {
            if let Some(slot) = self.slot(request_key, instance, number, &row)? {
                self.slots.entry(instance).or_default().push(slot);
            }
        } else if let Some((_, retry)) = layout::parse_decision(&key.sort) {
            self.decisions.push(Decision::read(request_key, retry, &row)?);
        } else if let Some(Value::Bytes(part)) = row.0.get(attr::ENTRIES) {
            self.parts.insert(key.sort.clone(), part.clone());
        }
        Ok(())
    }

    fn slot(
        &mut self,
        request_key: &str,
        instance: Id,
        number: u32,
        row: &Row,
    ) -> Result<Option<Slot>> {
        let damaged =
            || corrupt(format!("slot {number} of instance {instance} of `{request_key}`"));
        let by = row.text(attr::BY).ok_or_else(damaged)?.to_owned();
        if row.get(attr::ENTRIES).is_none() && row.get(attr::CODE).is_none() {
            return Ok(None);
        }
        let parts = row.int(attr::PARTS).and_then(|n| u32::try_from(n).ok()).ok_or_else(damaged)?;
        let Some(Value::Bytes(inline)) = row.get(attr::ENTRIES) else { return Err(damaged()) };
        let code = row.text(attr::CODE).and_then(|code| u64::from_str_radix(code, 16).ok());
        let mut bytes = Vec::new();
        for part in 0..parts {
            let key = layout::part_row(request_key, instance, number, &by, part);
            match self.parts.remove(&key.sort) {
                Some(part) => bytes.extend(part),
                None => return Ok(None),
            }
        }
        bytes.extend(inline);
        let (reached, entries) = decode(&bytes).ok_or_else(damaged)?;
        let code = code.ok_or_else(damaged)?;
        Ok(Some(Slot { instance, number, code, by, reached, entries }))
    }

    fn finish(mut self) -> Result<Loaded> {
        if let Some(first) = self.intent.as_ref().and_then(|intent| intent.first.clone()) {
            self.slots.entry(first.instance).or_default().push(first);
        }
        let registered = self.intent.is_some();
        let carried = || self.decisions.iter().find_map(|decision| decision.root.clone());
        let intent = self.intent.clone().or_else(carried);
        let logs = self.slots.into_iter().map(|(id, slots)| (id, Arc::new(Log::new(slots))));
        let mut journal = Journal { logs: logs.collect(), ..Journal::default() };
        for decision in self.decisions {
            let epoch = intent.as_ref().map_or(decision.txn.epoch(), |intent| intent.epoch);
            journal.add(decision, epoch);
        }
        Ok(Loaded { intent, registered, journal })
    }
}

impl Log {
    /// The log in these slots, up to the first hole.
    fn new(mut slots: Vec<Slot>) -> Self {
        slots.sort_by_key(|slot| slot.number);
        let mut log = Self::default();
        for slot in slots {
            if slot.number != log.slots {
                break;
            }
            log.slots += 1;
            log.code = Some(slot.code);
            log.reached.insert(slot.reached);
            log.entries.extend(slot.entries.into_iter().map(|entry| (entry.path.clone(), entry)));
        }
        log
    }

    /// Whether user code has run up to a step at or inside `path`.
    pub(crate) fn reaches(&self, path: &Path) -> bool {
        let entry = self.entries.range(path..).next().map(|(next, _)| next);
        let slot = self.reached.range(path..).next();
        [entry, slot].into_iter().flatten().any(|next| next.is_within(path))
    }
}

/// The slot as an attribute of the intent it is registered with.
pub(crate) fn to_value(slot: &Slot) -> Result<Value> {
    Ok(Value::map([
        ("instance", Value::from(slot.instance.to_string())),
        (attr::CODE, Value::from(intent::code_text(slot.code))),
        (attr::BY, Value::from(&*slot.by)),
        (attr::ENTRIES, Value::from(encode(slot)?)),
    ]))
}

/// Reads what [`to_value`] made.
pub(crate) fn from_value(value: &Value) -> Result<Slot> {
    let read = || {
        let text = |name| value.field(name).and_then(Value::as_text);
        let Some(Value::Bytes(bytes)) = value.field(attr::ENTRIES) else { return None };
        let (reached, entries) = decode(bytes)?;
        Some(Slot {
            instance: Id::parse(text("instance")?)?,
            number: 0,
            code: u64::from_str_radix(text(attr::CODE)?, 16).ok()?,
            by: text(attr::BY)?.to_owned(),
            reached,
            entries,
        })
    };
    read().ok_or_else(|| corrupt("the first slot of an intent".to_owned()))
}

/// Bytes the entries of the slot take.
pub(crate) fn encoded_size(slot: &Slot) -> Result<usize> {
    Ok(encode(slot)?.len())
}

/// The version of the encoding, its first byte.
const FORMAT: u8 = 1;

fn encode(slot: &Slot) -> Result<Vec<u8>> {
    postcard::to_extend(&(&slot.reached, &slot.entries), vec![FORMAT])
        .map_err(|error| corrupt(format!("observations that cannot be encoded ({error})")))
}

fn decode(bytes: &[u8]) -> Option<(Path, Vec<Entry>)> {
    match bytes.split_first()? {
        (&FORMAT, slot) => postcard::from_bytes(slot).ok(),
        _ => None,
    }
}

/// One entry, where another row than a slot carries it.
pub(crate) fn encode_entry(entry: &Entry) -> Result<Vec<u8>> {
    postcard::to_extend(entry, vec![FORMAT])
        .map_err(|error| corrupt(format!("a result that cannot be encoded ({error})")))
}

/// Reads what [`encode_entry`] made.
pub(crate) fn decode_entry(bytes: &[u8]) -> Option<Entry> {
    match bytes.split_first()? {
        (&FORMAT, entry) => postcard::from_bytes(entry).ok(),
        _ => None,
    }
}

fn corrupt(what: String) -> StoreError {
    StoreError::Corrupt(what)
}
