//! `Ok` commits, `Err` aborts, so there must be a `Result`.

#[beldi::txn]
async fn nothing() {}

#[beldi::txn]
async fn number(n: u32) -> u32 {
    n
}

type Number = u32;

#[beldi::txn]
async fn alias(n: u32) -> Number {
    n
}

#[beldi::txn(part)]
async fn pair(n: &u32) -> (u32, u32) {
    (*n, *n)
}

#[beldi::ssf]
async fn block(n: u32) -> u32 {
    beldi::txn(async { n }).await
}

fn main() {}
