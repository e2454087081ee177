use std::rc::Rc;

#[beldi::ssf]
async fn shared() -> u64 {
    let count = Rc::new(1);
    let more = beldi::random::<u64>().await;
    *count + more
}

fn main() {}
