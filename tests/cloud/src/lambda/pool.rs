//! The processes of each function: one for each invocation that runs, and those that wait for one.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::counts::Counts;
use super::function::Function;
use super::killer::{Begun, Moment};
use super::worker::{self, Said};

/// An invocation on its way to a process.
#[derive(Debug)]
pub(super) struct Job {
    /// Its request id.
    pub(super) id: String,
    pub(super) payload: Bytes,
    pub(super) ended: oneshot::Sender<Ended>,
}

/// How an invocation ended.
#[derive(Debug)]
pub(super) enum Ended {
    Answer(Bytes),
    /// A function error, with its JSON.
    Error(Bytes),
}

/// All slots of the function are busy.
#[derive(Debug)]
pub(super) struct Throttled(pub(super) Job);

/// A process that waits for an invocation. Dropping it kills the process.
struct Waiting {
    id: u64,
    job: oneshot::Sender<Job>,
}

/// A process, as the Runtime API finds it.
struct Door {
    function: String,
    process: u32,
    said: mpsc::UnboundedSender<Said>,
}

struct Entry {
    function: Arc<Function>,
    /// The one that waits longest is taken last, as on Lambda.
    waiting: Vec<Waiting>,
    /// Processes, waiting or not.
    alive: usize,
    counts: Counts,
}

type Script = Box<dyn FnMut(&Begun<'_>) -> Option<Moment> + Send>;

struct State {
    functions: BTreeMap<String, Entry>,
    doors: HashMap<u64, Door>,
    last: u64,
    script: Script,
    is_closed: bool,
}

pub(super) struct Pool {
    pub(super) address: SocketAddr,
    state: Mutex<State>,
}

impl Pool {
    pub(super) fn new(
        address: SocketAddr,
        functions: impl IntoIterator<Item = Function>,
    ) -> Arc<Self> {
        let entry = |function: Function| Entry {
            function: Arc::new(function),
            waiting: Vec::new(),
            alive: 0,
            counts: Counts::default(),
        };
        let functions = functions.into_iter().map(|f| (f.name.clone(), entry(f))).collect();
        let state = State {
            functions,
            doors: HashMap::new(),
            last: 0,
            script: Box::new(|_| None),
            is_closed: false,
        };
        Arc::new(Self { address, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn function(&self, name: &str) -> Option<Arc<Function>> {
        self.state().functions.get(name).map(|entry| Arc::clone(&entry.function))
    }

    /// Gives the invocation to a process that waits, or to a new one if there is a slot for it.
    pub(super) fn dispatch(
        self: &Arc<Self>,
        function: &Arc<Function>,
        mut job: Job,
    ) -> Result<(), Throttled> {
        let mut state = self.state();
        let State { functions, last, is_closed, .. } = &mut *state;
        let Some(entry) = functions.get_mut(&function.name).filter(|_| !*is_closed) else {
            return Err(Throttled(job));
        };
        while let Some(waiting) = entry.waiting.pop() {
            match waiting.job.send(job) {
                Ok(()) => return Ok(()),
                Err(died) => job = died,
            }
        }
        if entry.alive >= function.slots {
            entry.counts.throttled += 1;
            return Err(Throttled(job));
        }
        entry.alive += 1;
        entry.counts.processes += 1;
        *last += 1;
        worker::start(Arc::clone(self), *last, Arc::clone(function), job);
        Ok(())
    }

    /// The process has started: the Runtime API may find it. False when it should not have.
    pub(super) fn open_door(
        &self,
        id: u64,
        function: &str,
        process: u32,
        said: mpsc::UnboundedSender<Said>,
    ) -> bool {
        let mut state = self.state();
        if !state.is_closed {
            state.doors.insert(id, Door { function: function.to_owned(), process, said });
        }
        !state.is_closed
    }

    pub(super) fn door(&self, id: u64) -> Option<mpsc::UnboundedSender<Said>> {
        self.state().doors.get(&id).map(|door| door.said.clone())
    }

    /// The process can take an invocation.
    pub(super) fn wait(&self, id: u64, function: &str, job: oneshot::Sender<Job>) {
        let mut state = self.state();
        let is_closed = state.is_closed;
        if let Some(entry) = state.functions.get_mut(function).filter(|_| !is_closed) {
            entry.waiting.push(Waiting { id, job });
        }
    }

    /// The process has ended.
    pub(super) fn remove(&self, id: u64, function: &str) {
        let mut state = self.state();
        state.doors.remove(&id);
        if let Some(entry) = state.functions.get_mut(function) {
            entry.alive -= 1;
            entry.waiting.retain(|waiting| waiting.id != id);
        }
    }

    /// Counts an invocation that begins, and asks when its process dies.
    pub(super) fn begin(&self, function: &str, payload: &[u8]) -> Option<Moment> {
        let mut state = self.state();
        let counts = &mut state.functions.get_mut(function)?.counts;
        counts.invocations += 1;
        let number = counts.invocations;
        (state.script)(&Begun { function, number, payload })
    }

    pub(super) fn note(&self, function: &str, note: impl FnOnce(&mut Counts)) {
        if let Some(entry) = self.state().functions.get_mut(function) {
            note(&mut entry.counts);
        }
    }

    pub(super) fn set_script(
        &self,
        script: impl FnMut(&Begun<'_>) -> Option<Moment> + Send + 'static,
    ) {
        self.state().script = Box::new(script);
    }

    pub(super) fn kill_idle(&self, function: &str) -> usize {
        let mut state = self.state();
        let Some(entry) = state.functions.get_mut(function) else { return 0 };
        let killed = entry.waiting.drain(..).count();
        entry.counts.killed_idle += killed as u64;
        killed
    }

    pub(super) fn processes(&self, function: &str) -> Vec<u32> {
        let state = self.state();
        let doors = state.doors.values().filter(|door| door.function == function);
        doors.map(|door| door.process).collect()
    }

    pub(super) fn counts(&self, function: &str) -> Counts {
        self.state().functions.get(function).map(|entry| entry.counts).unwrap_or_default()
    }

    pub(super) fn all_counts(&self) -> Counts {
        self.state().functions.values().map(|entry| entry.counts).sum()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    /// Kills everything at once, and lets nothing start again.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        state.functions.values_mut().for_each(|entry| entry.waiting.clear());
        for (_, door) in state.doors.drain() {
            worker::signal(door.process, worker::Signal::KILL);
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("address", &self.address).finish_non_exhaustive()
    }
}
