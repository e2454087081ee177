//! What is in the tables, against what was answered.

use std::collections::HashMap;
use std::iter::Sum;

use cloud::services::bank::{Account, Entry, OPENING};
use cloud::services::statements::Statement;
use cloud::services::travel::{Flight, Hotel, Order, PLACES};

use crate::Result;
use crate::load::{Answered, Load};
use crate::tables::Rows;

/// The books.
#[derive(Debug)]
pub(crate) struct Audit {
    pub(crate) rooms: Book,
    pub(crate) seats: Book,
    pub(crate) confirmations: Book,
    /// Both sides of every payment and every transfer.
    pub(crate) entries: Book,
    /// Of purchases alone.
    pub(crate) statements: Book,
    pub(crate) rooms_left: usize,
    pub(crate) seats_left: usize,
    /// Bookings that have something of what belongs to them, but not all.
    pub(crate) half_bookings: usize,
    /// Purchases that were answered with the number of no statement, or of another's.
    pub(crate) misstated: usize,
    /// Money that there is more than at the beginning.
    pub(crate) created: i64,
    pub(crate) locks_left: usize,
    pub(crate) unfinished: usize,
    pub(crate) parked: usize,
    /// Roots of which only a tombstone is left.
    pub(crate) collected: usize,
    /// Attempts that all bookings took.
    pub(crate) attempts: u64,
}

/// How many there are of something, and what is wrong with them.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) there: usize,
    /// Beyond what was answered: a second one, or one for something that was refused.
    pub(crate) duplicates: usize,
    /// Answered, and not there.
    pub(crate) losses: usize,
}

/// How many of something each number has: of a booking or a transfer.
type Held = HashMap<u32, usize>;

/// What an agency's table shows.
struct Taken {
    rooms: Held,
    seats: Held,
    confirmations: Held,
    rooms_left: usize,
}

/// What a bank's table shows: entries of those who paid, and of those who got it; and statements.
#[derive(Default)]
struct Money {
    sides: [Held; 2],
    created: i64,
    /// By their numbers, as they are stored: of which payments they are.
    statements: HashMap<String, u32>,
}

impl Taken {
    fn read(rows: &Rows) -> Result<Self> {
        let hotels: Vec<(_, Hotel)> = rows.values("hotels")?;
        let flights: Vec<(_, Flight)> = rows.values("flights")?;
        let orders: Vec<(_, Order)> = rows.values("orders")?;
        let guests = hotels.iter().flat_map(|(_, hotel)| &hotel.guests);
        let passengers = flights.iter().flat_map(|(_, flight)| &flight.passengers);
        Ok(Self {
            rooms: held(guests.map(|guest| number(guest))),
            seats: held(passengers.map(|passenger| number(passenger))),
            confirmations: held(orders.iter().map(|(_, order)| number(&order.booking))),
            rooms_left: hotels.iter().map(|(_, hotel)| hotel.free as usize).sum(),
        })
    }
}

impl Money {
    fn read(rows: &Rows) -> Result<Self> {
        let accounts: Vec<(_, Account)> = rows.values("accounts")?;
        let entries = accounts.iter().flat_map(|(_, account)| &account.entries);
        let (paid, got): (Vec<&Entry>, Vec<&Entry>) = entries.partition(|entry| entry.amount < 0);
        let sides = [paid, got].map(|side| held(side.iter().map(|entry| entry.transfer)));
        let created = accounts.iter().map(|(_, account)| account.balance - OPENING).sum();
        let statements: Vec<(_, Statement)> = rows.values("statements")?;
        let statements = statements.into_iter().map(|(key, of)| (key, of.payment.id)).collect();
        Ok(Self { sides, created, statements })
    }

    /// How many purchases were answered with the number of something else than their own statement.
    fn misstated(&self, answered: &Answered) -> usize {
        let numbers = answered.statements.iter();
        let wrong = numbers.filter(|(purchase, number)| {
            self.statements.get(&number.to_string()) != Some(purchase)
        });
        wrong.count()
    }
}

