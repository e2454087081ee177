#[beldi::ssf]
async fn pay(bill: u32) -> u32 {
    beldi::effect("charge", |key| async move { bill + key.len() as u32 }).await
}

fn main() {}
