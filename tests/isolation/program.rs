//! Random programs as data, and the handlers that run them. Every list holds the ids of those who
//! appended to it, so the order of versions can be read off a list.

use std::time::Duration;

use beldi::{App, Limits, Table};
use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::record::{begun, did, passed, reached};

pub(super) const LISTS: Table<u32, Vec<u32>> = Table::new("lists");

/// What the operations of one transaction saw and did, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Event {
    Read {
        key: u32,
        list: Vec<u32>,
    },
    Append {
        key: u32,
        id: u32,
    },
    /// A nested transaction took its appends back.
    Undo {
        ids: Vec<u32>,
    },
}

pub(super) type Events = Vec<Event>;

/// An operation in a transaction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Op {
    Get(u32),
    GetMany(Vec<u32>),
    /// Reads, then puts.
    Put(u32, u32),
    /// Appends without looking.
    Update(u32, u32),
    Call(Vec<Op>),
    Nested(Vec<Op>, bool),
}

/// What is atomic: a transaction, or one operation outside of any.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Unit {
    pub(super) id: u32,
    pub(super) what: What,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum What {
    /// Commits, or aborts in the end.
    Txn(Vec<Op>, bool),
    Snapshot(Vec<Vec<u32>>),
    Get(u32),
    Append(u32, u32),
}

/// One after the other, or side by side.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Stage {
    One(Unit),
    Two(Unit, Unit),
}

/// `Ok` has committed, `Err` has aborted.
pub(super) type Outcome = Result<Events, Events>;

#[beldi::ssf]
pub(super) async fn root(stages: Vec<Stage>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for stage in stages {
        match stage {
            Stage::One(unit) => outcomes.push(run(unit).await),
            Stage::Two(a, b) => {
                let (a, b) = beldi::join(run(a), run(b)).await;
                outcomes.extend([a, b]);
            }
        }
    }
    outcomes
}

#[beldi::part]
async fn run(unit: Unit) -> Outcome {
    let id = unit.id;
    reached(id);
    let outcome = match unit.what {
        What::Txn(ops, abort) => {
            beldi::txn(async {
                let events = all((begun(id), ops)).await;
                if abort { Err(events) } else { Ok(events) }
            })
            .await
        }
        What::Snapshot(reads) => Ok(snapshot((id, reads)).await),
        What::Get(key) => {
            let list = LISTS.get(&key).await.unwrap_or_default();
            Ok(vec![Event::Read { key, list }])
        }
        What::Append(key, id) => {
            let list = LISTS
                .update(&key, |list| {
                    let before = list.clone().unwrap_or_default();
                    list.get_or_insert_default().push(id);
                    before
                })
                .await;
            Ok(vec![Event::Read { key, list }, Event::Append { key, id }])
        }
    };
    passed(id, &outcome);
    outcome
}

#[beldi::txn(read_only)]
async fn snapshot((id, reads): (u32, Vec<Vec<u32>>)) -> Events {
    let run = begun(id);
    let mut events = Vec::new();
    for keys in reads {
        let lists = LISTS.get_many(&keys).await;
        for (key, list) in keys.into_iter().zip(lists) {
            note(run, &mut events, Event::Read { key, list: list.unwrap_or_default() });
        }
    }
    events
}

/// Takes part in whatever transaction it is called in.
#[beldi::ssf]
async fn all((run, ops): (u32, Vec<Op>)) -> Events {
    let mut events = Vec::new();
    for op in ops {
        match op {
            Op::Get(key) => {
                let list = LISTS.get(&key).await.unwrap_or_default();
                note(run, &mut events, Event::Read { key, list });
            }
            Op::GetMany(keys) => {
                let lists = LISTS.get_many(&keys).await;
                for (key, list) in keys.into_iter().zip(lists) {
                    note(run, &mut events, Event::Read { key, list: list.unwrap_or_default() });
                }
            }
            Op::Put(key, id) => {
                let mut list = LISTS.get(&key).await.unwrap_or_default();
                note(run, &mut events, Event::Read { key, list: list.clone() });
                list.push(id);
                LISTS.put(&key, &list).await;
                note(run, &mut events, Event::Append { key, id });
            }
            Op::Update(key, id) => {
                LISTS.update(&key, |list| list.get_or_insert_default().push(id)).await;
                note(run, &mut events, Event::Append { key, id });
            }
            Op::Call(ops) => events.extend(all((run, ops)).await),
            Op::Nested(ops, abort) => match nested((run, ops, abort)).await {
                Ok(inner) => events.extend(inner),
                Err(inner) => {
                    let ids = appended(&inner);
                    events.extend(inner);
                    note(run, &mut events, Event::Undo { ids });
                }
            },
        }
    }
    events
}

