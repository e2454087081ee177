use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Trip {
    hotel: String,
    nights: u32,
}

#[beldi::ssf]
pub async fn book(Trip { hotel, mut nights }: Trip) -> u32 {
    nights += 1;
    price((hotel, nights)).await
}

#[beldi::ssf]
async fn price((hotel, nights): (String, u32)) -> u32 {
    nights * hotel.len() as u32
}

#[beldi::ssf]
async fn count(mut n: u32) -> u32 {
    n += 1;
    n
}

#[beldi::ssf]
async fn ignore(_: u32) {}

fn main() {
    let _ = beldi::App::new("travel").ssf(book).ssf(price).ssf(count).ssf(ignore);
}
