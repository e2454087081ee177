use std::time::{Instant, SystemTime};

#[beldi::ssf]
async fn age() -> u64 {
    let start = Instant::now();
    let _ = std::time::SystemTime::now();
    println!("{:?}", SystemTime::now());
    start.elapsed().as_secs()
}

fn main() {}
