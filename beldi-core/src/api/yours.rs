//! Time and chance that are the same in every attempt.

use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use super::operation::{At, Operation, ReadOnlyOperation};

/// The recorded time: see [`now`].
#[derive(Clone, Copy, Debug)]
#[must_use = "an operation does nothing until it is awaited"]
pub struct Now(());

/// The time, to the millisecond, as the first attempt saw it: a `SystemTime`.
///
/// ```
/// use std::time::SystemTime;
///
/// const GUESTS: beldi::Table<str, SystemTime> = beldi::Table::new("guests");
///
/// #[beldi::ssf]
/// async fn check_in(guest: String) -> SystemTime {
///     let at = beldi::now().await;
///     GUESTS.put(&guest, &at).await;
///     at
/// }
/// # use beldi::testing::{World, in_virtual_time};
/// # in_virtual_time(async {
/// # let world = World::new(beldi::App::new("hotel").ssf(check_in));
/// # let at = world.call(check_in("ann".into())).await.unwrap();
/// # assert_eq!(world.peek(GUESTS, "ann"), Some(at));
/// # });
/// ```
pub fn now() -> Now {
    Now(())
}

impl Operation for Now {
    type Output = SystemTime;

    async fn perform(self, at: At) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(at.0.now().await)
    }
}

impl ReadOnlyOperation for Now {}

/// A fresh identifier: see [`uuid()`].
#[derive(Clone, Copy, Debug)]
#[must_use = "an operation does nothing until it is awaited"]
pub struct Uuid(());

/// A UUID (version 8) that no other step has and every attempt of this one gets: computed, not
/// logged.
///
/// ```
/// const ORDERS: beldi::Table<uuid::Uuid, String> = beldi::Table::new("orders");
///
/// #[beldi::ssf]
/// async fn order(what: String) -> uuid::Uuid {
///     let id = beldi::uuid().await;
///     ORDERS.put(&id, &what).await;
///     id
/// }
/// # use beldi::testing::{World, in_virtual_time};
/// # in_virtual_time(async {
/// # let world = World::new(beldi::App::new("shop").ssf(order));
/// let id = world.call(order("a hat".into())).key("order-17").await?;
/// assert_eq!(world.call(order("a hat".into())).key("order-17").await?, id);
/// # Ok::<(), beldi::Error>(()) }).unwrap();
/// ```
pub fn uuid() -> Uuid {
    Uuid(())
}

impl Operation for Uuid {
    type Output = uuid::Uuid;

    async fn perform(self, at: At) -> uuid::Uuid {
        uuid::Builder::from_custom_bytes(at.0.entropy("uuid")).into_uuid()
    }
}

impl ReadOnlyOperation for Uuid {}

/// Random bits: see [`random`].
#[derive(Clone, Copy, Debug)]
#[must_use = "an operation does nothing until it is awaited"]
pub struct Random<T>(PhantomData<fn() -> T>);

/// A random value that every attempt of this step gets: computed, not logged. Not for secrets.
///
/// ```
/// #[beldi::ssf]
/// async fn roll() -> u64 {
///     beldi::random::<u64>().await % 6 + 1
/// }
/// # use beldi::testing::{World, in_virtual_time};
/// # in_virtual_time(async {
/// # let world = World::new(beldi::App::new("games").ssf(roll));
/// assert!((1..=6).contains(&world.call(roll()).await?));
/// # Ok::<(), beldi::Error>(()) }).unwrap();
/// ```
pub fn random<T: RandomValue>() -> Random<T> {
    Random(PhantomData)
}

impl<T: RandomValue> Operation for Random<T> {
    type Output = T;

    async fn perform(self, at: At) -> T {
        T::from_entropy(at.0.entropy("random"))
    }
}

impl<T: RandomValue> ReadOnlyOperation for Random<T> {}

/// What [`random`] can make: the unsigned numbers, `bool`, `f64` from 0 up to 1, and types of your
/// own.
///
/// ```
/// use beldi::RandomValue;
///
/// #[derive(Debug, PartialEq)]
/// enum Coin {
///     Heads,
///     Tails,
/// }
///
/// impl RandomValue for Coin {
///     fn from_entropy(bytes: [u8; 16]) -> Self {
///         if bool::from_entropy(bytes) { Self::Heads } else { Self::Tails }
///     }
/// }
/// # assert_eq!(Coin::from_entropy([1; 16]), Coin::Heads);
/// # assert_eq!(Coin::from_entropy([0; 16]), Coin::Tails);
/// ```
pub trait RandomValue: Send {
    /// The value in sixteen random bytes.
    fn from_entropy(bytes: [u8; 16]) -> Self;
}

macro_rules! random_numbers {
    ($($int:ty),*) => {$(
        impl RandomValue for $int {
            fn from_entropy(bytes: [u8; 16]) -> Self {
                u128::from_le_bytes(bytes) as Self
            }
        }
    )*};
}
random_numbers!(u8, u16, u32, u64, u128);

impl RandomValue for bool {
    fn from_entropy(bytes: [u8; 16]) -> Self {
        u8::from_entropy(bytes) & 1 == 1
    }
}

impl RandomValue for f64 {
    fn from_entropy(bytes: [u8; 16]) -> Self {
        const BITS: u32 = 53;
        (u64::from_entropy(bytes) >> (64 - BITS)) as Self / (1_u64 << BITS) as Self
    }
}
