#[beldi::ssf]
async fn reserve_room(hotel: &str) -> bool {
    hotel.is_empty()
}

#[beldi::ssf]
async fn reserve_all(trip: (&[u32], std::borrow::Cow<'_, str>)) -> bool {
    trip.0.len() == trip.1.len()
}

fn main() {}
