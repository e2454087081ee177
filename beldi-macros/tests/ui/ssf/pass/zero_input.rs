#[beldi::ssf]
async fn dice() -> u64 {
    beldi::random::<u64>().await % 6
}

#[beldi::ssf]
async fn silent() {}

#[beldi::ssf]
async fn play() {
    let _ = dice().await;
    silent().await;
    silent().send().await;
}

fn main() {
    let _ = beldi::App::new("games").ssf(dice).ssf(silent).ssf(play);
}
