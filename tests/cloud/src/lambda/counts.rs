//! What there is to count.

use std::iter::Sum;
use std::ops::Add;

use super::killer::Moment;

/// What happened to a function, or to several.
///
/// ```
/// use cloud::lambda::Counts;
///
/// let both: Counts = [Counts { answers: 2, ..Counts::default() }, Counts::default()].into_iter().sum();
/// assert_eq!((both.answers, both.kills()), (2, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Processes that were started.
    pub processes: u64,
    /// Invocations that a process took.
    pub invocations: u64,
    /// Invocations that it answered.
    pub answers: u64,
    /// Invocations that ended with an error that the function reported itself.
    pub errors: u64,
    /// Processes that ended by themselves, with an invocation or without one.
    pub exits: u64,
    /// Processes that were killed because their invocation took too long, or their start.
    pub time_outs: u64,
    /// Invocations that were refused because all slots were busy.
    pub throttled: u64,
    /// Events that were tried again.
    pub retries: u64,
    /// Events that were given up.
    pub given_up: u64,
    /// Processes that the killer took at the beginning of an invocation.
    pub killed_at_start: u64,
    /// Processes that the killer took in the middle of an invocation.
    pub killed_within: u64,
    /// Processes that the killer took when they had answered, before anyone heard it.
    pub killed_unheard: u64,
    /// Processes that the killer took when they had nothing to do.
    pub killed_idle: u64,
}

impl Counts {
    /// Processes that the killer took.
    pub fn kills(&self) -> u64 {
        self.killed_at_start + self.killed_within + self.killed_unheard + self.killed_idle
    }

    /// Invocations that ended without an answer of the function's own.
    pub fn cut(&self) -> u64 {
        self.exits + self.time_outs + self.kills() - self.killed_idle
    }

    pub(super) fn note_kill(&mut self, moment: Moment) {
        let count = match moment {
            Moment::Start => &mut self.killed_at_start,
            Moment::After(_) => &mut self.killed_within,
            Moment::Unheard => &mut self.killed_unheard,
            Moment::Idle => &mut self.killed_idle,
        };
        *count += 1;
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            processes: self.processes + other.processes,
            invocations: self.invocations + other.invocations,
            answers: self.answers + other.answers,
            errors: self.errors + other.errors,
            exits: self.exits + other.exits,
            time_outs: self.time_outs + other.time_outs,
            throttled: self.throttled + other.throttled,
            retries: self.retries + other.retries,
            given_up: self.given_up + other.given_up,
            killed_at_start: self.killed_at_start + other.killed_at_start,
            killed_within: self.killed_within + other.killed_within,
            killed_unheard: self.killed_unheard + other.killed_unheard,
            killed_idle: self.killed_idle + other.killed_idle,
        }
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Add::add)
    }
}
