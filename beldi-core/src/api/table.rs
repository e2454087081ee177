//! Tables as typed constants, and the operations on their items.

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::key::{self, Key, KeyFor, Prefix};
use super::operation::{At, Operation, ReadOnlyOperation};
use super::when::When;
use super::{decode, encode};
use crate::engine::Write;
use crate::error::Reason;
use crate::store::Condition;
use crate::value::Value;

/// A table of the service: a name, the type of its keys and the type of its values.
///
/// A value is anything serde can write and read, of at most [`MAX_VALUE`](crate::MAX_VALUE) bytes;
/// keys are listed at [`Key`]. A stored value that is not a `V` parks the instance that reads it.
///
/// ```
/// use beldi::{Table, When};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Room {
///     free: u32,
/// }
///
/// const ROOMS: Table<str, Room> = Table::new("rooms");
///
/// #[beldi::ssf]
/// async fn take_room(hotel: String) -> Result<u32, String> {
///     ROOMS.put(&hotel, &Room { free: 20 }).when(When::absent()).await;
///     let mut room = ROOMS.get(&hotel).await.ok_or("no such hotel")?;
///     room.free = room.free.checked_sub(1).ok_or("sold out")?;
///     ROOMS.put(&hotel, &room).await;
///     Ok(room.free)
/// }
/// # use beldi::testing::{World, in_virtual_time};
/// # in_virtual_time(async {
/// # let world = World::new(beldi::App::new("travel").ssf(take_room));
/// assert_eq!(world.call(take_room("ritz".into())).await?, Ok(19));
/// # Ok::<(), beldi::Error>(()) }).unwrap();
/// ```
pub struct Table<K: ?Sized, V> {
    name: &'static str,
    types: PhantomData<fn(&K) -> V>,
}

impl<K: ?Sized, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: ?Sized, V> Copy for Table<K, V> {}

impl<K: ?Sized, V> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({})", self.name)
    }
}

impl<K: ?Sized, V> Table<K, V> {
    /// The table of that name. Names are the service's own; two tables of one name are one table.
    pub const fn new(name: &'static str) -> Self {
        Self { name, types: PhantomData }
    }

    /// The name it was made with.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<K: Key + ?Sized, V: Serialize + DeserializeOwned + Send> Table<K, V> {
    /// Reads the value: `Option<V>`. One round trip; logged with the next effect.
    ///
    /// Another writer may come between a `get` and the `put` that follows from it, here as in any
    /// store: where that matters use [`update`](Self::update) or [`when`](Put::when).
    pub fn get<Q: KeyFor<K> + ?Sized>(&self, key: &Q) -> Get<V> {
        Get { item: self.item(key) }
    }

    /// Reads many values side by side: `Vec<Option<V>>` in the order of the keys. Each is current,
    /// together they are no snapshot.
    ///
    /// ```
    /// const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");
    ///
    /// #[beldi::ssf(read_only)]
    /// async fn left(hotels: Vec<String>) -> Vec<Option<u32>> {
    ///     ROOMS.get_many(&hotels).await
    /// }
    /// # use beldi::testing::{World, in_virtual_time};
    /// # in_virtual_time(async {
    /// # let world = World::new(beldi::App::new("travel").ssf(left)).row(ROOMS, "ritz", &3);
    /// assert_eq!(world.call(left(vec!["ritz".into(), "savoy".into()])).await?, [Some(3), None]);
    /// # Ok::<(), beldi::Error>(()) }).unwrap();
    /// ```
    pub fn get_many<Q: KeyFor<K>>(&self, keys: impl IntoIterator<Item = Q>) -> GetMany<V> {
        let keys = keys.into_iter().map(|key| key::encode::<K, Q>(&key)).collect();
        GetMany { table: self.name, keys, value: PhantomData }
    }

