//! The travel service: 100 hotels, 100 flights, 501 users, and a booking that takes a room and a
//! seat and has a confirmation sent, all or nothing.
//!
//! ```text
//! book ─┬─ user              (read)  ┐ side by side
//!       ├─ rate              (read)  ┘
//!       └─ txn ─┬─ reserve_room  (locks the hotel)
//!               ├─ reserve_seat  (locks the flight)
//!               └─ confirm       (sent with the commit, runs on its own)
//! ```
//!
//! Nothing in it knows of crashes. The same functions run on beldi and, for comparison, straight on
//! the store.

use beldi::{App, Table};
use serde::{Deserialize, Serialize};

pub const HOTELS: Table<u32, Hotel> = Table::new("hotels");
pub const FLIGHTS: Table<u32, Flight> = Table::new("flights");
pub const ORDERS: Table<uuid::Uuid, Order> = Table::new("orders");
pub const USERS: Table<str, String> = Table::new("users");
pub const RATES: Table<u32, u32> = Table::new("rates");

/// Hotels have the numbers below this, and so have flights.
pub const PLACES: u32 = 100;
/// Users have the numbers below this.
pub const CUSTOMERS: u32 = 501;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hotel {
    pub free: u32,
    /// The bookings that have a room.
    pub guests: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flight {
    pub seats: u32,
    /// The bookings that have a seat, in the order of the seats.
    pub passengers: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    pub booking: String,
    pub hotel: u32,
    pub flight: u32,
    pub seat: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Login {
    pub user: String,
    pub password: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Booking {
    pub id: String,
    pub login: Login,
    pub hotel: u32,
    pub flight: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    pub seat: u32,
    pub price: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refused {
    WrongPassword,
    NoRoom,
    NoSeat,
}

/// A room, a seat and a confirmation, or nothing of them. What is only read is read before, where it
/// keeps nobody waiting.
#[beldi::ssf]
pub async fn book(booking: Booking) -> Result<Receipt, Refused> {
    let Booking { id, login, hotel, flight } = booking;
    let (known, price) = beldi::join(user(login), rate(hotel)).await;
    if !known {
        return Err(Refused::WrongPassword);
    }
    beldi::txn(async {
        reserve_room((hotel, id.clone())).await?;
        let seat = reserve_seat((flight, id.clone())).await?;
        confirm(Order { booking: id, hotel, flight, seat }).send().await;
        Ok(Receipt { seat, price })
    })
    .await
}

/// Whether there is such a user with that password.
#[beldi::ssf(read_only)]
pub async fn user(login: Login) -> bool {
    USERS.get(&login.user).await.is_some_and(|password| password == login.password)
}

/// What a night in the hotel costs.
#[beldi::ssf(read_only)]
pub async fn rate(hotel: u32) -> u32 {
    RATES.get(&hotel).await.unwrap_or_default()
}

/// Takes one room of the hotel.
#[beldi::ssf]
pub async fn reserve_room((hotel, booking): (u32, String)) -> Result<(), Refused> {
    HOTELS
        .update(&hotel, |hotel| {
            let hotel = hotel.as_mut().ok_or(Refused::NoRoom)?;
            hotel.free = hotel.free.checked_sub(1).ok_or(Refused::NoRoom)?;
            hotel.guests.push(booking.clone());
            Ok(())
        })
        .await
}

/// Takes the next seat of the flight.
#[beldi::ssf]
pub async fn reserve_seat((flight, booking): (u32, String)) -> Result<u32, Refused> {
    FLIGHTS
        .update(&flight, |flight| {
            let flight = flight.as_mut().ok_or(Refused::NoSeat)?;
            let next = flight.passengers.len() as u32 + 1;
            if next > flight.seats {
                return Err(Refused::NoSeat);
            }
            flight.passengers.push(booking.clone());
            Ok(next)
        })
        .await
}

/// Confirms an order, under a number of its own.
#[beldi::ssf]
pub async fn confirm(order: Order) {
    let number = beldi::uuid().await;
    ORDERS.put(&number, &order).await;
}

/// Opens the business, with so many rooms in each hotel and as many seats on each flight.
#[beldi::ssf]
pub async fn stock(each: u32) {
    let hotel = Hotel { free: each, guests: Vec::new() };
    let flight = Flight { seats: each, passengers: Vec::new() };
    let places = (0..PLACES).flat_map(|place| {
        [
            HOTELS.put(&place, &hotel),
            FLIGHTS.put(&place, &flight),
            RATES.put(&place, &(109 + 31 * (place % 5))),
        ]
    });
    let users = (0..CUSTOMERS).map(login).map(|login| USERS.put(&login.user, &login.password));
    beldi::join_all(places.chain(users)).await;
}

/// The customers have simple passwords.
pub fn login(customer: u32) -> Login {
    let number = customer.to_string();
    Login { user: format!("Cornell_{number}"), password: number.repeat(10) }
}

/// Everything taken and sent, for the audit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    pub hotels: Vec<Hotel>,
    pub flights: Vec<Flight>,
    pub orders: Vec<Order>,
}

#[beldi::ssf(read_only)]
pub async fn ledger() -> Ledger {
    let (hotels, flights) = beldi::join(HOTELS.scan(..), FLIGHTS.scan(..)).await;
    let orders = ORDERS.scan(..).await;
    Ledger {
        hotels: hotels.into_iter().map(|(_, hotel)| hotel).collect(),
        flights: flights.into_iter().map(|(_, flight)| flight).collect(),
        orders: orders.into_iter().map(|(_, order)| order).collect(),
    }
}

pub fn app() -> App {
    App::new("travel")
        .ssf(book)
        .ssf(user)
        .ssf(rate)
        .ssf(reserve_room)
        .ssf(reserve_seat)
        .ssf(confirm)
        .ssf(stock)
        .ssf(ledger)
}