#[beldi::txn]
async fn nested((run, ops, abort): (u32, Vec<Op>, bool)) -> Outcome {
    let events = all((run, ops)).await;
    if abort { Err(events) } else { Ok(events) }
}

fn note(run: u32, events: &mut Events, event: Event) {
    did(run, &event);
    events.push(event);
}

fn appended(events: &[Event]) -> Vec<u32> {
    let id = |event: &Event| match event {
        Event::Append { id, .. } => Some(*id),
        _ => None,
    };
    events.iter().filter_map(id).collect()
}

/// A service whose heads are full soon.
pub(super) fn app(seed: u64, limits: Limits) -> App {
    let marks = 2 + u32::try_from(seed % 5).unwrap_or(0);
    let limits = Limits { marks, ..limits };
    App::new("lists").ssf(root).ssf(all).ssf(nested).ssf(snapshot).limits(limits)
}

/// So that garbage goes long before its time, often while the rest of its transaction is on its way.
pub(super) fn hurried(seed: u64) -> Limits {
    let (lag, redelivery) = (Duration::from_millis(5 + seed % 90), Duration::from_secs(4 * 3600));
    Limits { lag, redelivery, ..Limits::default() }
}

/// What several clients do, side by side, each its roots one after the other.
pub(super) type Program = Vec<Vec<Vec<Stage>>>;

/// A random program.
pub(super) fn program(seed: u64) -> Program {
    let mut maker = Maker { rng: Rng::with_seed(seed ^ 0x70_72_6f_67), keys: 0, next: 0 };
    maker.keys = maker.rng.u32(2..6);
    let clients = maker.rng.usize(2..5);
    (0..clients).map(|_| (0..maker.rng.usize(1..3)).map(|_| maker.stages()).collect()).collect()
}

struct Maker {
    rng: Rng,
    keys: u32,
    next: u32,
}

impl Maker {
    fn stages(&mut self) -> Vec<Stage> {
        let stage = |maker: &mut Self| match maker.rng.u8(0..6) {
            0 => Stage::Two(maker.unit(), maker.unit()),
            _ => Stage::One(maker.unit()),
        };
        (0..self.rng.usize(1..4)).map(|_| stage(self)).collect()
    }

    fn unit(&mut self) -> Unit {
        let what = match self.rng.u8(0..10) {
            0 => What::Get(self.key()),
            1 => What::Append(self.key(), self.id()),
            2 | 3 => What::Snapshot((0..self.rng.usize(1..4)).map(|_| self.some_keys()).collect()),
            _ => What::Txn(self.ops(2), self.rng.u8(0..8) == 0),
        };
        Unit { id: self.id(), what }
    }

    fn ops(&mut self, depth: u32) -> Vec<Op> {
        (0..self.rng.usize(1..4)).map(|_| self.op(depth)).collect()
    }

    fn op(&mut self, depth: u32) -> Op {
        match self.rng.u8(0..10) {
            0 | 1 => Op::Get(self.key()),
            2 => Op::GetMany(self.some_keys()),
            3..=5 => Op::Put(self.key(), self.id()),
            6 | 7 => Op::Update(self.key(), self.id()),
            8 if depth > 0 => Op::Call(self.ops(depth - 1)),
            _ if depth > 0 => Op::Nested(self.ops(depth - 1), self.rng.u8(0..3) == 0),
            _ => Op::Get(self.key()),
        }
    }

    fn some_keys(&mut self) -> Vec<u32> {
        let mut keys: Vec<u32> = (0..self.keys).collect();
        self.rng.shuffle(&mut keys);
        keys.truncate(self.rng.usize(1..=keys.len()));
        keys
    }

    fn key(&mut self) -> u32 {
        self.rng.u32(0..self.keys)
    }

    fn id(&mut self) -> u32 {
        self.next += 1;
        self.next
    }
}
