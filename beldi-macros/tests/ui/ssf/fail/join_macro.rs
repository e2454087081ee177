use tokio::try_join;

const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");

#[beldi::ssf]
async fn both() {
    let _ = tokio::join!(ROOMS.get("ritz"), async { ROOMS.get("plaza").await });
    let _ = try_join!(ROOMS.get("ritz"), ROOMS.get("plaza"));
}

fn main() {}
