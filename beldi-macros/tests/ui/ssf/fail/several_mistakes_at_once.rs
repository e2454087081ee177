use std::time::Instant;

#[beldi::ssf(nam = "free")]
fn reserve_room(hotel: &str, nights: u32) -> bool {
    let start = Instant::now();
    println!("{}", beldi::random::<u64>().await);
    start.elapsed().as_secs() > 0
}

fn main() {}
