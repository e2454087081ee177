#[beldi::ssf]
async fn motto() -> &'static str {
    "exactly once"
}

fn main() {}
