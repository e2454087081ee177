//! What beldi asks of a store: single-row conditional updates, and nothing more.
//!
//! A [`Store`] holds rows under a partition key and a sort key. Its one promise is that an update
//! of one row is atomic, that its condition is judged on that same row, and that a refusal shows
//! the row as it was. Nothing is atomic across rows. Every request beldi sends may be delivered
//! twice or late; the protocols make that harmless, the store need not.

mod condition;
#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(feature = "embedded")]
mod embedded;
mod error;
mod memory;
mod page;
mod update;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

pub use condition::{Compare, Condition, Field};
#[cfg(feature = "dynamodb")]
pub use dynamodb::DynamoStore;
#[cfg(feature = "embedded")]
pub use embedded::EmbeddedStore;
pub use error::StoreError;
pub use memory::MemoryStore;
pub use update::Update;

use crate::value::Value;

/// The largest row, in bytes by DynamoDB's rules: names plus values. See
/// [`StoreError::RowTooLarge`].
pub const MAX_ROW: usize = 400 * 1024;
/// The longest partition key, in bytes. See [`Key::check`].
pub const MAX_PARTITION_KEY: usize = 2048;
/// The longest sort key, in bytes. See [`Key::check`].
pub const MAX_SORT_KEY: usize = 1024;
/// A page of [`Store::query`] or [`Store::due`] is cut at the row that brings it to so many bytes. See
/// [`Page`].
pub const MAX_PAGE: usize = 1024 * 1024;

/// The attribute that puts a row into the due index: the index shard, a text. See [`DueQuery`].
pub const DUE_SHARD: &str = "due";
/// The attribute that orders a row in its due shard, a whole number. See [`DueQuery`].
pub const DUE_ORDER: &str = "ord";

/// The attribute after which a row may vanish, in whole seconds since 1970, where the store itself
/// removes such rows. See [`Store::expires`].
pub const EXPIRES: &str = "ttl";

/// The address of a row.
///
/// ```
/// use beldi::store::Key;
///
/// let key = Key::new("hotels", "ritz");
/// assert_eq!(key.to_string(), "hotels/ritz");
/// assert!(key.check().is_ok());
/// assert!(Key::new("hotels", "").check().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Rows of one partition are found by one [`Store::query`].
    pub partition: String,
    /// Orders the rows of a partition, by bytes.
    pub sort: String,
}

impl Key {
    /// The key of these two parts.
    pub fn new(partition: impl Into<String>, sort: impl Into<String>) -> Self {
        Self { partition: partition.into(), sort: sort.into() }
    }

    /// Refuses what DynamoDB would refuse: an empty or too long part.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidKey`].
    pub fn check(&self) -> Result<()> {
        let fits = |part: &str, max| !part.is_empty() && part.len() <= max;
        if fits(&self.partition, MAX_PARTITION_KEY) && fits(&self.sort, MAX_SORT_KEY) {
            Ok(())
        } else {
            Err(StoreError::InvalidKey { key: self.clone() })
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partition.escape_debug(), self.sort.escape_debug())
    }
}

/// The attributes of a row.
///
/// ```
/// use beldi::Value;
/// use beldi::store::Row;
///
/// let row = Row([("free".to_owned(), Value::from(3))].into());
/// assert_eq!(row.int("free"), Some(3));
/// assert_eq!(row.text("free"), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Row(pub BTreeMap<String, Value>);

impl Row {
    /// The named attribute.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The named whole number; absent and foreign kinds are `None`.
    pub fn int(&self, name: &str) -> Option<i128> {
        self.get(name)?.as_int()
    }

    /// The named text; absent and foreign kinds are `None`.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_text()
    }

    /// Bytes of all names and values, without the key.
    pub fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.size()).sum()
    }

    /// Where the row stands in the due index, if it does.
    pub fn due(&self) -> Option<(&str, u64)> {
        let order = u64::try_from(self.int(DUE_ORDER)?).ok()?;
        Some((self.text(DUE_SHARD)?, order))
    }
}

