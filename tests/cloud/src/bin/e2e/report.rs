//! The results, for people and for programs: as in the travel example.

use std::fmt;

use cloud::lambda::Counts;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use serde_json::{Value, json};

use crate::audit::Audit;
use crate::load::{Answered, Load};
use crate::stage::Requests;

/// What happened on one side.
pub(crate) struct Side {
    pub(crate) answered: usize,
    pub(crate) audit: Audit,
    pub(crate) requests: Requests,
    pub(crate) counts: Counts,
}

/// All of it.
pub(crate) struct Report<'a> {
    pub(crate) load: &'a Load,
    pub(crate) answered: &'a Answered<'a>,
    pub(crate) beldi: Side,
    pub(crate) seconds: f64,
}

impl Side {
    /// To two decimals.
    fn per_booking(&self, count: u64) -> f64 {
        (count as f64 / self.answered as f64 * 100.0).round() / 100.0
    }
}

impl Report<'_> {
    pub(crate) fn is_exact(&self) -> bool {
        self.beldi.answered == self.load.purchases.len()
            && self.answered.transfers.len() == self.load.transfers.len()
            && self.beldi.audit.is_exact()
    }

    fn accepted(&self) -> usize {
        self.answered.purchases.iter().filter(|(_, answer)| answer.is_ok()).count()
    }

    fn moved(&self) -> usize {
        self.answered.transfers.iter().filter(|(_, answer)| answer.is_ok()).count()
    }

    pub(crate) fn json(&self) -> Value {
        let Side { answered, audit, requests, counts } = &self.beldi;
        json!({
            "bookings": self.load.purchases.len(),
            "seed": self.load.seed,
            "seconds": (self.seconds * 10.0).round() / 10.0,
            "answered": answered,
            "accepted": self.accepted(),
            "rooms_taken": audit.rooms.there,
            "rooms_left": audit.rooms_left,
            "seats_taken": audit.seats.there,
            "seats_left": audit.seats_left,
            "confirmations": audit.confirmations.there,
            "duplicates": audit.duplicates(),
            "losses": audit.losses(),
            "half_bookings": audit.half_bookings,
            "attempt_crashes": counts.errors + counts.time_outs + counts.exits,
            "process_kills": counts.kills(),
            "attempts_per_booking": self.beldi.per_booking(audit.attempts),
            "round_trips_per_booking": self.beldi.per_booking(requests.all - requests.index),
            "requests_per_booking": self.beldi.per_booking(requests.all),
            "transfers": self.answered.transfers.len(),
            "transfers_made": self.moved(),
            "conserved": audit.created == 0,
            "locks_left": audit.locks_left,
            "unfinished": audit.unfinished,
            "parked": audit.parked,
            "processes": counts.processes,
            "invocations": counts.invocations,
            "time_outs": counts.time_outs,
        })
    }

    fn table(&self) -> Table {
        let Side { answered, audit, requests, counts } = &self.beldi;
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY).set_header(["", "beldi"]);
        let mut row = |name: &str, shown: String| {
            table.add_row([name.to_owned(), shown]);
        };
        row("bookings answered", answered.to_string());
        row("accepted / refused", pair(self.accepted(), answered - self.accepted()));
        row("rooms taken / left", pair(audit.rooms.there, audit.rooms_left));
        row("seats taken / left", pair(audit.seats.there, audit.seats_left));
        row("confirmations sent", audit.confirmations.there.to_string());
        let transfers = self.answered.transfers.len();
        row("transfers beside them, made / refused", pair(self.moved(), transfers - self.moved()));
        row("entries at the bank", audit.entries.there.to_string());
        row("duplicates", audit.duplicates().to_string());
        row("losses", audit.losses().to_string());
        row("half bookings", audit.half_bookings.to_string());
        row("money created", audit.created.to_string());
        row("locks left", audit.locks_left.to_string());
        row("unfinished / parked", pair(audit.unfinished, audit.parked));
        row("processes started / killed", pair(counts.processes, counts.kills()));
        row("killed at the start / within", pair(counts.killed_at_start, counts.killed_within));
        row("killed unheard / idle", pair(counts.killed_unheard, counts.killed_idle));
        row("attempts per booking", format!("{:.2}", self.beldi.per_booking(audit.attempts)));
        let requests = self.beldi.per_booking(requests.all);
        row("requests to DynamoDB per booking", format!("{requests:.2}"));
        if let Some(column) = table.column_mut(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

fn pair(a: impl fmt::Display, b: impl fmt::Display) -> String {
    format!("{a} / {b}")
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Load { purchases, seed, .. } = self.load;
        writeln!(f, "{} bookings, seed {seed}, {:.1} s", purchases.len(), self.seconds)?;
        writeln!(f, "{}", self.table())?;
        writeln!(f, "{NOTE}")
    }
}

const NOTE: &str = "\
Requests are counted where they arrive: those of killed processes, of collectors and of the transfers
are among them.";
