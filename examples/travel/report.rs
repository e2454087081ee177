//! The results, for people and for programs.

use std::fmt;
use std::sync::Arc;

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use serde_json::{Value, json};

use crate::audit::Audit;
use crate::faults::Tally;
use crate::load::{Answer, Load};
use crate::service::Booking;

/// One of the two runs.
pub(crate) struct Side {
    answered: usize,
    accepted: usize,
    audit: Audit,
    /// Attempts begun for all bookings, where somebody counts them.
    attempts: Option<u64>,
    tally: Arc<Tally>,
}

/// Both.
pub(crate) struct Report<'a> {
    pub(crate) load: &'a Load,
    pub(crate) beldi: Side,
    pub(crate) raw: Side,
    pub(crate) seconds: f64,
}

impl Side {
    pub(crate) fn new(
        answers: &[(&Booking, Answer)],
        audit: Audit,
        attempts: Option<u64>,
        tally: Arc<Tally>,
    ) -> Self {
        let accepted = answers.iter().filter(|(_, answer)| answer.is_ok()).count();
        Self { answered: answers.len(), accepted, audit, attempts, tally }
    }

    /// To two decimals.
    fn per_booking(&self, count: u64) -> f64 {
        (count as f64 / self.answered as f64 * 100.0).round() / 100.0
    }

    fn json(&self) -> Value {
        let Self { answered, accepted, audit, attempts, tally } = self;
        json!({
            "answered": answered,
            "accepted": accepted,
            "rooms_taken": audit.rooms.there,
            "rooms_left": audit.rooms_left,
            "seats_taken": audit.seats.there,
            "seats_left": audit.seats_left,
            "confirmations": audit.confirmations.there,
            "duplicates": audit.duplicates(),
            "losses": audit.losses(),
            "half_bookings": audit.half_bookings,
            "attempt_crashes": tally.crashes(),
            "process_kills": tally.kills(),
            "attempts_per_booking": attempts.map(|attempts| self.per_booking(attempts)),
            "round_trips_per_booking": self.per_booking(tally.round_trips()),
        })
    }
}

impl Report<'_> {
    /// Whether beldi answered every booking, and lost, doubled and halved nothing.
    pub(crate) fn is_exact(&self) -> bool {
        let Side { answered, audit, .. } = &self.beldi;
        *answered == self.load.bookings.len()
            && audit.duplicates() == 0
            && audit.losses() == 0
            && audit.half_bookings == 0
    }

    pub(crate) fn json(&self) -> Value {
        let mut json = self.beldi.json();
        json["bookings"] = self.load.bookings.len().into();
        json["seed"] = self.load.seed.into();
        json["seconds"] = ((self.seconds * 10.0).round() / 10.0).into();
        json["raw"] = self.raw.json();
        json
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY).set_header(["", "beldi", "raw store"]);
        let mut row = |name: &str, show: fn(&Side) -> String| {
            table.add_row([name.to_owned(), show(&self.beldi), show(&self.raw)]);
        };
        row("bookings answered", |side| side.answered.to_string());
        row("accepted / sold out", |side| pair(side.accepted, side.answered - side.accepted));
        row("rooms taken / left", |side| pair(side.audit.rooms.there, side.audit.rooms_left));
        row("seats taken / left", |side| pair(side.audit.seats.there, side.audit.seats_left));
        row("confirmations sent", |side| side.audit.confirmations.there.to_string());
        row("duplicates", |side| side.audit.duplicates().to_string());
        row("losses", |side| side.audit.losses().to_string());
        row("half bookings", |side| side.audit.half_bookings.to_string());
        row("attempts crashed", |side| side.tally.crashes().to_string());
        row("processes killed", |side| side.tally.kills().to_string());
        row("attempts per booking", |side| {
            side.attempts.map_or("–".to_owned(), |n| format!("{:.2}", side.per_booking(n)))
        });
        row("round trips per booking", |side| {
            format!("{:.2}", side.per_booking(side.tally.round_trips()))
        });
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

fn pair(a: usize, b: usize) -> String {
    format!("{a} / {b}")
}

/// Says what a side has too many of, and too few.
impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Audit { rooms, seats, confirmations, .. } = &self.audit;
        write!(
            f,
            "{} rooms, {} seats and {} confirmations too many; {} rooms, {} seats and {} \
             confirmations missing",
            rooms.duplicates,
            seats.duplicates,
            confirmations.duplicates,
            rooms.losses,
            seats.losses,
            confirmations.losses,
        )
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { load, beldi, raw, seconds } = self;
        writeln!(f, "{} bookings, seed {}, {seconds:.1} s", load.bookings.len(), load.seed)?;
        writeln!(f, "{}", self.table())?;
        writeln!(f, "beldi:     {beldi}.\nraw store: {raw}.")?;
        writeln!(f, "{FAIR}")
    }
}

const FAIR: &str = "\
Both ran the same handlers and bookings, with the same chances of a crash at each store request and of
a client that asks again too soon. The raw side runs a crashed handler again from its first line; its
kills drop all that runs in memory.";
