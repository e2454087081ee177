use std::env;

#[beldi::ssf]
async fn region() -> Option<String> {
    let region = env::var("REGION").ok();
    region.or(std::env::args().next())
}

fn main() {}
