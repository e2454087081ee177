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

/// The books.
#[derive(Debug)]
pub(crate) struct Audit {
    pub(crate) rooms: Account,
    pub(crate) seats: Account,
    pub(crate) confirmations: Account,
    pub(crate) rooms_left: usize,
    pub(crate) seats_left: usize,
    /// Bookings with a room and no seat, or with a seat and no room.
    pub(crate) half_bookings: usize,
}

/// How many there are of something, and what is wrong with them.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) there: usize,
    /// Beyond what was answered: a second one, or one for a booking that was refused.
    pub(crate) duplicates: usize,
    /// Answered, and not there.
    pub(crate) losses: usize,
}

impl Audit {
    pub(crate) fn new(load: &Load, answers: &[(&Booking, Answer)], ledger: &Ledger) -> Self {
        let capacity = (PLACES * load.each) as usize;
        let rooms = held(ledger.hotels.iter().flat_map(|hotel| &hotel.guests));
        let seats = held(ledger.flights.iter().flat_map(|flight| &flight.passengers));
        let orders = held(ledger.orders.iter().map(|order| &order.booking));
        let half_bookings = rooms.keys().filter(|id| !seats.contains_key(*id)).count()
            + seats.keys().filter(|id| !rooms.contains_key(*id)).count();
        let rooms_left = ledger.hotels.iter().map(|hotel| hotel.free as usize).sum();
        let mut rooms = Account::new(answers, rooms);
        rooms.compare(capacity, rooms.there + rooms_left);
        let seats = Account::new(answers, seats);
        Self {
            rooms_left,
            seats_left: capacity - seats.there,
            half_bookings,
            rooms,
            seats,
            confirmations: Account::new(answers, orders),
        }
    }

    pub(crate) fn duplicates(&self) -> usize {
        self.rooms.duplicates + self.seats.duplicates + self.confirmations.duplicates
    }

    pub(crate) fn losses(&self) -> usize {
        self.rooms.losses + self.seats.losses + self.confirmations.losses
    }
}

impl Account {
    /// A booking that was accepted must have one, and a refused one none.
    fn new(answers: &[(&Booking, Answer)], mut held: HashMap<&str, usize>) -> Self {
        let mut account = Self { there: held.values().sum(), duplicates: 0, losses: 0 };
        for (booking, answer) in answers {
            let due = usize::from(answer.is_ok());
            account.compare(due, held.remove(&*booking.id).unwrap_or_default());
        }
        account.compare(0, held.into_values().sum());
        account
    }

    fn compare(&mut self, due: usize, there: usize) {
        self.duplicates += there.saturating_sub(due);
        self.losses += due.saturating_sub(there);
    }
}

/// How many of something each booking has.
fn held<'a>(holders: impl IntoIterator<Item = &'a String>) -> HashMap<&'a str, usize> {
    let mut held = HashMap::<&str, usize>::new();
    for booking in holders {
        *held.entry(booking).or_default() += 1;
    }
    held
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
