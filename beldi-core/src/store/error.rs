//! Why a store did not do what it was asked.

use super::{Key, MAX_PARTITION_KEY, MAX_ROW, MAX_SORT_KEY};

/// Why a store did not do what it was asked.
///
/// ```
/// use beldi::store::StoreError;
///
/// assert!(StoreError::Unavailable("no answer within 5s".into()).is_transient());
/// assert!(!StoreError::Corrupt("row rooms/ritz".into()).is_transient());
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The request may or may not have been applied; it is safe to send it again.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The row would be larger than [`MAX_ROW`]; nothing was changed.
    #[error("row {key} would take {}; the limit is {MAX_ROW} bytes", bytes(*.size))]
    RowTooLarge {
        /// The row.
        key: Key,
        /// What it would take, in bytes, if the store tells.
        size: Option<usize>,
    },
    /// A part of the key is empty or too long.
    #[error(
        "key {key} has a part that is empty or too long: a partition key has 1 to {MAX_PARTITION_KEY} bytes, a sort key 1 to {MAX_SORT_KEY}"
    )]
    InvalidKey {
        /// The key.
        key: Key,
    },
    /// The store cannot hold such a value.
    #[error("row {key} cannot hold {why}")]
    Unstorable {
        /// The row.
        key: Key,
        /// The value, and what is wrong with it.
        why: String,
    },
    /// The condition or the update of a row is more than the store takes at once.
    #[error("the update of row {key} is too complex: {why}; ask or change less at once")]
    TooComplex {
        /// The row.
        key: Key,
        /// The limit.
        why: String,
    },
    /// The store refuses a request for what it says, now and for ever.
    #[error("the store rejects {request}: {why}")]
    Rejected {
        /// The request.
        request: String,
        /// What the store says.
        why: String,
    },
    /// There is no such table.
    #[error(
        "there is no table `{table}` in this account and region: create it with `DynamoStore::create_table`, or correct the name or the region"
    )]
    NoTable {
        /// The table.
        table: String,
    },
    /// The table was not made by or for this version of beldi.
    #[error(
        "table `{table}` is not as beldi needs it: {}; correct that, or take another table", .wrong.join("; ")
    )]
    WrongTable {
        /// The table.
        table: String,
        /// Everything that is wrong with it.
        wrong: Vec<String>,
    },
    /// The process may not do that, or its credentials are not valid.
    #[error(
        "{action} on table `{table}` was denied: {why}; allow it to the role of this process, or correct its credentials"
    )]
    Denied {
        /// The operation, as permissions name it.
        action: &'static str,
        /// The table.
        table: String,
        /// What the store says.
        why: String,
    },
    /// What is stored cannot be read.
    #[error("the store holds something it did not write: {0}; restore it from a backup")]
    Corrupt(String),
    /// Another store, in this process or another, has the database open.
    #[error(
        "{path} is already open; a database has one host at a time: stop that one, or choose another path"
    )]
    InUse {
        /// The database file.
        path: String,
    },
    /// The file is not a database of ours: empty, cut off at its head, or another program's.
    #[error(
        "{path} is not a beldi database; choose another path, restore it from a backup, or delete it if it was never in use"
    )]
    Foreign {
        /// The file.
        path: String,
    },
    /// The database was written by a newer version.
    #[error("{path} has format {found}, this version reads formats up to {known}: upgrade beldi")]
    TooNew {
        /// The database file.
        path: String,
        /// The format of the file.
        found: u64,
        /// The newest format this version reads.
        known: u64,
    },
    /// The file system said no.
    #[error("{0}")]
    Io(String),
}

fn bytes(size: Option<usize>) -> String {
    size.map_or_else(|| "too many bytes".to_owned(), |size| format!("{size} bytes"))
}

impl StoreError {
    /// Whether the same request may succeed later. beldi repeats such a request, and halts the attempt
    /// if that does not help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// Whether it is the row that is at fault, so that the same request never succeeds and others may.
    pub fn is_of_the_row(&self) -> bool {
        matches!(
            self,
            Self::RowTooLarge { .. }
                | Self::InvalidKey { .. }
                | Self::Unstorable { .. }
                | Self::TooComplex { .. }
        )
    }

    /// Whether a collector can leave the row at that and go on with others.
    pub(crate) fn is_of_one_row(&self) -> bool {
        self.is_of_the_row() || matches!(self, Self::Corrupt(_) | Self::Rejected { .. })
    }
}
