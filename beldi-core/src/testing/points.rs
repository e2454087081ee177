//! Which store requests a loop disturbs: each in turn, or fewer where a store is slow.

use std::cell::Cell;
use std::fmt;
use std::ops::AddAssign;

use super::environment::number;

/// How many points were visited, each a run of its own. See
/// [`World::crash_everywhere`](super::World::crash_everywhere).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Visited {
    /// Store requests of an undisturbed run; about as many, if points were left out.
    pub requests: usize,
    /// Runs, each disturbed at one place or at one pair of places.
    pub points: usize,
}

impl AddAssign for Visited {
    /// One more loop over the same run.
    fn add_assign(&mut self, other: Self) {
        self.requests = other.requests;
        self.points += other.points;
    }
}

impl fmt::Display for Visited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "visited {} points over {} store requests", self.points, self.requests)
    }
}

/// The points of a test's own loop: something is tried at the first store request, then at the
/// second, until a run ends before its turn came.
///
/// Where a store is slow, the variable `BELDI_STRIDE=7` has all loops visit every seventh point,
/// each beginning with another one than the loop before.
///
/// ```
/// use beldi::testing::{Points, Visited};
///
/// let requests_of_a_run = 20;
/// let visited = Points::new().visit(|n| n <= requests_of_a_run);
/// # if std::env::var_os("BELDI_STRIDE").is_none() {
/// assert_eq!(visited, Visited { requests: 20, points: 20 });
/// # }
/// ```
#[derive(Debug)]
pub struct Points {
    /// Every so many-th point is visited; at least 1.
    stride: usize,
    /// How many loops there were.
    loops: Cell<usize>,
}

impl Points {
    /// All points, or every `BELDI_STRIDE`-th.
    ///
    /// # Panics
    ///
    /// When `BELDI_STRIDE` is not a number.
    #[expect(clippy::new_without_default, reason = "a default does not read the environment")]
    pub fn new() -> Self {
        let stride = number("BELDI_STRIDE").unwrap_or(1).max(1);
        Self { stride: usize::try_from(stride).unwrap_or(usize::MAX), loops: Cell::new(0) }
    }

    /// Attempts each point, counted from 1, until one tells that there was none.
    pub fn visit(&self, mut attempt: impl FnMut(usize) -> bool) -> Visited {
        let stride = self.stride;
        let skipped = self.loops.replace(self.loops.get() + 1) % stride;
        let mut from = |first| (first..).step_by(stride).take_while(|n| attempt(*n)).count();
        let points = match from(1 + skipped) {
            // The run is shorter than what was skipped.
            0 if skipped > 0 => from(1),
            points => points,
        };
        Visited { requests: points * stride, points }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The points that three loops visit, of a run of so many requests.
    fn visited(stride: usize, requests: usize) -> Vec<Vec<usize>> {
        let points = Points { stride, loops: Cell::new(0) };
        let mut visited = vec![vec![]; 3];
        for loop_ in &mut visited {
            points.visit(|n| {
                let is_met = n <= requests;
                loop_.extend(is_met.then_some(n));
                is_met
            });
        }
        visited
    }

    #[test]
    fn every_loop_visits_all_points() {
        assert_eq!(visited(1, 3), vec![vec![1, 2, 3]; 3]);
    }

    #[test]
    fn loops_that_stride_begin_at_different_points() {
        assert_eq!(visited(3, 7), [vec![1, 4, 7], vec![2, 5], vec![3, 6]]);
    }

    #[test]
    fn no_loop_is_empty_however_long_the_stride() {
        assert_eq!(visited(100, 2), [[1], [2], [1]]);
    }
}
