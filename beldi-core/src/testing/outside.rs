//! A clock that costs nothing and chance that repeats.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::outside::Outside;

/// Virtual time and seeded randomness.
///
/// Time is tokio's: paused, it jumps to the next timer when nothing else can run.
///
/// ```
/// use std::time::Duration;
///
/// use beldi::Outside;
/// use beldi::testing::{VirtualOutside, in_virtual_time};
///
/// in_virtual_time(async {
///     let outside = VirtualOutside::new(17);
///     let began = outside.now();
///     outside.sleep(Duration::from_secs(60)).await;
///     assert_eq!(outside.now() - began, 60_000);
///     assert_eq!(outside.random(), VirtualOutside::new(17).random());
/// });
/// ```
#[derive(Debug)]
pub struct VirtualOutside {
    start: Instant,
    random: Mutex<fastrand::Rng>,
}

/// When virtual time begins: 1 January 2026.
const START: u64 = 1_767_225_600_000;

impl VirtualOutside {
    /// A clock that starts now; equal seeds give equal randomness.
    pub fn new(seed: u64) -> Self {
        Self { start: Instant::now(), random: Mutex::new(fastrand::Rng::with_seed(seed)) }
    }

    pub(super) fn reseed(&self, seed: u64) {
        *self.random.lock().unwrap_or_else(PoisonError::into_inner) =
            fastrand::Rng::with_seed(seed);
    }
}

impl Outside for VirtualOutside {
    fn now(&self) -> u64 {
        START + u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX / 2)
    }

    fn random(&self) -> u64 {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).u64(..)
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// Runs a future on one thread with time paused, to its end.
///
/// ```
/// use std::time::Duration;
///
/// beldi::testing::in_virtual_time(async {
///     tokio::time::sleep(Duration::from_secs(3600)).await; // returns at once
/// });
/// ```
///
/// # Panics
///
/// If called within another runtime.
pub fn in_virtual_time<F: Future>(future: F) -> F::Output {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    #[expect(clippy::expect_used, reason = "a test cannot go on without")]
    runtime.expect("a runtime of one thread").block_on(future)
}