    /// Writes the value: `()`. With [`when`](Put::when), only if a condition holds: `bool`. One round
    /// trip, and the flush of what was observed before it.
    pub fn put<Q: KeyFor<K> + ?Sized>(&self, key: &Q, value: &V) -> Put {
        let item = self.item::<Q, V>(key);
        let value = encode(value, &format!("the value of {item}"));
        Put(Change { table: self.name, key: item.key, write: value.map(Write::Put) })
    }

    /// Removes the value, if there is one: `()`. With [`when`](Delete::when), only if a condition
    /// holds: `bool`.
    pub fn delete<Q: KeyFor<K> + ?Sized>(&self, key: &Q) -> Delete {
        Delete(Change { table: self.name, key: key::encode::<K, Q>(key), write: Ok(Write::Delete) })
    }

    /// Reads, changes and writes the value as one step, and returns what the closure returned: at
    /// most [`MAX_UPDATE_RESULT`](crate::MAX_UPDATE_RESULT) bytes.
    ///
    /// The closure may run several times (other writers come in between) and must do nothing but
    /// compute; setting `None` removes the value. Two round trips, and no flush for the read.
    ///
    /// ```
    /// const VISITS: beldi::Table<str, u64> = beldi::Table::new("visits");
    ///
    /// #[beldi::ssf]
    /// async fn visit(page: String) -> u64 {
    ///     VISITS.update(&page, |visits| *visits.insert(visits.unwrap_or(0) + 1)).await
    /// }
    /// # use beldi::testing::{World, in_virtual_time};
    /// # in_virtual_time(async {
    /// # let world = World::new(beldi::App::new("site").ssf(visit)).row(VISITS, "home", &41);
    /// assert_eq!(world.call(visit("home".into())).await?, 42);
    /// # Ok::<(), beldi::Error>(()) }).unwrap();
    /// ```
    pub fn update<Q, F, R>(&self, key: &Q, change: F) -> Update<V, F>
    where
        Q: KeyFor<K> + ?Sized,
        F: FnMut(&mut Option<V>) -> R + Send,
        R: Serialize + DeserializeOwned + Send,
    {
        Update { item: self.item(key), change }
    }

    /// Holds the item until [`unlock`](Self::unlock), or until the instance is finished, across
    /// crashes: nobody else writes it meanwhile. Gives the value, and waits for whoever holds it, as
    /// long as [`Limits::lock_wait`](crate::Limits::lock_wait).
    ///
    /// An instance that holds one item already and asks for another, which an older one holds, is
    /// told [`Busy`]: two that waited for each other would wait for ever. It can unlock what it has
    /// and begin again. A write does not tell: it waits for whoever holds the item and fails in the end,
    /// so an instance that holds something locks what it writes. Where several items belong together, a
    /// [`txn`](crate::txn) does all that by itself.
    ///
    /// ```
    /// use beldi::{Busy, Table};
    ///
    /// const PRINTERS: Table<str, u32> = Table::new("printers");
    ///
    /// #[beldi::ssf]
    /// async fn print(pages: u32) -> Result<u32, Busy> {
    ///     let printed = PRINTERS.lock("laser").await?.unwrap_or(0);
    ///     beldi::effect("print", async |_key| { /* send the pages */ }).await;
    ///     PRINTERS.put("laser", &(printed + pages)).await;
    ///     PRINTERS.unlock("laser").await;
    ///     Ok(printed + pages)
    /// }
    /// # use beldi::testing::{World, in_virtual_time};
    /// # in_virtual_time(async {
    /// # let world = World::new(beldi::App::new("office").ssf(print)).row(PRINTERS, "laser", &3);
    /// assert_eq!(world.call(print(4)).await?, Ok(7));
    /// # Ok::<(), beldi::Error>(()) }).unwrap();
    /// ```
    pub fn lock<Q: KeyFor<K> + ?Sized>(&self, key: &Q) -> Lock<V> {
        Lock { item: self.item(key) }
    }

    /// Gives back a lock of this root's; without one, nothing happens.
    pub fn unlock<Q: KeyFor<K> + ?Sized>(&self, key: &Q) -> Unlock {
        Unlock { table: self.name, key: key::encode::<K, Q>(key) }
    }

