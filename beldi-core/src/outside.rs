//! The one door through which clocks, chance and waiting come in; tests put their own behind it.

use std::time::Duration;

use futures_util::future::BoxFuture;

/// What differs between two runs of the same program: the clock, chance, waiting.
///
/// ```
/// use std::time::Duration;
///
/// use beldi::Outside;
/// use futures_util::future::BoxFuture;
///
/// /// A clock that stands still.
/// struct Frozen;
///
/// impl Outside for Frozen {
///     fn now(&self) -> u64 {
///         1_767_225_600_000
///     }
///
///     fn random(&self) -> u64 {
///         4 // chosen by fair dice roll
///     }
///
///     fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
///         Box::pin(std::future::ready(()))
///     }
/// }
/// # assert_eq!(Frozen.random(), 4);
/// ```
pub trait Outside: Send + Sync + 'static {
    /// Milliseconds since 1970.
    fn now(&self) -> u64;

    /// Sixty-four random bits.
    fn random(&self) -> u64;

    /// Resolves after the given time.
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;
}

/// The real clock and the operating system's randomness; waits on tokio's timer. See [`Outside`].
#[derive(Clone, Copy, Debug, Default)]
pub struct RealOutside;

#[expect(clippy::disallowed_methods, reason = "this is the door")]
impl Outside for RealOutside {
    fn now(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    fn random(&self) -> u64 {
        uuid::Uuid::new_v4().as_u64_pair().1
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(time))
    }
}
