use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Trip;

#[beldi::ssf]
pub async fn book(trip: Trip) -> bool {
    let Trip = trip;
    true
}

fn main() {}
