//! The database file: opening it, its transactions, and what its errors mean.
//!
//! redb is asked to verify the whole file when it opens it, because it trusts it afterwards. What
//! is damaged later may make it panic; that ends the request, not the process.

use std::any::Any;
use std::fs;
use std::io::{self, ErrorKind};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::{
    Builder, Database, DatabaseError, Error, ReadableDatabase, StorageError, TableDefinition,
};

use super::tables::{Draft, Snapshot};
use crate::store::{Result, StoreError};

/// The newest format of the file this version writes and reads.
const FORMAT: u64 = 1;
/// The table that tells our files from others.
const HEADER: TableDefinition<'static, &str, u64> = TableDefinition::new("beldi");
/// The name of the file's format in [`HEADER`].
const FORMAT_NAME: &str = "format";
/// The most bytes of the file to keep in memory.
const CACHE: usize = 128 * 1024 * 1024;

/// An open database.
pub(super) struct File {
    path: String,
    database: Database,
    commits: AtomicU64,
}

impl File {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let database = contain(&name, || open_or_create(path))?;
        Self::over(name, database)
    }

    /// A database of ours, wherever it is kept.
    pub(super) fn over(path: String, database: Database) -> Result<Self> {
        let file = Self { path, database, commits: AtomicU64::new(0) };
        file.check_format()?;
        Ok(file)
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Reads the tables as the last commit left them.
    pub(super) fn read<T>(&self, body: impl FnOnce(&Snapshot) -> Result<T, Error>) -> Result<T> {
        contain(&self.path, || body(&Snapshot(self.database.begin_read()?)))
    }

    /// Changes the tables: on disk when this returns, or an error.
    pub(super) fn write<T>(
        &self,
        body: impl FnOnce(&mut Draft<'_>) -> Result<T, Error>,
    ) -> Result<T> {
        contain(&self.path, || {
            let transaction = self.database.begin_write()?;
            let mut tables = Draft::open(&transaction)?;
            let done = body(&mut tables)?;
            let changed = tables.is_changed();
            drop(tables);
            if changed {
                transaction.commit()?;
                self.commits.fetch_add(1, Ordering::Relaxed);
            } else {
                transaction.abort()?;
            }
            Ok(done)
        })
    }

    /// What an error of this file means to the caller.
    pub(super) fn error(&self, error: Error) -> StoreError {
        explain(&self.path, error)
    }

    /// Makes a new file ours, and refuses those of others and of newer versions.
    fn check_format(&self) -> Result<()> {
        let found = contain(&self.path, || {
            let transaction = self.database.begin_read()?;
            if transaction.list_tables()?.next().is_none() {
                self.initialize()?;
                return Ok(Some(FORMAT));
            }
            let format = transaction.open_table(HEADER)?.get(FORMAT_NAME)?;
            Ok(format.map(|format| format.value()))
        })?;
        match found {
            Some(FORMAT) => Ok(()),
            Some(found) if found > FORMAT => {
                Err(StoreError::TooNew { path: self.path.clone(), found, known: FORMAT })
            }
            _ => Err(StoreError::Foreign { path: self.path.clone() }),
        }
    }

    fn initialize(&self) -> Result<(), Error> {
        let transaction = self.database.begin_write()?;
        transaction.open_table(HEADER)?.insert(FORMAT_NAME, FORMAT)?;
        Draft::open(&transaction)?;
        Ok(transaction.commit()?)
    }
}

/// Only a file that was not there is created: an empty one may have been cut off.
fn open_or_create(path: &Path) -> Result<Database, Error> {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
    match builder.open(path) {
        Err(DatabaseError::Storage(StorageError::Io(error)))
            if error.kind() == ErrorKind::NotFound =>
        {
            let folder = folder_of(path);
            create_folder(folder)?;
            let database = builder.create(path)?;
            sync_folder(folder)?;
            Ok(database)
        }
        opened => Ok(opened?),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Creates a folder and those above it, so that they survive a power cut.
fn create_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<_> = folder.ancestors().take_while(|folder| !folder.is_dir()).collect();
    fs::create_dir_all(folder)?;
    missing.into_iter().try_for_each(|created| sync_folder(folder_of(created)))
}

/// Makes the names in a folder durable. Where folders cannot be opened, the system sees to it.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Runs what may meet damage that redb does not expect.
///
/// A panic leaves nothing half-done behind that could be seen: a transaction that was not committed
/// is rolled back, and after one in the middle of a commit redb refuses further commits.
fn contain<T>(path: &str, body: impl FnOnce() -> Result<T, Error>) -> Result<T> {
    let ended = panic::catch_unwind(AssertUnwindSafe(body));
    ended
        .unwrap_or_else(|panic| Err(Error::Corrupted(reason(&*panic))))
        .map_err(|error| explain(path, error))
}

fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it cannot be read").to_owned()
}

/// What an error means to the caller.
fn explain(path: &str, error: Error) -> StoreError {
    let path = path.to_owned();
    match error {
        Error::DatabaseAlreadyOpen | Error::LockProtocolMismatch => StoreError::InUse { path },
        Error::UpgradeRequired(_)
        | Error::TableDoesNotExist(_)
        | Error::TableTypeMismatch { .. } => StoreError::Foreign { path },
        Error::Io(error) if error.kind() == ErrorKind::InvalidData => StoreError::Foreign { path },
        Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            StoreError::Corrupt(format!("{path} is cut off"))
        }
        Error::Corrupted(reason) => StoreError::Corrupt(format!("{path}: {reason}")),
        Error::PreviousIo => StoreError::Io(format!(
            "{path}: an earlier request met an error of the disk; nothing is read or written any more until the \
             file is opened again: start this process anew"
        )),
        error => StoreError::Io(format!("{path}: {error}")),
    }
}
