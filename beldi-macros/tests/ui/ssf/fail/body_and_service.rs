#[beldi::ssf(service = "payments")]
async fn charge(bill: u32) -> bool {
    bill > 0
}

fn main() {}
