//! The results, for people and for programs.

use std::fmt;
use std::sync::Arc;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use serde_json::json;

use crate::audit::Audit;
use crate::faults::Tally;
use crate::load::Load;

/// One of the two runs.
pub(crate) struct Side {
    pub(crate) answered: usize,
    pub(crate) audit: Audit,
    /// Attempts of all bookings, where somebody counts them.
    pub(crate) attempts: Option<u64>,
    pub(crate) tally: Arc<Tally>,
}

pub(crate) struct Report<'a> {
    pub(crate) load: &'a Load,
    pub(crate) beldi: Side,
    pub(crate) raw: Side,
    pub(crate) seconds: f64,
}

impl Report<'_> {
    /// Whether beldi answered every booking, and lost and doubled nothing.
    pub(crate) fn is_exact(&self) -> bool {
        let Side { answered, audit, .. } = &self.beldi;
        *answered == self.load.bookings.len() && audit.duplicates == 0 && audit.losses == 0
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        let Side { audit, tally, answered, attempts } = &self.beldi;
        json!({
            "seed": self.load.seed,
            "seconds": (self.seconds * 10.0).round() / 10.0,
            "bookings": self.load.bookings.len(),
            "answered": answered,
            "rooms_taken": audit.rooms_taken,
            "rooms_left": audit.rooms_left,
            "seats_taken": audit.seats_taken,
            "seats_left": audit.seats_left,
            "confirmations": audit.confirmations,
            "duplicates": audit.duplicates,
            "losses": audit.losses,
            "attempt_crashes": tally.crashes(),
            "process_kills": tally.kills(),
            "attempts_per_booking": attempts.map(|attempts| self.per_booking(attempts)),
            "round_trips_per_booking": self.per_booking(tally.round_trips()),
            "raw": {
                "answered": self.raw.answered,
                "duplicates": self.raw.audit.duplicates,
                "losses": self.raw.audit.losses,
                "attempt_crashes": self.raw.tally.crashes(),
                "process_kills": self.raw.tally.kills(),
                "round_trips_per_booking": self.per_booking(self.raw.tally.round_trips()),
            },
        })
    }

    /// To two decimals.
    fn per_booking(&self, count: u64) -> f64 {
        (count as f64 / self.load.bookings.len() as f64 * 100.0).round() / 100.0
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_HORIZONTAL_ONLY).set_header(["", "beldi", "raw store"]);
        let mut row = |name: &str, show: &dyn Fn(&Side) -> String| {
            table.add_row([name.to_owned(), show(&self.beldi), show(&self.raw)]);
        };
        row("bookings answered", &|side| side.answered.to_string());
        row("rooms taken / left", &|Side { audit, .. }| {
            format!("{} / {}", audit.rooms_taken, audit.rooms_left)
        });
        row("seats taken / left", &|Side { audit, .. }| {
            format!("{} / {}", audit.seats_taken, audit.seats_left)
        });
        row("confirmations sent", &|side| side.audit.confirmations.to_string());
        row("duplicates", &|side| side.audit.duplicates.to_string());
        row("losses", &|side| side.audit.losses.to_string());
        row("attempts crashed", &|side| side.tally.crashes().to_string());
        row("processes killed", &|side| side.tally.kills().to_string());
        row("attempts per booking", &|side| {
            side.attempts.map_or("–".to_owned(), |n| self.per_booking(n).to_string())
        });
        row("round trips per booking", &|side| {
            self.per_booking(side.tally.round_trips()).to_string()
        });
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { load, seconds, .. } = self;
        let confirmed = self.beldi.audit.confirmations;
        let asked = load.bookings.len();
        writeln!(f, "{asked} bookings, seed {}, {seconds:.1} s", load.seed)?;
        writeln!(f, "{}", self.table())?;
        writeln!(
            f,
            "Both sides: the same handlers, bookings and chance of a crash at each store request. The \
             raw side runs a handler\nagain from its first line, and its kills drop all that runs in \
             memory. {confirmed} of {asked} fitted; the rest was sold out."
        )
    }
}
