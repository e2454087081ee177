#[beldi::ssf]
fn reserve_room(hotel: String) -> bool {
    hotel.is_empty()
}

fn main() {}
