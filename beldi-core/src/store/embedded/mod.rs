//! A store in one file: for a single machine, durable across crashes and power cuts.
//!
//! * An update is acknowledged after it reached the disk, and seen by reads no sooner.
//! * Updates are evaluated one after the other by one thread ([`committer`]), which makes all that
//!   wait durable together.
//! * A read takes a snapshot of the last commit, on the caller's thread.
//! * Damage is an error, never a wrong value: opening verifies every page of the file, and every
//!   row carries a checksum of its key and value ([`record`]). Two limits: a page damaged while the
//!   file is open can hide a row until the next open finds it, and a last commit that is damaged
//!   *and* followed by a crash looks like one the crash cut short, so it is rolled back.

mod committer;
mod file;
mod record;
mod tables;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use self::committer::{Change, Committer};
use self::file::File;
use super::{Condition, DuePage, DueQuery, Key, Page, Query, Result, Row, Store, Update, Updated};

/// Rows in one file of this machine. One store at a time may have the file open. Feature `embedded`,
/// on by default.
///
/// An update is acknowledged after it reached the disk. Damage is an error, never a wrong value:
/// opening verifies every page, and every row carries a checksum.
///
/// ```
/// use beldi::store::{Condition, EmbeddedStore, Key, Store, Update};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("travel.redb");
/// # beldi::testing::in_virtual_time(async {
/// let ritz = Key::new("hotels", "ritz");
/// let store = EmbeddedStore::open(&path)?;
/// store.update(&ritz, &Update::when(Condition::always()).set("free", 3)).await?;
/// drop(store);
///
/// let store = EmbeddedStore::open(&path)?;
/// assert_eq!(store.get(&ritz).await?.unwrap().int("free"), Some(3));
/// # Ok::<(), beldi::store::StoreError>(()) }).unwrap();
/// ```
pub struct EmbeddedStore {
    // Dropped first: the file is closed cleanly once the thread has let go of it.
    committer: Committer,
    file: Arc<File>,
}

impl EmbeddedStore {
    /// Opens the database at `path`, and creates it, with its folder, if there is none.
    ///
    /// The whole file is read and verified, which takes about a second for each gigabyte.
    ///
    /// # Errors
    ///
    /// [`StoreError::InUse`], [`StoreError::Foreign`], [`StoreError::TooNew`],
    /// [`StoreError::Corrupt`] or [`StoreError::Io`].
    ///
    /// [`StoreError::InUse`]: super::StoreError::InUse
    /// [`StoreError::Foreign`]: super::StoreError::Foreign
    /// [`StoreError::TooNew`]: super::StoreError::TooNew
    /// [`StoreError::Corrupt`]: super::StoreError::Corrupt
    /// [`StoreError::Io`]: super::StoreError::Io
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let file = Arc::new(File::open(path.as_ref())?);
        let committer = Committer::start(Arc::clone(&file))?;
        Ok(Self { committer, file })
    }

    /// How many times changes were made durable since opening, each time all that waited.
    pub fn commits(&self) -> u64 {
        self.file.commits()
    }
}

impl Store for EmbeddedStore {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Row>>> {
        Box::pin(async move {
            key.check()?;
            self.file.read(|tables| tables.get(key))
        })
    }

    fn update<'a>(&'a self, key: &'a Key, update: &'a Update) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move { self.committer.submit(key, Change::Update(update.clone())).await })
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page>> {
        Box::pin(async move { self.file.read(|tables| tables.query(query)) })
    }

    fn due<'a>(&'a self, query: &'a DueQuery) -> BoxFuture<'a, Result<DuePage>> {
        Box::pin(async move { self.file.read(|tables| tables.due(query)) })
    }

    fn delete<'a>(&'a self, key: &'a Key, when: &'a Condition) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let ended = self.committer.submit(key, Change::Delete(when.clone())).await?;
            Ok(matches!(ended, Updated::Applied(_)))
        })
    }

    fn is_exclusive(&self) -> bool {
        true
    }
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedStore").field("path", &self.file.path()).finish_non_exhaustive()
    }
}
