#[beldi::ssf]
async fn charge(bill: u32) -> bool;

#[beldi::ssf]
async fn book(bill: u32) -> bool {
    charge(bill).await
}

fn main() {}
