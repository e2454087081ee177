//! The travel service: 100 hotels, 100 flights, 501 users, and a booking that takes a room and a
//! seat or neither, and has a confirmation sent.
//!
//! ```text
//! book ─┬─ user          (read)  ┐ side by side
//!       ├─ rate          (read)  ┘
//!       ├─ reserve_room  (update: read, change, write)
//!       ├─ reserve_seat  (conditional write of the first free seat)
//!       ├─ release_room  (only if there is no seat)
//!       └─ confirm       (sent, runs on its own)
//! ```
//!
//! Nothing in it knows of crashes. The same functions run on beldi and, for comparison, straight on
//! the store.

use beldi::{App, Table, When};
use serde::{Deserialize, Serialize};

pub const HOTELS: Table<u32, Hotel> = Table::new("hotels");
pub const FLIGHTS: Table<u32, Flight> = Table::new("flights");
pub const SEATS: Table<(u32, u32), String> = Table::new("seats");
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

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flight {
    pub seats: u32,
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

/// A room and a seat, or neither.
#[beldi::ssf]
pub async fn book(booking: Booking) -> Result<Receipt, Refused> {
    let Booking { id, login, hotel, flight } = booking;
    let (known, price) = beldi::join(user(login), rate(hotel)).await;
    if !known {
        return Err(Refused::WrongPassword);
    }
    reserve_room((hotel, id.clone())).await?;
    let seat = match reserve_seat((flight, id.clone())).await {
        Ok(seat) => seat,
        Err(refused) => {
            release_room((hotel, id)).await;
            return Err(refused);
        }
    };
    confirm(Order { booking: id, hotel, flight, seat }).send().await;
    Ok(Receipt { seat, price })
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

/// Gives the room back.
#[beldi::ssf]
pub async fn release_room((hotel, booking): (u32, String)) {
    HOTELS
        .update(&hotel, |hotel| {
            let Some(hotel) = hotel else { return };
            if let Some(guest) = hotel.guests.iter().position(|guest| *guest == booking) {
                hotel.guests.remove(guest);
                hotel.free += 1;
            }
        })
        .await;
}

/// Takes the first seat of the flight that nobody has.
#[beldi::ssf]
pub async fn reserve_seat((flight, booking): (u32, String)) -> Result<u32, Refused> {
    let (plane, sold) = beldi::join(FLIGHTS.get(&flight), SEATS.scan((flight,))).await;
    let seats = plane.map_or(0, |plane| plane.seats);
    let is_sold = |seat: &u32| sold.iter().any(|((_, sold), _)| sold == seat);
    for seat in (1..=seats).filter(|seat| !is_sold(seat)) {
        if SEATS.put(&(flight, seat), &booking).when(When::absent()).await {
            return Ok(seat);
        }
    }
    Err(Refused::NoSeat)
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
    let places = (0..PLACES).flat_map(|place| {
        [
            HOTELS.put(&place, &hotel),
            FLIGHTS.put(&place, &Flight { seats: each }),
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
    /// Who has each seat that is taken.
    pub seats: Vec<String>,
    pub orders: Vec<Order>,
}

#[beldi::ssf(read_only)]
pub async fn ledger() -> Ledger {
    let (hotels, seats) = beldi::join(HOTELS.scan(..), SEATS.scan(..)).await;
    let orders = ORDERS.scan(..).await;
    Ledger {
        hotels: hotels.into_iter().map(|(_, hotel)| hotel).collect(),
        seats: seats.into_iter().map(|(_, booking)| booking).collect(),
        orders: orders.into_iter().map(|(_, order)| order).collect(),
    }
}

pub fn app() -> App {
    App::new("travel")
        .ssf(book)
        .ssf(user)
        .ssf(rate)
        .ssf(reserve_room)
        .ssf(release_room)
        .ssf(reserve_seat)
        .ssf(confirm)
        .ssf(stock)
        .ssf(ledger)
}
