//! A read-only transaction returns anything and may be awaited where nothing is changed.

use beldi::{App, Table};

const ROOMS: Table<str, u32> = Table::new("rooms");

#[beldi::txn(read_only)]
async fn left(hotels: Vec<String>) -> u32 {
    ROOMS.get_many(hotels).await.into_iter().flatten().sum()
}

#[beldi::ssf(read_only)]
async fn any_left() -> bool {
    left(vec!["ritz".into()]).await > 0
}

/// What is outside of a transaction may be scanned, and what scans in memory too.
#[beldi::ssf]
async fn all() -> usize {
    let rows = ROOMS.scan(..).await;
    beldi::effect("tell", async |_key| ()).await;
    let sums = rows.iter().scan(0, |sum, (_, free)| Some(*sum + free));
    sums.count()
}

fn main() {
    let _app = App::new("travel").ssf(left).ssf(any_left).ssf(all);
}
