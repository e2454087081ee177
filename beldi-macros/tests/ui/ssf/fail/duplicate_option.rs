#[beldi::ssf(name = "free", read_only, name = "rooms")]
async fn free(hotel: String) -> usize {
    hotel.len()
}

fn main() {}