/// How an update ended. Either way the row comes back.
///
/// ```
/// use beldi::store::{Condition, Key, MemoryStore, Store, Update, Updated};
///
/// # beldi::testing::in_virtual_time(async {
/// let (store, ritz) = (MemoryStore::new(), Key::new("hotels", "ritz"));
/// let open = Update::when(Condition::absent("free")).set("free", 3);
/// assert!(matches!(store.update(&ritz, &open).await?, Updated::Applied(row) if row.int("free") == Some(3)));
/// assert!(matches!(store.update(&ritz, &open).await?, Updated::Refused(Some(_))));
/// # Ok::<(), beldi::store::StoreError>(()) }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Updated {
    /// The condition held; this is the row after the update.
    Applied(Row),
    /// The condition failed and nothing changed; this is the row as it was.
    Refused(Option<Row>),
}

/// A range of one partition: the rows whose sort key begins with `prefix`.
///
/// ```
/// use beldi::store::{Condition, Key, MemoryStore, Query, Store, Update};
///
/// # beldi::testing::in_virtual_time(async {
/// let store = MemoryStore::new();
/// for sort in ["ritz/1", "ritz/2", "savoy/1"] {
///     store.update(&Key::new("nights", sort), &Update::when(Condition::always())).await?;
/// }
/// let mut query = Query {
///     partition: "nights".into(),
///     prefix: "ritz/".into(),
///     descending: false,
///     limit: 1,
///     after: None,
/// };
/// let first = store.query(&query).await?;
/// assert_eq!(first.rows[0].0.sort, "ritz/1");
/// query.after = first.next;
/// assert_eq!(store.query(&query).await?.rows[0].0.sort, "ritz/2");
/// # Ok::<(), beldi::store::StoreError>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Query {
    /// The partition to read.
    pub partition: String,
    /// What every sort key begins with; empty for all.
    pub prefix: String,
    /// Largest sort key first.
    pub descending: bool,
    /// At most so many rows a page (0 counts as 1).
    pub limit: usize,
    /// Go on behind this sort key (the `next` of the page before).
    pub after: Option<String>,
}

/// The rows of a query, and where to go on. See [`Query`].
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The rows, in the asked order.
    pub rows: Vec<(Key, Row)>,
    /// Set when there may be more: pass it as `after`.
    pub next: Option<String>,
}

/// A range of the due index: the rows of a shard in their order.
///
/// A row is in the index as long as it has the attributes [`DUE_SHARD`] and [`DUE_ORDER`].
///
/// ```
/// use beldi::store::{Condition, DUE_ORDER, DUE_SHARD, DueQuery, Key, MemoryStore, Store, Update};
///
/// # beldi::testing::in_virtual_time(async {
/// let store = MemoryStore::new();
/// let later = Update::when(Condition::always()).set(DUE_SHARD, "mails").set(DUE_ORDER, 1_767_225_600);
/// store.update(&Key::new("guests", "ann"), &later).await?;
///
/// let now = 1_767_312_000;
/// let due = DueQuery { shard: "mails".into(), up_to: now, limit: 100, after: None };
/// assert_eq!(store.due(&due).await?.rows[0].0, Key::new("guests", "ann"));
/// # Ok::<(), beldi::store::StoreError>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct DueQuery {
    /// The shard, as in the rows' [`DUE_SHARD`].
    pub shard: String,
    /// Only rows whose [`DUE_ORDER`] is not above this; [`u64::MAX`] for all.
    pub up_to: u64,
    /// At most so many rows a page (0 counts as 1).
    pub limit: usize,
    /// Go on behind this place (the `next` of the page before).
    pub after: Option<(u64, Key)>,
}

/// Rows from the due index, and where to go on. See [`DueQuery`].
#[derive(Clone, Debug, Default)]
pub struct DuePage {
    /// The rows by [`DUE_ORDER`], then key, as the index knows them: possibly out of date.
    pub rows: Vec<(Key, Row)>,
    /// Set when there may be more: pass it as `after`.
    pub next: Option<(u64, Key)>,
}

