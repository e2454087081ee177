//! Our own checker: with the order of versions known, strict serializability is the absence of a
//! cycle among ww, wr, rw and real-time edges; opacity, the same with every run a node that reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use super::history::{History, Kind, reads, writes};

/// Why the second node is after the first: over a key, or by the clock.
#[derive(Clone, Copy)]
enum Edge {
    Ww(u32),
    Wr(u32),
    Rw(u32),
    RealTime,
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ww(key) => write!(f, "-ww {key}->"),
            Self::Wr(key) => write!(f, "-wr {key}->"),
            Self::Rw(key) => write!(f, "-rw {key}->"),
            Self::RealTime => f.write_str("-before->"),
        }
    }
}

/// Judges a history.
///
/// # Errors
///
/// The anomaly, for people.
pub(super) fn check(history: &History) -> Result<(), String> {
    let writers = writers(history)?;
    let mut graph = Graph::default();
    for (key, list) in &history.finals {
        for pair in list.windows(2) {
            graph.add(writers[&pair[0]], writers[&pair[1]], Edge::Ww(*key));
        }
    }
    for (reader, node) in history.nodes.iter().enumerate() {
        for (key, seen) in reads(node)? {
            let list = history.finals.get(&key).map_or(&[][..], |list| list);
            if !list.starts_with(&seen) {
                return Err(format!(
                    "{} read {seen:?} of {key}, which came to be {list:?}: never a version",
                    node.name
                ));
            }
            let next = list.get(seen.len());
            if let Some(last) = seen.last() {
                if next
                    .is_some_and(|next| writers[next] == writers[last] && writers[last] != reader)
                {
                    return Err(format!(
                        "{} read {seen:?} of {key}, half of what {} wrote",
                        node.name, history.nodes[writers[last]].name
                    ));
                }
                graph.add(writers[last], reader, Edge::Wr(key));
            }
            if let Some(next) = next {
                graph.add(reader, writers[next], Edge::Rw(key));
            }
        }
    }
    for (a, before) in history.nodes.iter().enumerate() {
        for (b, after) in history.nodes.iter().enumerate() {
            if before.end.is_some_and(|end| end < after.start) {
                graph.add(a, b, Edge::RealTime);
            }
        }
    }
    match graph.cycle(history.nodes.len()) {
        None => Ok(()),
        Some(cycle) => Err(graph.show(history, &cycle)),
    }
}

/// Who wrote which id; every id of a commit is in its list once, and no other is.
fn writers(history: &History) -> Result<BTreeMap<u32, usize>, String> {
    let mut writers = BTreeMap::new();
    let mut expected = BTreeMap::new();
    for (index, node) in history.nodes.iter().enumerate() {
        for (key, id) in writes(node) {
            writers.insert(id, index);
            expected.insert(id, key);
        }
    }
    let mut found = BTreeSet::new();
    for (key, list) in &history.finals {
        for id in list {
            if expected.get(id) != Some(key) {
                return Err(format!("{id} is in list {key}, but nobody committed it there"));
            }
            if !found.insert(*id) {
                return Err(format!("{id} is twice in list {key}: {list:?}"));
            }
        }
    }
    match expected.iter().find(|(id, _)| !found.contains(id)) {
        Some((id, key)) => Err(format!("{id} was committed and is not in list {key}")),
        None => Ok(writers),
    }
}

#[derive(Default)]
struct Graph(BTreeMap<usize, BTreeMap<usize, Edge>>);

impl Graph {
    fn add(&mut self, from: usize, to: usize, edge: Edge) {
        if from != to {
            self.0.entry(from).or_default().entry(to).or_insert(edge);
        }
    }

    /// A shortest cycle through some node, if there is any.
    fn cycle(&self, nodes: usize) -> Option<Vec<usize>> {
        (0..nodes).filter_map(|start| self.way_back(start)).min_by_key(Vec::len)
    }

    fn way_back(&self, start: usize) -> Option<Vec<usize>> {
        let mut from = BTreeMap::new();
        let mut queue = std::collections::VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for next in self.0.get(&node).into_iter().flat_map(BTreeMap::keys) {
                if *next == start {
                    let mut way = vec![node];
                    while let Some(before) = from.get(&way[way.len() - 1]) {
                        way.push(*before);
                    }
                    way.reverse();
                    return Some(way);
                }
                if !from.contains_key(next) {
                    from.insert(*next, node);
                    queue.push_back(*next);
                }
            }
        }
        None
    }

    fn show(&self, history: &History, cycle: &[usize]) -> String {
        let mut text = "a cycle: ".to_owned();
        for (i, node) in cycle.iter().enumerate() {
            let next = cycle[(i + 1) % cycle.len()];
            let _ = write!(text, "{} {} ", history.nodes[*node].name, self.0[node][&next]);
        }
        text.push_str(&history.nodes[cycle[0]].name);
        for node in cycle {
            let node = &history.nodes[*node];
            let _ = write!(text, "\n  {} ({:?}): {:?}", node.name, node.kind, node.events);
        }
        let _ = write!(text, "\n  in the end: {:?}", history.finals);
        text
    }
}

/// How much there was to be checked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Census {
    pub(super) committed: usize,
    pub(super) aborted: usize,
    /// Runs of blocks beyond one for each transaction: lost races, crashes, siblings.
    pub(super) extra_runs: usize,
    pub(super) versions: usize,
}

impl Census {
    pub(super) fn add(&mut self, history: &History) {
        let count = |kind| history.nodes.iter().filter(|node| node.kind == kind).count();
        let with_runs = |name: &str| history.nodes.iter().any(|node| node.name.ends_with(name));
        self.committed += count(Kind::Committed);
        self.aborted += count(Kind::Aborted);
        let own = |name: &String| with_runs(&format!(" of {name}"));
        let blocks = history.nodes.iter().filter(|node| node.kind != Kind::Seen && own(&node.name));
        self.extra_runs += count(Kind::Seen).saturating_sub(blocks.count());
        self.versions += history.finals.values().map(Vec::len).sum::<usize>();
    }
}
