//! What a user asks of tests by variables: one seed, more seeds or fewer, fewer points.

use std::ops::Range;

/// The seeds of a test: as many as usual, or as `BELDI_SEEDS` says, or `BELDI_SEED` alone.
///
/// ```
/// let seeds = beldi::testing::seeds(300);
/// # if std::env::var_os("BELDI_SEEDS").is_none() && std::env::var_os("BELDI_SEED").is_none() {
/// assert_eq!(seeds, 0..300);
/// # }
/// ```
///
/// # Panics
///
/// When one of the variables is not a number.
pub fn seeds(usual: u64) -> Range<u64> {
    let all = 0..number("BELDI_SEEDS").unwrap_or(usual);
    number("BELDI_SEED").map_or(all, |seed| seed..seed + 1)
}

/// The number that a variable has, if it is set.
#[expect(clippy::panic, reason = "a test would not do what it was told to")]
pub(super) fn number(variable: &str) -> Option<u64> {
    let told = std::env::var(variable).ok()?;
    Some(told.parse().unwrap_or_else(|_| panic!("{variable}={told} is not a number")))
}
