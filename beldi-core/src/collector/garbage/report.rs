//! What a run of the garbage collector did, for people and for metrics.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

/// What a run of the garbage collector removed, and how long it took. See
/// [`Host::collect_garbage`](crate::Host::collect_garbage).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collected {
    /// The horizon, in milliseconds since 1970: every request begun before it is finished.
    pub horizon: u64,
    /// Finished requests of which only a tombstone is left.
    pub roots: usize,
    /// Slots of their journals that were emptied.
    pub slots: usize,
    /// Decisions that were emptied, or removed.
    pub decisions: usize,
    /// Marks taken off items. Writers take away more, in updates they make anyway.
    pub marks: usize,
    /// Older log rows removed.
    pub older_rows: usize,
    /// Prepare records of other services' transactions that were emptied.
    pub prepared: usize,
    /// Tombstones removed, as their redelivery window was over.
    pub tombstones: usize,
    /// Heads of items without a value, of which nothing is left.
    pub heads: usize,
    /// How long it took.
    pub took: Duration,
    /// Whether nothing is left to do; otherwise the time was over, and the next run goes on.
    pub is_complete: bool,
    /// The unfinished instance at which the horizon stops, if one does.
    pub held_back: Option<HeldBack>,
    /// Rows that could not be dealt with, and stay where they are: the log says what is wrong.
    pub damaged: usize,
    /// Services that could not be asked how far they are swept, so that what they called is kept.
    pub unreachable: Vec<String>,
}

/// The unfinished instance at which the horizon stops. See
/// [`Host::collect_garbage`](crate::Host::collect_garbage).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldBack {
    /// Its request key.
    pub key: String,
    /// When it was begun, in milliseconds since 1970.
    pub since: u64,
    /// Why it is not finished.
    pub why: String,
}

impl Collected {
    /// Everything that was emptied or removed.
    pub fn removed(&self) -> usize {
        self.by_kind().into_iter().map(|(_, count)| count).sum()
    }

    fn by_kind(&self) -> [(&'static str, usize); 8] {
        [
            ("root", self.roots),
            ("slot", self.slots),
            ("decision", self.decisions),
            ("mark", self.marks),
            ("older_row", self.older_rows),
            ("prepare", self.prepared),
            ("tombstone", self.tombstones),
            ("head", self.heads),
        ]
    }

    /// Together with what another part of the run did, or the run after it: what both removed, and
    /// what the later one found.
    #[must_use]
    pub(crate) fn plus(self, later: Self) -> Self {
        Self {
            roots: self.roots + later.roots,
            slots: self.slots + later.slots,
            decisions: self.decisions + later.decisions,
            marks: self.marks + later.marks,
            older_rows: self.older_rows + later.older_rows,
            prepared: self.prepared + later.prepared,
            tombstones: self.tombstones + later.tombstones,
            heads: self.heads + later.heads,
            took: self.took + later.took,
            ..later
        }
    }

    /// Hands everything to whoever records metrics.
    pub(super) fn count(&self, now: u64) {
        for (kind, count) in self.by_kind() {
            counter!("beldi_garbage_collected_total", "kind" => kind).increment(count as u64);
        }
        histogram!("beldi_garbage_seconds").record(self.took);
        let behind = Duration::from_millis(now.saturating_sub(self.horizon));
        gauge!("beldi_horizon_age_seconds").set(behind);
        gauge!("beldi_horizon_is_held_back").set(f64::from(u8::from(self.held_back.is_some())));
        gauge!("beldi_garbage_damaged").set(self.damaged as f64);
        gauge!("beldi_peers_unreachable").set(self.unreachable.len() as f64);
    }
}
