const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");

#[beldi::ssf]
async fn sum() -> u32 {
    let ritz = "ritz".to_owned();
    let (left, right) = beldi::join(
        async {
            let (a, b) = beldi::join(ROOMS.get(&ritz), async { ROOMS.get("plaza").await }).await;
            a.zip(b).map_or(0, |(a, b)| a + b)
        },
        async {
            let inner = async { ROOMS.get(&ritz).await.unwrap_or(1) };
            inner.await + 1
        },
    )
    .await;
    left + right
}

fn main() {
    let _ = beldi::App::new("travel").ssf(sum);
}
