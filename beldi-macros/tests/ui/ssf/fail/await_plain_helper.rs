async fn helper() -> u32 {
    7
}

#[beldi::ssf]
async fn lucky() -> u32 {
    helper().await
}

fn main() {}
