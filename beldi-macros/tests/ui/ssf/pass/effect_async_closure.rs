use std::time::{Duration, SystemTime};

async fn charge(bill: u32) -> Result<u32, String> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    Ok(bill)
}

#[beldi::ssf]
async fn pay(bill: u32) -> Result<u32, String> {
    let paid = beldi::effect("charge", async |_key| charge(bill).await).await?;
    let label = paid.to_string();
    beldi::effect("wait", async move |_key| {
        async { tokio::time::sleep(Duration::from_millis(1)).await }.await;
        println!("{label} at {:?}", SystemTime::now());
    })
    .await;
    Ok(paid)
}

fn main() {
    let _ = beldi::App::new("payments").ssf(pay);
}