impl Audit {
    /// Of a travel agency, and of the bank through which it was paid.
    pub(crate) fn new(
        load: &Load,
        answered: &Answered,
        travel: &Rows,
        bank: Option<&Rows>,
    ) -> Result<Self> {
        let (taken, money) =
            (Taken::read(travel)?, bank.map_or(Ok(Money::default()), Money::read)?);
        let mut all = vec![&taken.rooms, &taken.seats, &taken.confirmations];
        let stated = held(money.statements.values().copied());
        all.extend(bank.iter().flat_map(|_| money.sides.iter().chain([&stated])));
        let half_bookings = halves(load, &all);
        let capacity = (PLACES * load.each) as usize;
        let bought = &answered.purchases;
        let mut rooms = Book::new(bought, taken.rooms);
        rooms.compare(capacity, rooms.there + taken.rooms_left);
        let seats = Book::new(bought, taken.seats);
        let moved: Vec<_> = bought.iter().chain(&answered.transfers).copied().collect();
        let misstated = money.misstated(answered);
        let entries = money.sides.into_iter().filter(|_| bank.is_some());
        let services = || [Some(travel), bank].into_iter().flatten();
        Ok(Self {
            rooms_left: taken.rooms_left,
            seats_left: capacity.saturating_sub(seats.there),
            half_bookings,
            rooms,
            seats,
            confirmations: Book::new(bought, taken.confirmations),
            entries: entries.map(|side| Book::new(&moved, side)).sum(),
            statements: Book::new(if bank.is_some() { bought } else { &[] }, stated),
            misstated,
            created: money.created,
            locks_left: services().map(Rows::locks).sum(),
            unfinished: services().map(|rows| rows.roots("running")).sum(),
            parked: services().map(|rows| rows.roots("parked")).sum(),
            collected: services().map(Rows::collected).sum(),
            attempts: travel.attempts("booking-"),
        })
    }

    fn books(&self) -> [&Book; 5] {
        [&self.rooms, &self.seats, &self.confirmations, &self.entries, &self.statements]
    }

    pub(crate) fn duplicates(&self) -> usize {
        self.books().iter().map(|book| book.duplicates).sum()
    }

    pub(crate) fn losses(&self) -> usize {
        self.books().iter().map(|book| book.losses).sum()
    }

    /// Whether all is as if nothing had gone wrong.
    pub(crate) fn is_exact(&self) -> bool {
        let wrong = [
            self.duplicates(),
            self.losses(),
            self.half_bookings,
            self.misstated,
            self.locks_left,
            self.unfinished,
            self.parked,
        ];
        wrong == [0; 7] && self.created == 0
    }
}

impl Book {
    /// What was accepted must have one, and what was refused none.
    fn new(answers: &[(u32, bool)], mut held: Held) -> Self {
        let mut book = Self { there: held.values().sum(), ..Self::default() };
        for (number, is_accepted) in answers {
            book.compare(usize::from(*is_accepted), held.remove(number).unwrap_or_default());
        }
        book.compare(0, held.into_values().sum());
        book
    }

    fn compare(&mut self, due: usize, there: usize) {
        self.duplicates += there.saturating_sub(due);
        self.losses += due.saturating_sub(there);
    }
}

impl Sum for Book {
    fn sum<I: Iterator<Item = Self>>(books: I) -> Self {
        books.fold(Self::default(), |sum, book| Self {
            there: sum.there + book.there,
            duplicates: sum.duplicates + book.duplicates,
            losses: sum.losses + book.losses,
        })
    }
}

/// Bookings that are in some of these, and not in all.
fn halves(load: &Load, all: &[&Held]) -> usize {
    let halves = load.purchases.iter().filter(|purchase| {
        let has = all.iter().filter(|held| held.contains_key(&purchase.number)).count();
        has != 0 && has != all.len()
    });
    halves.count()
}

fn held(numbers: impl Iterator<Item = u32>) -> Held {
    let mut held = Held::new();
    for number in numbers {
        *held.entry(number).or_default() += 1;
    }
    held
}

/// The number of a booking; one that nobody made has 0, which nobody has either.
fn number(booking: &str) -> u32 {
    booking.strip_prefix("booking-").and_then(|number| number.parse().ok()).unwrap_or_default()
}
