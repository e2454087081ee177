pub struct Trip;

#[beldi::ssf]
pub async fn book(trip: Trip) -> bool {
    let Trip = trip;
    true
}

fn main() {}
