//! Deterministic names: every attempt of an instance computes the same ones, so none is logged.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::path::Path;

/// Milliseconds since 1970, in 48 bits: when the root was begun. All its descendants share it.
pub(crate) type Epoch = u64;

/// The epoch in front (48 bits), then a hash: sorts by age, and pruning can read the age off it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Id([u8; 16]);

impl Id {
    fn new(epoch: Epoch, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let mut bytes = [0; 16];
        let (age, hash) = bytes.split_at_mut(6);
        age.copy_from_slice(&epoch.to_be_bytes()[2..]);
        hash.copy_from_slice(&hasher.finalize().as_bytes()[..10]);
        Self(bytes)
    }

    /// The id of a root instance.
    pub(crate) fn root(epoch: Epoch, service: &str, request_key: &str) -> Self {
        Self::new(epoch, &[b"root", service.as_bytes(), request_key.as_bytes()])
    }

    /// The id of the instance that `self` calls or sends at `path`.
    pub(crate) fn callee(self, path: &Path, ssf: &str) -> Self {
        self.derive("callee", path, ssf)
    }

    /// The id of the transaction that `self` begins at `path`.
    pub(crate) fn txn(self, path: &Path) -> Self {
        self.derive("txn", path, "")
    }

    /// The mark of what `self` writes at `path`.
    pub(crate) fn mark(self, path: &Path, kind: &str, target: &str) -> Self {
        self.derive(kind, path, target)
    }

    /// Sixteen bytes that only this instance has at `path`: the source of `uuid` and `random`.
    pub(crate) fn entropy(self, path: &Path, kind: &str) -> [u8; 16] {
        let bytes: Vec<u8> = path.bytes().collect();
        let mut hasher = blake3::Hasher::new();
        hasher.update(kind.as_bytes()).update(&self.0).update(&bytes);
        let mut out = [0; 16];
        out.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        out
    }

    /// The epoch this id was born in.
    pub(crate) fn epoch(self) -> Epoch {
        let mut bytes = [0; 8];
        bytes[2..].copy_from_slice(&self.0[..6]);
        u64::from_be_bytes(bytes)
    }

    /// Reads the text form back.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(Self(URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?))
    }

    /// The bytes, which sort as ids do.
    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// Reads the bytes back.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    fn derive(self, kind: &str, path: &Path, target: &str) -> Self {
        let path: Vec<u8> = path.bytes().collect();
        Self::new(self.epoch(), &[kind.as_bytes(), self.hash(), &path, target.as_bytes()])
    }

    /// What is left without the epoch: the same for every run of a root, also for those that began
    /// side by side before one of them was registered.
    fn hash(&self) -> &[u8] {
        &self.0[6..]
    }

    /// The [`hash`](Self::hash) as text.
    pub(crate) fn stem(self) -> String {
        URL_SAFE_NO_PAD.encode(self.hash())
    }

    /// The id that a run of the same root under another epoch has in this one's place.
    pub(crate) fn with_epoch(mut self, epoch: Epoch) -> Self {
        self.0[..6].copy_from_slice(&epoch.to_be_bytes()[2..]);
        self
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
