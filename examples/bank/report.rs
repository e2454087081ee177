//! The results of a run under fire, for people and for programs.

use std::fmt;
use std::time::Duration;

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use serde_json::{Value, json};

use crate::audit::Audit;
use crate::load::Driven;

pub(crate) struct Report {
    pub(crate) driven: Driven,
    pub(crate) audit: Audit,
    pub(crate) aborted: u64,
    pub(crate) crashes: u64,
    pub(crate) locks_left: usize,
    pub(crate) skew: f64,
    pub(crate) seed: u64,
}

impl Driven {
    pub(crate) fn committed(&self) -> usize {
        self.answered.iter().filter(|answered| answered.answer.is_ok()).count()
    }

    /// Answers a second.
    pub(crate) fn throughput(&self) -> f64 {
        self.answered.len() as f64 / self.took.as_secs_f64()
    }

    /// Of all tries, the part that was aborted to be begun again.
    pub(crate) fn abort_rate(&self, aborted: u64) -> f64 {
        aborted as f64 / (aborted as f64 + self.answered.len() as f64)
    }

    /// The latency that so many percent stayed below or at.
    pub(crate) fn latency(&self, percent: usize) -> Duration {
        let mut all: Vec<_> = self.answered.iter().map(|answered| answered.took).collect();
        all.sort_unstable();
        all.get((all.len() * percent / 100).min(all.len() - 1)).copied().unwrap_or_default()
    }
}

impl Report {
    /// Whether all is as if nothing had gone wrong.
    pub(crate) fn is_exact(&self) -> bool {
        let Audit { duplicates, losses, .. } = self.audit;
        self.audit.is_conserved() && duplicates + losses + self.locks_left == 0
    }

    pub(crate) fn json(&self) -> Value {
        let Self { driven, audit, .. } = self;
        json!({
            "transfers": driven.answered.len(),
            "committed": driven.committed(),
            "refused": driven.answered.len() - driven.committed(),
            "aborted_attempts": self.aborted,
            "abort_rate": driven.abort_rate(self.aborted),
            "p50_ms": driven.latency(50).as_secs_f64() * 1e3,
            "p99_ms": driven.latency(99).as_secs_f64() * 1e3,
            "transfers_per_second": driven.throughput(),
            "crashes": self.crashes,
            "conserved": audit.is_conserved(),
            "duplicates": audit.duplicates,
            "losses": audit.losses,
            "locks_left": self.locks_left,
            "skew": self.skew,
            "seed": self.seed,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { driven, audit, .. } = self;
        let (all, committed) = (driven.answered.len(), driven.committed());
        let rate = driven.abort_rate(self.aborted) * 100.0;
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY);
        let rows = [
            ("transfers answered", all.to_string()),
            ("committed / refused for lack of funds", format!("{committed} / {}", all - committed)),
            ("tries aborted", format!("{} ({rate:.1} %)", self.aborted)),
            (
                "latency p50 / p99",
                format!("{:.0?} / {:.0?}", driven.latency(50), driven.latency(99)),
            ),
            ("transfers per second", format!("{:.0}", driven.throughput())),
            ("attempts crashed", self.crashes.to_string()),
            ("money created", audit.created.to_string()),
            ("entries doubled / lost", format!("{} / {}", audit.duplicates, audit.losses)),
            ("locks left", self.locks_left.to_string()),
        ];
        for (name, shown) in rows {
            table.add_row([name.to_owned(), shown]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(f, "skew {}, seed {}", self.skew, self.seed)?;
        writeln!(f, "{table}")
    }
}
