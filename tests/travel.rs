//! The booking of the travel example, disturbed at every store request: a room, a seat and one
//! confirmation, or nothing of them.

#[path = "../examples/travel/service.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, missing_debug_implementations)]
mod service;

use beldi::testing::{World, explore};
use service::{
    Booking, FLIGHTS, Flight, HOTELS, Hotel, ORDERS, RATES, Receipt, Refused, SEATS, USERS, app,
    book, login,
};

const HOTEL: u32 = 17;
const FLIGHT: u32 = 4;

/// One room is left, and so many seats.
fn world(seats: u32) -> World {
    let known = login(500);
    World::new(app())
        .row(USERS, &known.user, &known.password)
        .row(RATES, &HOTEL, &120)
        .row(HOTELS, &HOTEL, &Hotel { free: 1, guests: vec!["earlier".into()] })
        .row(FLIGHTS, &FLIGHT, &Flight { seats: seats + 1 })
        .row(SEATS, &(FLIGHT, 1), &"earlier".into())
}

async fn arrive(world: &World) -> Result<Receipt, Refused> {
    let booking = Booking { id: "new".into(), login: login(500), hotel: HOTEL, flight: FLIGHT };
    world.call(book(booking)).await.unwrap()
}

fn guests(world: &World) -> Vec<String> {
    let hotel = world.peek(HOTELS, &HOTEL).unwrap();
    assert_eq!(hotel.free as usize + hotel.guests.len(), 2);
    hotel.guests
}

fn booked(world: &World, answer: Result<Receipt, Refused>) {
    assert_eq!(answer, Ok(Receipt { seat: 2, price: 120 }));
    assert_eq!(guests(world), ["earlier", "new"]);
    assert_eq!(world.peek(SEATS, &(FLIGHT, 2)).as_deref(), Some("new"));
    assert_eq!(world.rows(SEATS).len(), 2);
    let orders = world.rows(ORDERS);
    assert_eq!(orders.len(), 1);
    assert_eq!((&*orders[0].1.booking, orders[0].1.seat), ("new", 2));
}

fn room_given_back(world: &World, answer: Result<Receipt, Refused>) {
    assert_eq!(answer, Err(Refused::NoSeat));
    assert_eq!(guests(world), ["earlier"]);
    assert_eq!(world.rows(SEATS).len(), 1);
    assert!(world.rows(ORDERS).is_empty());
}

#[test]
fn a_booking_takes_one_room_and_one_seat_and_is_confirmed_once() {
    let setup = || world(1);
    println!("crash: {}", World::crash_everywhere(setup, arrive, booked));
    println!("second: {}", World::second_attempt_everywhere(setup, arrive, booked));
    println!("{}", explore(0..50, setup, arrive, booked));
}

#[test]
fn without_a_seat_the_room_is_given_back_once() {
    let setup = || world(0);
    println!("crash: {}", World::crash_everywhere(setup, arrive, room_given_back));
    println!("second: {}", World::second_attempt_everywhere(setup, arrive, room_given_back));
    println!("{}", explore(0..50, setup, arrive, room_given_back));
}
