#[beldi::ssf(name = "")]
async fn empty() {}

#[beldi::ssf(name = "free rooms")]
async fn spaced() {}

#[beldi::ssf]
async fn libertés() {}

#[beldi::ssf(service = "pay/ments")]
async fn charge(bill: u32) -> bool;

fn main() {}