/// What a store answers. See [`StoreError`].
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A table of rows with atomic single-row conditional updates and strongly consistent reads.
///
/// A request for a row is refused when [`Key::check`] refuses its key; what an update means is
/// [`Update::apply`]. Implementations pass the conformance suite `beldi::testing::conformance`.
///
/// A store that wraps another one:
///
/// ```
/// use beldi::store::*;
/// use futures_util::future::BoxFuture;
///
/// /// Prints the keys of all updates.
/// struct Printing<S>(S);
///
/// impl<S: Store> Store for Printing<S> {
///     fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Row>>> {
///         self.0.get(key)
///     }
///
///     fn update<'a>(&'a self, key: &'a Key, update: &'a Update) -> BoxFuture<'a, Result<Updated>> {
///         println!("update {key}");
///         self.0.update(key, update)
///     }
///
///     fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page>> {
///         self.0.query(query)
///     }
///
///     fn due<'a>(&'a self, query: &'a DueQuery) -> BoxFuture<'a, Result<DuePage>> {
///         self.0.due(query)
///     }
///
///     fn delete<'a>(&'a self, key: &'a Key, when: &'a Condition) -> BoxFuture<'a, Result<bool>> {
///         self.0.delete(key, when)
///     }
/// }
///
/// # beldi::testing::in_virtual_time(async {
/// let host = beldi::App::new("travel").open(Printing(MemoryStore::new()))?;
/// # drop(host); Ok::<(), beldi::Error>(()) }).unwrap();
/// ```
pub trait Store: Send + Sync + 'static {
    /// The row at `key`, as the last acknowledged update left it.
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Row>>>;

    /// Changes one row if the condition holds on it (an absent row has no attributes, and comes to
    /// be). All of the update or nothing, seen by everyone at once.
    fn update<'a>(&'a self, key: &'a Key, update: &'a Update) -> BoxFuture<'a, Result<Updated>>;

    /// One page of a partition. Each row is current; the page is no snapshot.
    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page>>;

    /// One page of the due index. It may lag behind the rows: a hint, to be checked on the row.
    fn due<'a>(&'a self, query: &'a DueQuery) -> BoxFuture<'a, Result<DuePage>>;

    /// Removes the row if the condition holds on it; tells whether it did.
    fn delete<'a>(&'a self, key: &'a Key, when: &'a Condition) -> BoxFuture<'a, Result<bool>>;

    /// Whether no other process can use this store while we have it open. The host may then take
    /// over unfinished instances at once instead of waiting for their leases. `false` unless
    /// overridden.
    fn is_exclusive(&self) -> bool {
        false
    }

    /// Whether it sends a request again by itself, for a limited time, before it says that it is
    /// unavailable. Then an attempt believes that, and halts. `false` unless overridden.
    fn is_patient(&self) -> bool {
        false
    }

    /// How far [`due`](Store::due) may lag behind the rows. The garbage collector waits that long
    /// before it believes that no root is unfinished. Zero unless overridden.
    fn due_lag(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether the store removes a row by itself, some time after its [`EXPIRES`] has passed. `false`
    /// unless overridden: then the garbage collector does it.
    fn expires(&self) -> bool {
        false
    }
}

impl<S: Store + ?Sized> Store for Arc<S> {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Row>>> {
        (**self).get(key)
    }

    fn update<'a>(&'a self, key: &'a Key, update: &'a Update) -> BoxFuture<'a, Result<Updated>> {
        (**self).update(key, update)
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page>> {
        (**self).query(query)
    }

    fn due<'a>(&'a self, query: &'a DueQuery) -> BoxFuture<'a, Result<DuePage>> {
        (**self).due(query)
    }

    fn delete<'a>(&'a self, key: &'a Key, when: &'a Condition) -> BoxFuture<'a, Result<bool>> {
        (**self).delete(key, when)
    }

    fn is_exclusive(&self) -> bool {
        (**self).is_exclusive()
    }

    fn is_patient(&self) -> bool {
        (**self).is_patient()
    }

    fn due_lag(&self) -> Duration {
        (**self).due_lag()
    }

    fn expires(&self) -> bool {
        (**self).expires()
    }
}
