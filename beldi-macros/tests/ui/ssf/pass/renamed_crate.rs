use beldi as durable;

mod inner {
    pub use beldi as facade;
}

#[durable::ssf(crate = durable)]
async fn now() -> bool {
    let ok = durable::random::<u64>().await > 0;
    ok && helper(&ok).await
}

#[durable::part(crate = crate::inner::facade)]
async fn helper(ok: &bool) -> bool {
    let more = async { durable::random::<u64>().await };
    *ok && more.await > 0
}

fn main() {
    let _ = beldi::App::new("travel").ssf(now);
}
