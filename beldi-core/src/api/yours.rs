//! Time and chance that are the same in every attempt.

use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use super::operation::{At, Operation, ReadOnlyOperation};

/// The recorded time: see [`now`].
#[derive(Clone, Copy, Debug)]
#[must_use = "an operation does nothing until it is awaited"]
pub struct Now(());

/// The time, to the millisecond, as the first attempt saw it.
///
/// ```
/// # use beldi_core as beldi;
/// let now = beldi::now();
/// // in an SSF: let at: std::time::SystemTime = now.await;
/// # let _ = now;
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

/// A fresh identifier: see [`uuid`].
#[derive(Clone, Copy, Debug)]
#[must_use = "an operation does nothing until it is awaited"]
pub struct Uuid(());

/// A UUID (version 8) that no other step has and every attempt of this one gets: computed, not
/// logged.
///
/// ```
/// # use beldi_core as beldi;
/// let id = beldi::uuid();
/// // in an SSF: let id: uuid::Uuid = id.await;
/// # let _ = id;
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
/// # use beldi_core as beldi;
/// let dice = beldi::random::<u64>();
/// // in an SSF: let eyes = dice.await % 6 + 1;
/// # let _ = dice;
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

/// What [`random`] can make: the unsigned numbers, `bool`, and `f64` from 0 up to 1.
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
