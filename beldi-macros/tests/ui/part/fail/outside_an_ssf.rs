#[beldi::part]
async fn helper() -> u32 {
    7
}

async fn outside() -> u32 {
    helper().await
}

fn main() {
    let _ = outside();
}
