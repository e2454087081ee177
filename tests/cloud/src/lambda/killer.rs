//! Which process dies, and when: SIGKILL, which nobody can prepare for.

use std::time::Duration;

/// An invocation that a process is about to begin.
#[derive(Debug)]
pub struct Begun<'a> {
    /// The function.
    pub function: &'a str,
    /// The how-many-eth of all its invocations this is, from 1.
    pub number: u64,
    /// What it was invoked with.
    pub payload: &'a [u8],
}

/// When the process of an invocation dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// As soon as it has its invocation.
    Start,
    /// So long after that, if it has not answered by then.
    After(Duration),
    /// When it has answered, before whoever invoked it hears of that: all is done, and nobody knows.
    Unheard,
    /// When its answer was delivered.
    Idle,
}

/// Kills at so many of all invocations, at a moment that the seed draws; none in the middle later
/// than `longest`.
///
/// ```
/// use std::time::Duration;
///
/// use cloud::lambda::{Begun, killer};
///
/// let mut always = killer::at_random(7, 1.0, Duration::from_millis(200));
/// assert!(always(&Begun { function: "echo", number: 1, payload: b"{}" }).is_some());
/// ```
pub fn at_random(
    seed: u64,
    chance: f64,
    longest: Duration,
) -> impl FnMut(&Begun<'_>) -> Option<Moment> + Send + 'static {
    let mut random = fastrand::Rng::with_seed(seed);
    move |_| {
        if random.f64() >= chance {
            return None;
        }
        Some(match random.u8(..6) {
            0 => Moment::Start,
            1 => Moment::Unheard,
            2 => Moment::Idle,
            _ => Moment::After(longest.mul_f64(random.f64())),
        })
    }
}
