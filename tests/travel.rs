//! The booking of the travel example, disturbed at every store request: a room, a seat and one
//! confirmation, or nothing of them.

#[path = "../examples/travel/service.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, missing_debug_implementations)]
mod service;

use beldi::testing::{World, explore};
use service::{
    Booking, FLIGHTS, Flight, HOTELS, Hotel, ORDERS, RATES, Receipt, Refused, USERS, app, book,
    login,
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
        .row(FLIGHTS, &FLIGHT, &Flight { seats: seats + 1, passengers: vec!["earlier".into()] })
}

async fn arrive(world: &World) -> Result<Receipt, Refused> {
    let booking = Booking { id: "new".into(), login: login(500), hotel: HOTEL, flight: FLIGHT };
    world.call(book(booking)).await.unwrap()
}

#[track_caller]
fn assert_unlocked(world: &World) {
    let locked = world.stored().into_iter().filter(|(_, row)| row.get("l").is_some()).count();
    assert_eq!(locked, 0, "locks are left");
}

fn guests(world: &World) -> Vec<String> {
    let hotel = world.peek(HOTELS, &HOTEL).unwrap();
    assert_eq!(hotel.free as usize + hotel.guests.len(), 2);
    hotel.guests
}

fn passengers(world: &World) -> Vec<String> {
    world.peek(FLIGHTS, &FLIGHT).unwrap().passengers
}

fn booked(world: &World, answer: Result<Receipt, Refused>) {
    assert_eq!(answer, Ok(Receipt { seat: 2, price: 120 }));
    assert_eq!(guests(world), ["earlier", "new"]);
    assert_eq!(passengers(world), ["earlier", "new"]);
    let orders = world.rows(ORDERS);
    assert_eq!(orders.len(), 1);
    assert_eq!((&*orders[0].1.booking, orders[0].1.seat), ("new", 2));
    assert_unlocked(world);
}

fn nothing_taken(world: &World, answer: Result<Receipt, Refused>) {
    assert_eq!(answer, Err(Refused::NoSeat));
    assert_eq!(guests(world), ["earlier"]);
    assert_eq!(passengers(world), ["earlier"]);
    assert!(world.rows(ORDERS).is_empty());
    assert_unlocked(world);
}

#[test]
fn a_booking_takes_one_room_and_one_seat_and_is_confirmed_once() {
    let setup = || world(1);
    println!("crash: {}", World::crash_everywhere(setup, arrive, booked));
    println!("second: {}", World::second_attempt_everywhere(setup, arrive, booked));
    println!("{}", explore(0..50, setup, arrive, booked));
}

#[test]
fn without_a_seat_no_room_is_taken() {
    let setup = || world(0);
    println!("crash: {}", World::crash_everywhere(setup, arrive, nothing_taken));
    println!("second: {}", World::second_attempt_everywhere(setup, arrive, nothing_taken));
    println!("{}", explore(0..50, setup, arrive, nothing_taken));
}

#[test]
fn two_crashes_in_one_booking_halve_and_double_nothing() {
    println!("pairs: {}", World::crash_everywhere_twice(|| world(1), arrive, booked));
    println!("pairs: {}", World::crash_everywhere_twice(|| world(0), arrive, nothing_taken));
}
