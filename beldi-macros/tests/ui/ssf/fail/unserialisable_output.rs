pub struct Receipt;

#[beldi::ssf]
pub async fn book(trip: String) -> Receipt {
    drop(trip);
    Receipt
}

fn main() {}
