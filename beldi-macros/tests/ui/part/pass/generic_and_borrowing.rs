use std::fmt::Display;

const ROOMS: beldi::Table<str, u32> = beldi::Table::new("rooms");

struct Desk<'a> {
    hotel: &'a str,
    asked: u32,
}

impl<'a> Desk<'a> {
    #[beldi::part]
    async fn ask(&mut self, extra: &u32) -> &'a str {
        self.asked += ROOMS.get(self.hotel).await.unwrap_or(*extra);
        self.hotel
    }

    #[beldi::part]
    async fn close(self) -> u32 {
        self.asked
    }
}

#[beldi::part]
async fn longest<'x, T, I>(label: &'x str, items: I, limit: Option<&mut u32>) -> Option<T>
where
    T: Display + Send,
    I: IntoIterator<Item = T> + Send,
    I::IntoIter: Send,
{
    if let Some(limit) = limit {
        *limit += ROOMS.get(label).await?;
    }
    let mut longest = None;
    for item in items {
        ROOMS.put(label, &1).await;
        longest = Some(item);
    }
    longest
}

#[beldi::part]
async fn describe(what: &(impl Display + Sync), (low, high): (u32, u32)) -> Result<String, String> {
    let free = ROOMS.get(&what.to_string()).await.ok_or("none")?;
    (low..high).contains(&free).then(|| free.to_string()).ok_or("other".into())
}

#[beldi::ssf]
async fn inspect(hotel: String) -> Result<String, String> {
    let mut limit = 3;
    let mut desk = Desk { hotel: &hotel, asked: 0 };
    let same = desk.ask(&1).await;
    let (longest, text) =
        beldi::join(longest(same, vec!["a", "b"], Some(&mut limit)), describe(&hotel, (1, 9))).await;
    let asked = desk.close().await;
    Ok(format!("{longest:?} {} {limit} {asked}", text?))
}

fn main() {
    let _ = beldi::App::new("travel").ssf(inspect);
}
