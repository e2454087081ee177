#[beldi::ssf]
async fn factorial(n: u64) -> u64 {
    if n == 0 { 1 } else { n * factorial(n - 1).await }
}

#[beldi::ssf]
async fn ping(n: u32) {
    if n > 0 {
        pong(n - 1).await;
    }
}

#[beldi::ssf]
async fn pong(n: u32) {
    ping(n).send().await;
}

fn main() {
    let _ = beldi::App::new("maths").ssf(factorial).ssf(ping).ssf(pong);
}
