pub struct SoldOut;

#[beldi::ssf]
pub async fn book(trip: String) -> Result<u32, SoldOut> {
    drop(trip);
    Err(SoldOut)
}

fn main() {}
