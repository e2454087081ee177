//! A reply must follow from the log. Of two attempts at once, one may see a free seat and take it,
//! and the other, later, no free seat, and have nothing to do but to say so: if that were the
//! answer, a seat would be lost.

use beldi::testing::{World, explore};
use beldi::{App, Table, When};

const SEATS: Table<u32, String> = Table::new("seats");
const TRIED: Table<str, u32> = Table::new("tried");

/// Notes the try, then takes seat 1 if nobody has it.
#[beldi::ssf]
async fn take_seat(who: String) -> bool {
    TRIED.update(&who, |tries| *tries = Some(tries.unwrap_or(0) + 1)).await;
    let free = SEATS.get(&1).await.is_none();
    free && SEATS.put(&1, &who).when(When::absent()).await
}

/// The same, where the answer is that of a call.
#[beldi::ssf]
async fn travel(who: String) -> bool {
    let seated = take_seat(who.clone()).await;
    TRIED.put(&who, &10).await;
    seated
}

fn world() -> World {
    World::new(App::new("seats").ssf(take_seat).ssf(travel))
}

fn seated(world: &World, answer: bool) {
    assert!(answer, "the seat was free, and nobody else wanted it");
    assert_eq!(world.peek(SEATS, &1).as_deref(), Some("ada"));
}

#[test]
fn of_a_root() {
    let run = async |world: &World| world.call(take_seat("ada".into())).await.unwrap();
    println!("{}", World::crash_everywhere_twice(world, run, seated));
    println!("{}", explore(0..400, world, run, seated));
}

#[test]
fn of_a_callee() {
    let run = async |world: &World| world.call(travel("ada".into())).await.unwrap();
    println!("{}", World::crash_everywhere_twice(world, run, seated));
    println!("{}", explore(0..400, world, run, seated));
}
