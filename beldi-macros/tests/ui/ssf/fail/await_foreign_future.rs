use std::time::Duration;

use tokio::time::sleep;

#[beldi::ssf]
async fn wait() {
    sleep(Duration::from_secs(1)).await;
}

fn main() {}
