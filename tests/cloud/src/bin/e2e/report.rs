//! The results, for people and for programs: as in the travel example.

use std::fmt;

use cloud::lambda::Counts;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use serde_json::{Value, json};

use crate::audit::Audit;
use crate::load::{Answered, Load};
use crate::stage::Requests;

/// One of the two runs.
pub(crate) struct Side {
    pub(crate) answered: Answered,
    pub(crate) audit: Audit,
    /// What arrived at DynamoDB from the first request to the last answer.
    pub(crate) requests: Requests,
    /// Results that the bank brought to the agency, which had not waited for them.
    pub(crate) callbacks: usize,
    pub(crate) counts: Counts,
}

/// Both; the raw one only where processes are killed.
pub(crate) struct Report<'a> {
    pub(crate) load: &'a Load,
    pub(crate) beldi: Side,
    pub(crate) raw: Option<Side>,
    pub(crate) seconds: f64,
}

impl Side {
    /// To two decimals.
    fn per_booking(&self, count: u64) -> f64 {
        (count as f64 / self.answered.purchases.len() as f64 * 100.0).round() / 100.0
    }

    fn accepted(&self) -> usize {
        accepted(&self.answered.purchases)
    }

    fn json(&self) -> Value {
        let Self { answered, audit, requests, callbacks, counts } = self;
        json!({
            "answered": answered.purchases.len(),
            "accepted": self.accepted(),
            "rooms_taken": audit.rooms.there,
            "rooms_left": audit.rooms_left,
            "seats_taken": audit.seats.there,
            "seats_left": audit.seats_left,
            "confirmations": audit.confirmations.there,
            "statements": audit.statements.there,
            "callbacks": callbacks,
            "duplicates": audit.duplicates(),
            "losses": audit.losses(),
            "half_bookings": audit.half_bookings,
            "misstated": audit.misstated,
            "attempt_crashes": counts.cut(),
            "process_kills": counts.kills(),
            "attempts_per_booking": (audit.attempts > 0).then(|| self.per_booking(audit.attempts)),
            "round_trips_per_booking": self.per_booking(requests.all - requests.index),
            "requests_per_booking": self.per_booking(requests.all),
            "transfers": answered.transfers.len(),
            "transfers_made": accepted(&answered.transfers),
            "conserved": audit.created == 0,
            "locks_left": audit.locks_left,
            "unfinished": audit.unfinished,
            "parked": audit.parked,
            "collected": audit.collected,
            "processes": counts.processes,
            "invocations": counts.invocations,
            "time_outs": counts.time_outs,
        })
    }
}

fn accepted(answers: &[(u32, bool)]) -> usize {
    answers.iter().filter(|(_, is_accepted)| *is_accepted).count()
}

impl Report<'_> {
    /// Whether beldi answered everything, and lost, doubled, halved and left nothing.
    pub(crate) fn is_exact(&self) -> bool {
        let Answered { purchases, transfers, .. } = &self.beldi.answered;
        purchases.len() == self.load.purchases.len()
            && transfers.len() == self.load.transfers.len()
            && self.beldi.audit.is_exact()
    }

    pub(crate) fn json(&self) -> Value {
        let mut json = self.beldi.json();
        json["bookings"] = self.load.purchases.len().into();
        json["seed"] = self.load.seed.into();
        json["seconds"] = ((self.seconds * 10.0).round() / 10.0).into();
        json["raw"] = self.raw.as_ref().map(Side::json).into();
        json
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY).set_header(["", "beldi", "raw store"]);
        let raw = self.raw.as_ref();
        let mut row = |name: &str, show: fn(&Side) -> String| {
            let raw = raw.map_or_else(|| "–".to_owned(), show);
            table.add_row([name.to_owned(), show(&self.beldi), raw]);
        };
        row("bookings answered", |side| side.answered.purchases.len().to_string());
        row("accepted / refused", |side| {
            pair(side.accepted(), side.answered.purchases.len() - side.accepted())
        });
        row("rooms taken / left", |side| pair(side.audit.rooms.there, side.audit.rooms_left));
        row("seats taken / left", |side| pair(side.audit.seats.there, side.audit.seats_left));
        row("confirmations sent", |side| side.audit.confirmations.there.to_string());
        row("transfers beside them, made / refused", |side| {
            let made = accepted(&side.answered.transfers);
            pair(made, side.answered.transfers.len() - made)
        });
        row("entries at the bank", |side| side.audit.entries.there.to_string());
        row("statements of payments", |side| side.audit.statements.there.to_string());
        row("callbacks of the bank", |side| side.callbacks.to_string());
        row("duplicates", |side| side.audit.duplicates().to_string());
        row("losses", |side| side.audit.losses().to_string());
        row("half bookings", |side| side.audit.half_bookings.to_string());
        row("answers with a wrong statement", |side| side.audit.misstated.to_string());
        row("money created", |side| side.audit.created.to_string());
        row("locks left", |side| side.audit.locks_left.to_string());
        row("unfinished / parked", |side| pair(side.audit.unfinished, side.audit.parked));
        row("roots collected", |side| side.audit.collected.to_string());
        row("invocations cut", |side| side.counts.cut().to_string());
        row("processes started / killed", |side| pair(side.counts.processes, side.counts.kills()));
        row("killed at the start / within", |side| {
            pair(side.counts.killed_at_start, side.counts.killed_within)
        });
        row("killed unheard / idle", |side| {
            pair(side.counts.killed_unheard, side.counts.killed_idle)
        });
        row("attempts per booking", |side| match side.audit.attempts {
            0 => "–".to_owned(),
            attempts => format!("{:.2}", side.per_booking(attempts)),
        });
        row("requests to DynamoDB per booking", |side| {
            format!("{:.2}", side.per_booking(side.requests.all))
        });
        for column in table.column_iter_mut().skip(1) {
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
are among them. The raw side runs the travel example's booking, which has no bank and so no statement, as
one function with the same chances of a kill; its clients ask again, as those of beldi do.";
