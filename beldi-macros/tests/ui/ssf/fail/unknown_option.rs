#[beldi::ssf(readonly)]
async fn free(hotel: String) -> usize {
    hotel.len()
}

#[beldi::ssf(retries = 3, naem = "total")]
async fn sum(rooms: Vec<u32>) -> u32 {
    rooms.into_iter().sum()
}

fn main() {}
