//! What goes wrong: at any store request the attempt that sent it may crash, before the request is
//! sent, after it was applied, or while it is still on its way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use beldi::Limits;
use beldi::testing::{Fault, FaultyStore, RequestKind};

/// The chance that the attempt ends at a request.
const CRASH: f64 = 0.02;
/// What a request takes to reach the store. What is on its way when its process is killed is gone.
const DISTANCE: Duration = Duration::from_millis(1);

/// What there is to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Event {
    RoundTrip = b'.',
    Crash = b'x',
}

/// Counts round trips, crashes of attempts and kills of the service.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    round_trips: AtomicU64,
    crashes: AtomicU64,
    kills: AtomicU64,
}

impl Tally {
    pub(crate) fn note(&self, event: Event) {
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        self.crashes.fetch_add(u64::from(event == Event::Crash), Ordering::Relaxed);
    }

    pub(crate) fn note_kill(&self) {
        self.kills.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::Relaxed)
    }

    pub(crate) fn crashes(&self) -> u64 {
        self.crashes.load(Ordering::Relaxed)
    }

    pub(crate) fn kills(&self) -> u64 {
        self.kills.load(Ordering::Relaxed)
    }
}

/// Lets attempts crash from now on, and notes every request. The collector's look at its index is no
/// request of an attempt.
pub(crate) fn begin(store: &FaultyStore, seed: u64, note: impl Fn(Event) + Send + 'static) {
    let mut random = fastrand::Rng::with_seed(seed);
    store.latency(|| DISTANCE);
    store.script(move |request| {
        if request.kind == RequestKind::Due {
            return Fault::None;
        }
        if random.f64() >= CRASH {
            note(Event::RoundTrip);
            return Fault::None;
        }
        note(Event::Crash);
        match random.u8(..3) {
            0 => Fault::Fail,
            1 => Fault::LoseReply,
            _ => Fault::Late(Duration::from_millis(random.u64(1..50))),
        }
    });
}

/// Lets everything go well again.
pub(crate) fn end(store: &FaultyStore) {
    store.latency(|| Duration::ZERO);
    store.script(|_| Fault::None);
}

/// A request that fails is not repeated, so the attempt that sent it ends there: it is dropped, and
/// begun again after a short wait.
pub(crate) fn limits() -> Limits {
    Limits {
        request_tries: 1,
        attempts: 1000,
        attempt_time: Duration::from_secs(4),
        request_time: Duration::from_secs(2),
        backoff: Duration::from_millis(20),
        backoff_max: Duration::from_millis(200),
        collect_every: Duration::from_millis(200),
        // What a crashed attempt has locked is in the way of all others until then.
        txn_time: Duration::from_millis(500),
        lock_wait: Duration::from_secs(3),
        ..Limits::default()
    }
}
