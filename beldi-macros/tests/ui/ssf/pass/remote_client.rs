use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Bill(u32);

#[derive(Serialize, Deserialize)]
pub struct Declined;

/// Runs in the service `payments`.
#[beldi::ssf(service = "payments")]
pub async fn charge(bill: Bill) -> Result<u32, Declined>;

/// The same function's cheap question.
#[beldi::ssf(service = "payments", name = "charge-quote", read_only)]
pub async fn quote() -> u32;

#[beldi::ssf]
pub async fn buy(price: u32) -> Result<u32, Declined> {
    let fee = quote().await;
    charge(Bill(fee)).send().await;
    charge(Bill(price + fee)).await
}

fn main() {
    let _ = beldi::App::new("shop").ssf(buy);
}
