use std::rc::Rc;

#[beldi::part]
async fn shared() -> u64 {
    let count = Rc::new(1);
    let more = beldi::random::<u64>().await;
    *count + more
}

#[beldi::part]
async fn hold<T>(value: T) -> u64 {
    let more = beldi::random::<u64>().await;
    drop(value);
    more
}

fn main() {}
