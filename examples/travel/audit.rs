//! What was taken and sent, against what was answered.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use beldi::store::EmbeddedStore;
use beldi::testing::FaultyStore;
use tokio::time::sleep;

use crate::Result;
use crate::faults;
use crate::load::{Answer, Load};
use crate::service::{Booking, Ledger, PLACES, app, ledger, stock};

/// The books, and what is wrong with them.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    pub(crate) rooms_taken: usize,
    pub(crate) rooms_left: usize,
    pub(crate) seats_taken: usize,
    pub(crate) seats_left: usize,
    pub(crate) confirmations: usize,
    /// Rooms, seats and confirmations beyond what was answered.
    pub(crate) duplicates: usize,
    /// Those that were answered and are not there.
    pub(crate) losses: usize,
}

impl Audit {
    pub(crate) fn new(load: &Load, answers: &[(&Booking, Answer)], ledger: &Ledger) -> Self {
        let rooms = count(ledger.hotels.iter().flat_map(|hotel| &hotel.guests));
        let seats = count(&ledger.seats);
        let orders = count(ledger.orders.iter().map(|order| &order.booking));
        let capacity = (PLACES * load.each) as usize;
        let mut audit = Self {
            rooms_taken: rooms.values().sum(),
            rooms_left: ledger.hotels.iter().map(|hotel| hotel.free as usize).sum(),
            seats_taken: ledger.seats.len(),
            seats_left: capacity.saturating_sub(ledger.seats.len()),
            confirmations: ledger.orders.len(),
            ..Self::default()
        };
        for (booking, answer) in answers {
            let due = usize::from(answer.is_ok());
            for kind in [&rooms, &seats, &orders] {
                audit.compare(due, kind.get(&*booking.id).copied().unwrap_or_default());
            }
        }
        audit.compare(capacity, audit.rooms_taken + audit.rooms_left);
        audit
    }

    fn compare(&mut self, due: usize, there: usize) {
        self.duplicates += there.saturating_sub(due);
        self.losses += due.saturating_sub(there);
    }
}

/// How many of each booking.
fn count<'a>(bookings: impl IntoIterator<Item = &'a String>) -> HashMap<&'a str, usize> {
    let mut counts = HashMap::new();
    for booking in bookings {
        *counts.entry(&**booking).or_default() += 1;
    }
    counts
}

/// Puts hotels, flights and users into a new database.
pub(crate) async fn open_business(load: &Load, database: &Path) -> Result<()> {
    let host = app().open(EmbeddedStore::open(database)?)?;
    host.call(stock(load.each)).key("stock").await?;
    host.shutdown(Duration::from_secs(10)).await;
    Ok(())
}

/// Opens the database the server left, lets what is unfinished end, and reads the books; also tells
/// how many attempts the bookings took.
pub(crate) async fn of_beldi(
    load: &Load,
    answers: &[(&Booking, Answer)],
    database: &Path,
) -> Result<(Audit, u64)> {
    let store = FaultyStore::new(EmbeddedStore::open(database)?);
    let host = app().limits(faults::limits()).open(store.clone())?;
    at_rest(&store).await;
    let ledger = host.call(ledger()).await?;
    let mut attempts = 0;
    for (booking, _) in answers {
        attempts += u64::from(host.instance(&booking.id).await?.attempts);
    }
    host.shutdown(Duration::from_secs(10)).await;
    Ok((Audit::new(load, answers, &ledger), attempts))
}

/// Waits until nothing has been asked of the store for longer than anything waits.
pub(crate) async fn at_rest(store: &FaultyStore) {
    let mut before = None;
    loop {
        let now = store.counts().total();
        if before.replace(now) == Some(now) {
            return;
        }
        sleep(QUIET).await;
    }
}

/// Longer than the collector's pause and the longest wait between two attempts.
const QUIET: Duration = Duration::from_millis(800);
