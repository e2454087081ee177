//! Group commit: one thread evaluates what waits, in order, and makes it durable together.
//!
//! Each request sees the rows as the one before it left them, and no answer leaves before the
//! commit that holds everything it is based on. A request whose caller has gone is carried out all
//! the same; its answer is dropped. When a commit fails, nobody knows what of it is on disk, so
//! every request of the batch fails.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::{io, iter};

use redb::Error;
use tokio::sync::oneshot;

use super::file::File;
use super::tables::Draft;
use crate::store::{Condition, Key, Result, Row, Update, Updated};

/// The most requests of one commit: an answer should not wait for too many others.
const MAX_BATCH: usize = 256;

const STOPPED: &str = "the writer thread has stopped; restart the host";

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
        let stopped = || self.file.error(io::Error::other(STOPPED).into());
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures_util::future::join_all;
    use redb::backends::InMemoryBackend;
    use redb::{Builder, StorageBackend};

    use super::*;
    use crate::store::StoreError;

    /// A disk in memory that stops writing when told to.
    #[derive(Debug, Default)]
    struct Disk {
        memory: InMemoryBackend,
        broken: Arc<AtomicBool>,
    }

    impl StorageBackend for Disk {
        fn len(&self) -> io::Result<u64> {
            self.memory.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.memory.read(offset, out)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.memory.set_len(len)
        }

        fn sync_data(&self) -> io::Result<()> {
            let full = self.broken.load(Ordering::SeqCst);
            if full { Err(io::Error::other("no space left")) } else { Ok(()) }
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.memory.write(offset, data)
        }
    }

    fn file(broken: &Arc<AtomicBool>) -> Arc<File> {
        let disk = Disk { broken: Arc::clone(broken), ..Disk::default() };
        let database = Builder::new().create_with_backend(disk).unwrap();
        Arc::new(File::over("test.beldi".to_owned(), database).unwrap())
    }

    fn add() -> Change {
        Change::Update(Update::when(Condition::always()).add("sum", 1))
    }

    #[tokio::test]
    async fn a_failed_commit_fails_all_its_requests() {
        let broken = Arc::default();
        let file = file(&broken);
        let committer = Committer::start(Arc::clone(&file)).unwrap();
        let key = Key::new("p", "s");
        committer.submit(&key, add()).await.unwrap();

        broken.store(true, Ordering::SeqCst);
        for answer in join_all((0..20).map(|_| committer.submit(&key, add()))).await {
            assert!(matches!(answer, Err(StoreError::Io(_))), "{answer:?}");
        }
        broken.store(false, Ordering::SeqCst);
        assert!(committer.submit(&key, add()).await.is_err(), "nobody knows what was written");
        assert_eq!(file.commits(), 1);
    }

    #[tokio::test]
    async fn a_stopped_thread_is_an_error() {
        let file = file(&Arc::default());
        let (requests, _) = mpsc::channel();
        let committer = Committer { file, requests: Some(requests), thread: None };
        let answer = committer.submit(&Key::new("p", "s"), add()).await;
        assert!(matches!(answer, Err(StoreError::Io(error)) if error.contains(STOPPED)));
    }
}
