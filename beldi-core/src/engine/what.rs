//! What a step is about: a fingerprint for the log, words for people.

use std::fmt;

use crate::protocol::journal::{Fingerprint, Kind};
use crate::value::Value;

/// What a step is about, for its fingerprint and for people.
pub(super) struct What {
    pub(super) kind: Kind,
    pub(super) text: String,
}

impl What {
    pub(super) fn new(kind: Kind, parts: &[&str]) -> Self {
        Self { kind, text: parts.join("/") }
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut target = 0x811c_9dc5_u32;
        for byte in self.text.bytes() {
            target = (target ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
        Fingerprint { kind: self.kind, target }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{} {}`", self.kind.word(), self.text.escape_debug())
    }
}

/// A short name of an input, the same for equal inputs.
pub(super) fn digest(input: &Value) -> String {
    let bytes = postcard::to_stdvec(input).unwrap_or_default();
    blake3::hash(&bytes).to_hex().chars().take(8).collect()
}
