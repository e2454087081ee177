#[beldi::ssf]
async fn reserve_room(hotel: String, nights: u32) -> bool {
    hotel.len() as u32 > nights
}

fn main() {}
