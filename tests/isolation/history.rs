//! A history: what was atomic, what it saw and did, and when, as far as the outside can know.

use std::collections::BTreeMap;

use super::program::{Event, Events, Outcome, Program, Stage, Unit};
use super::record::Note;

/// What became of a node of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Committed,
    Aborted,
    /// A run of a block, whatever became of it: what it saw has to fit together too.
    Seen,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) events: Events,
    /// It happened after this instant, and before that one, if it is known.
    pub(super) start: usize,
    pub(super) end: Option<usize>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct History {
    pub(super) nodes: Vec<Node>,
    pub(super) finals: BTreeMap<u32, Vec<u32>>,
}

impl History {
    /// Puts the notes of all attempts and the results of all roots together.
    pub(super) fn new(
        program: &Program,
        results: &[Vec<Vec<Outcome>>],
        notes: &[Note],
        finals: BTreeMap<u32, Vec<u32>>,
    ) -> Self {
        let mut history = Self { nodes: Vec::new(), finals };
        for (roots, results) in program.iter().zip(results) {
            for (stages, outcomes) in roots.iter().zip(results) {
                for (unit, outcome) in units(stages).zip(outcomes) {
                    history.nodes.push(node(unit, outcome, notes));
                }
            }
        }
        history.nodes.extend(runs(notes));
        history
    }
}

pub(super) fn units(stages: &[Stage]) -> impl Iterator<Item = &Unit> {
    stages.iter().flat_map(|stage| match stage {
        Stage::One(unit) => vec![unit],
        Stage::Two(a, b) => vec![a, b],
    })
}

fn node(unit: &Unit, outcome: &Outcome, notes: &[Note]) -> Node {
    let reached = |note: &Note| matches!(note, Note::Reached(id) if *id == unit.id);
    let passed =
        |note: &Note| matches!(note, Note::Passed(id, with) if *id == unit.id && with == outcome);
    let (kind, events) = match outcome {
        Ok(events) => (Kind::Committed, events),
        Err(events) => (Kind::Aborted, events),
    };
    Node {
        name: format!("unit {}", unit.id),
        kind,
        events: events.clone(),
        start: notes.iter().position(reached).unwrap_or(0),
        end: notes.iter().position(passed),
    }
}

fn runs(notes: &[Note]) -> Vec<Node> {
    let mut runs: BTreeMap<u32, Node> = BTreeMap::new();
    for (start, note) in notes.iter().enumerate() {
        match note {
            Note::Begun { unit, run } => {
                let name = format!("run {run} of unit {unit}");
                let node = Node { name, kind: Kind::Seen, events: Vec::new(), start, end: None };
                runs.insert(*run, node);
            }
            Note::Did { run, event } => {
                if let Some(node) = runs.get_mut(run) {
                    node.events.push(event.clone());
                }
            }
            Note::Reached(_) | Note::Passed(..) => {}
        }
    }
    runs.into_values().collect()
}

/// What a node read of others: keys and the lists as they were before its own appends.
///
/// # Errors
///
/// What is wrong already without looking at anybody else.
pub(super) fn reads(node: &Node) -> Result<BTreeMap<u32, Vec<u32>>, String> {
    let mut own: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut reads: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for event in &node.events {
        match event {
            Event::Append { key, id } => own.entry(*key).or_default().push(*id),
            Event::Undo { ids } => {
                own.values_mut().for_each(|own| own.retain(|id| !ids.contains(id)));
            }
            Event::Read { key, list } => {
                let own = own.get(key).map_or(&[][..], |own| own);
                let Some(others) = list.strip_suffix(own) else {
                    return Err(format!(
                        "{} read {list:?} of {key} but appended {own:?}",
                        node.name
                    ));
                };
                let before = reads.entry(*key).or_insert_with(|| others.to_vec());
                if before != others {
                    return Err(format!("{} read {key} as {before:?} and {others:?}", node.name));
                }
            }
        }
    }
    Ok(reads)
}

/// What a node leaves behind: keys and ids, in order.
pub(super) fn writes(node: &Node) -> Vec<(u32, u32)> {
    if node.kind != Kind::Committed {
        return Vec::new();
    }
    let mut writes = Vec::new();
    for event in &node.events {
        match event {
            Event::Append { key, id } => writes.push((*key, *id)),
            Event::Undo { ids } => writes.retain(|(_, id)| !ids.contains(id)),
            Event::Read { .. } => {}
        }
    }
    writes
}
