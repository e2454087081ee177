const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");

#[beldi::ssf]
async fn show() -> String {
    assert!(ROOMS.get("plaza").await.is_some());
    format!("{:?} rooms are free", ROOMS.get("ritz").await)
}

fn main() {}
