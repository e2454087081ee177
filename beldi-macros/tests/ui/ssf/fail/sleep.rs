use std::{thread, time::Duration};

#[beldi::ssf]
async fn pause() {
    thread::sleep(Duration::from_secs(1));
}

fn main() {}
