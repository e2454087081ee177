use beldi::When;

const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");

#[beldi::ssf]
async fn reserve_room(hotel: String) -> String {
    let label = match ROOMS.get(&hotel).await {
        Some(0) | None => "none".to_owned(),
        Some(free) if free > 9 => ROOMS.update(&hotel, |room| format!("{:?}", room.take())).await,
        Some(free) => free.to_string(),
    };
    if ROOMS.put(&hotel, &1).when(When::absent()).await {
        return label;
    }
    hotel
}

fn main() {
    let _ = beldi::App::new("travel").ssf(reserve_room);
}
