//! Where a step stands: `4`, or `4.2.1` inside branches.

use std::fmt;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// The path of a step: the step number in the handler, then for each enclosing branch its position
/// and the step number inside. Claimed in program order, so no schedule can change it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Path(SmallVec<[u32; 6]>);

impl Path {
    /// The path one level further in.
    #[must_use]
    pub(crate) fn child(&self, number: u32) -> Self {
        let mut numbers = self.0.clone();
        numbers.push(number);
        Self(numbers)
    }

    /// Whether this path lies at or below the other.
    pub(crate) fn is_within(&self, outer: &Self) -> bool {
        self.0.starts_with(&outer.0)
    }

    /// An unambiguous byte form, for hashing.
    pub(crate) fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.iter().flat_map(|number| number.to_be_bytes())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, number) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            write!(f, "{number}")?;
        }
        Ok(())
    }
}
