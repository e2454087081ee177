//! Group commit: one thread evaluates what waits, in order, and makes it durable together.
//!
//! Each request sees the rows as the one before it left them, and no answer leaves before the
//! commit that holds everything it is based on. A request whose caller has gone is carried out all
//! the same; its answer is dropped. When a commit fails, nobody knows what of it is on disk, so
//! every request of the batch fails.

use std::iter;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use redb::Error;
use tokio::sync::oneshot;

use super::file::File;
use super::tables::Draft;
use crate::store::{Condition, Key, Result, Row, Update, Updated};

/// The most requests of one commit: an answer should not wait for too many others.
const MAX_BATCH: usize = 256;

/// What a request does to its row.
pub(super) enum Change {
    Update(Update),
    Delete(Condition),
}

struct Request {
    key: Key,
    change: Change,
    reply: oneshot::Sender<Result<Updated>>,
}

/// The way to the writer thread, which ends when this is dropped.
pub(super) struct Committer {
    file: Arc<File>,
    requests: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    pub(super) fn start(file: Arc<File>) -> Result<Self> {
        let (requests, waiting) = mpsc::channel();
        let shared = Arc::clone(&file);
        let thread = thread::Builder::new()
            .name("beldi-store".to_owned())
            .spawn(move || commit_batches(&shared, &waiting))
            .map_err(|error| file.error(Error::Io(error)))?;
        Ok(Self { file, requests: Some(requests), thread: Some(thread) })
    }

    /// Sends a change to the thread and waits until it is durable, or refused.
    pub(super) async fn submit(&self, key: &Key, change: Change) -> Result<Updated> {
        key.check()?;
        let (reply, answer) = oneshot::channel();
        let request = Request { key: key.clone(), change, reply };
        let stopped = || self.file.error(Error::DatabaseClosed);
        self.requests.as_ref().ok_or_else(stopped)?.send(request).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported by its hook, and a drop has no one to tell.
            let _ = thread.join();
        }
    }
}

fn commit_batches(file: &File, waiting: &Receiver<Request>) {
    while let Ok(first) = waiting.recv() {
        let batch: Vec<_> = iter::once(first).chain(waiting.try_iter()).take(MAX_BATCH).collect();
        commit(file, batch);
    }
}

fn commit(file: &File, batch: Vec<Request>) {
    let ended = file.write(|tables| batch.iter().map(|r| r.evaluate(file, tables)).collect());
    let answers: Vec<_> = match ended {
        Ok(answers) => answers,
        Err(error) => iter::repeat_n(Err(error), batch.len()).collect(),
    };
    for (request, answer) in batch.into_iter().zip(answers) {
        // The caller may have stopped waiting.
        let _ = request.reply.send(answer);
    }
}

impl Request {
    /// The answer to this request, if the batch commits. A row that cannot be read is the trouble
    /// of this request alone; an outer error is everyone's.
    fn evaluate(&self, file: &File, tables: &mut Draft<'_>) -> Result<Result<Updated>, Error> {
        let old = match tables.get(&self.key) {
            Ok(old) => old,
            Err(error) => return Ok(Err(file.error(error))),
        };
        let updated = self.change.apply(&self.key, old.as_ref());
        if let Ok(Updated::Applied(row)) = &updated {
            let new = matches!(self.change, Change::Update(_)).then_some(row);
            tables.replace(&self.key, old.as_ref(), new)?;
        }
        Ok(updated)
    }
}

impl Change {
    fn apply(&self, key: &Key, row: Option<&Row>) -> Result<Updated> {
        match self {
            Self::Update(update) => update.apply(key, row),
            Self::Delete(when) if when.holds(row) => Ok(Updated::Applied(Row::default())),
            Self::Delete(_) => Ok(Updated::Refused(None)),
        }
    }
}