    /// Reads every item whose key begins with the prefix (`..` for all): `Vec<(key, V)>` in key
    /// order. Each is current, together they are no snapshot. See [`Prefix`] and [`Key`].
    pub fn scan(&self, prefix: impl Prefix<K>) -> Scan<K, V> {
        let mut text = String::new();
        prefix.write(&mut text);
        Scan { table: self.name, prefix: text, types: PhantomData }
    }

    fn item<Q: KeyFor<K> + ?Sized, T>(&self, key: &Q) -> Item<T> {
        Item { table: self.name, key: key::encode::<K, Q>(key), value: PhantomData }
    }
}

/// The address of one item, and what its value should be.
struct Item<V> {
    table: &'static str,
    key: String,
    value: PhantomData<fn() -> V>,
}

impl<V> fmt::Display for Item<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` in table `{}`", self.key.escape_debug(), self.table)
    }
}

impl<V> fmt::Debug for Item<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<V: DeserializeOwned> Item<V> {
    fn decode(&self, value: Option<Value>) -> Result<Option<V>, Reason> {
        value.map(|value| decode(value, &format!("the value of {self}"))).transpose()
    }
}

/// A read of one item: see [`Table::get`].
#[derive(Debug)]
#[must_use = "an operation does nothing until it is awaited"]
pub struct Get<V> {
    item: Item<V>,
}

impl<V: DeserializeOwned + Send> Operation for Get<V> {
    type Output = Option<V>;

    async fn perform(self, at: At) -> Option<V> {
        let value = at.0.get(self.item.table, &self.item.key).await;
        at.0.check(self.item.decode(value)).await
    }
}

impl<V: DeserializeOwned + Send> ReadOnlyOperation for Get<V> {}

/// A read of many items: see [`Table::get_many`].
#[derive(Debug)]
#[must_use = "an operation does nothing until it is awaited"]
pub struct GetMany<V> {
    table: &'static str,
    keys: Vec<String>,
    value: PhantomData<fn() -> V>,
}

impl<V: DeserializeOwned + Send> Operation for GetMany<V> {
    type Output = Vec<Option<V>>;

    async fn perform(self, at: At) -> Vec<Option<V>> {
        let Self { table, keys, value } = self;
        let values = at.0.get_many(table, &keys).await;
        let decoded = keys.into_iter().zip(values).map(|(key, found)| {
            let item = Item { table, key, value };
            item.decode(found)
        });
        at.0.check(decoded.collect()).await
    }
}

impl<V: DeserializeOwned + Send> ReadOnlyOperation for GetMany<V> {}

/// A change of one item on its way.
struct Change {
    table: &'static str,
    key: String,
    write: Result<Write, Reason>,
}

impl Change {
    async fn perform(self, at: At, when: Option<&Condition>) -> bool {
        let write = at.0.check(self.write).await;
        at.0.write(self.table, &self.key, write, when).await
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.table, self.key.escape_debug())
    }
}

macro_rules! changes {
    ($($change:ident $doc:literal;)*) => {$(
        #[doc = $doc]
        #[derive(Debug)]
        #[must_use = "an operation does nothing until it is awaited"]
        pub struct $change(Change);

        impl $change {
            /// Only if the condition holds on the present value; awaiting tells whether it did. Two
            /// round trips if it did not. See [`When`].
            pub fn when(self, condition: When) -> WriteWhen {
                WriteWhen { change: self.0, when: condition }
            }
        }

        impl Operation for $change {
            type Output = ();

            async fn perform(self, at: At) {
                self.0.perform(at, None).await;
            }
        }
    )*};
}
changes! {
    Put "A write of one item: see [`Table::put`].";
    Delete "The removal of one item: see [`Table::delete`].";
}

/// A put or delete under a condition: awaiting it tells whether it happened. See [`When`].
#[derive(Debug)]
#[must_use = "an operation does nothing until it is awaited"]
pub struct WriteWhen {
    change: Change,
    when: When,
}

impl Operation for WriteWhen {
    type Output = bool;

    async fn perform(self, at: At) -> bool {
        let when = at.0.check(self.when.into_condition()).await;
        self.change.perform(at, Some(&when)).await
    }
}

/// A change of one item: see [`Table::update`].
#[must_use = "an operation does nothing until it is awaited"]
pub struct Update<V, F> {
    item: Item<V>,
    change: F,
}

impl<V, F> fmt::Debug for Update<V, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Update").field(&self.item).finish()
    }
}

impl<V, F, R> Operation for Update<V, F>
where
    V: Serialize + DeserializeOwned + Send,
    F: FnMut(&mut Option<V>) -> R + Send,
    R: Serialize + DeserializeOwned + Send,
{
    type Output = R;

    async fn perform(self, at: At) -> R {
        let Self { item, mut change } = self;
        let what = format!("the result of updating {item}");
        let mut changing = |old: Option<Value>| {
            let mut value = item.decode(old)?;
            let result = change(&mut value);
            let new = value.map(|value| encode(&value, &format!("the value of {item}")));
            Ok((new.transpose()?, encode(&result, &what)?))
        };
        let result = at.0.update(item.table, &item.key, &mut changing).await;
        at.0.check(decode(result, &what)).await
    }
}

/// A read of all items under a prefix: see [`Table::scan`].
#[must_use = "an operation does nothing until it is awaited"]
pub struct Scan<K: ?Sized, V> {
    table: &'static str,
    prefix: String,
    types: PhantomData<fn(&K) -> V>,
}

impl<K: ?Sized, V> fmt::Debug for Scan<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scan({}/{}..)", self.table, self.prefix.escape_debug())
    }
}

impl<K: Key + ?Sized, V: DeserializeOwned + Send> Operation for Scan<K, V> {
    type Output = Vec<(K::Owned, V)>;

    async fn perform(self, at: At) -> Self::Output {
        let table = self.table;
        let rows = at.0.scan(table, &self.prefix).await;
        let decoded = rows.into_iter().map(|(text, value)| {
            let key = key::decode::<K>(&text).ok_or_else(|| foreign_key(table, &text))?;
            let what = format!("the value of `{}` in table `{table}`", text.escape_debug());
            Ok((key, decode(value, &what)?))
        });
        at.0.check(decoded.collect()).await
    }
}

impl<K: Key + ?Sized, V: DeserializeOwned + Send> ReadOnlyOperation for Scan<K, V> {}

fn foreign_key(table: &str, text: &str) -> Reason {
    let text = text.escape_debug();
    Reason::new(
        "foreign_key",
        format!(
            "`{text}` in table `{table}` is not a key of this table; was it written with another key type?"
        ),
    )
}

/// An item to be held: see [`Table::lock`].
#[derive(Debug)]
#[must_use = "an operation does nothing until it is awaited"]
pub struct Lock<V> {
    item: Item<V>,
}

impl<V: DeserializeOwned + Send> Operation for Lock<V> {
    type Output = Result<Option<V>, Busy>;

    async fn perform(self, at: At) -> Self::Output {
        match at.0.lock(self.item.table, &self.item.key).await {
            Some(value) => Ok(at.0.check(self.item.decode(value)).await),
            None => Err(Busy),
        }
    }
}

/// An older instance holds the item, and this one must not wait for it. See [`Table::lock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an older instance holds the item; unlock what you hold and begin again")
    }
}

impl std::error::Error for Busy {}

/// An item to be given back: see [`Table::unlock`].
#[derive(Debug)]
#[must_use = "an operation does nothing until it is awaited"]
pub struct Unlock {
    table: &'static str,
    key: String,
}

impl Operation for Unlock {
    type Output = ();

    async fn perform(self, at: At) {
        at.0.unlock(self.table, &self.key).await;
    }
}
