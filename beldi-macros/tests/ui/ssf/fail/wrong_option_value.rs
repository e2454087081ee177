#[beldi::ssf(name = 5)]
async fn number() {}

#[beldi::ssf(name)]
async fn nothing() {}

#[beldi::ssf(service = payments)]
async fn charge(bill: u32) -> bool;

#[beldi::ssf(read_only = true)]
async fn free() {}

#[beldi::ssf("free")]
async fn literal() {}

#[beldi::ssf(crate = "beldi")]
async fn facade() {}

fn main() {}
