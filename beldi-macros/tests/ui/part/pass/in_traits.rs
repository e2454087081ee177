trait Rates {
    #[beldi::part]
    async fn rate(&self, hotel: &str) -> u64;
}

struct Flat(u64);

impl Rates for Flat {
    #[beldi::part]
    async fn rate(&self, hotel: &str) -> u64 {
        self.0 + hotel.len() as u64
    }
}

struct Dice;

impl Rates for Dice {
    #[beldi::part]
    async fn rate(&self, _: &str) -> u64 {
        beldi::random::<u64>().await % 6
    }
}

#[beldi::part]
async fn total<R: Rates + Sync>(rates: &R, hotels: &[String]) -> u64 {
    let mut total = 0;
    for hotel in hotels {
        total += rates.rate(hotel).await;
    }
    total
}

#[beldi::ssf]
async fn quote(hotels: Vec<String>) -> u64 {
    total(&Flat(7), &hotels).await + total(&Dice, &hotels).await
}

fn main() {
    let _ = beldi::App::new("travel").ssf(quote);
}
