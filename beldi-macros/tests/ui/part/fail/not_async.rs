#[beldi::part]
fn helper(x: u32) -> u32 {
    x
}

#[beldi::ssf]
async fn caller() -> u32 {
    helper(1).await
}

fn main() {}
