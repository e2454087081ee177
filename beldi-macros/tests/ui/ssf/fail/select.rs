const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");

#[beldi::ssf]
async fn fastest() -> Option<u32> {
    tokio::select! {
        ritz = ROOMS.get("ritz") => ritz,
        plaza = ROOMS.get("plaza") => plaza,
    }
}

fn main() {}
