//! Options that a transaction does not have.

#[beldi::txn(service = "payments")]
async fn remote(n: u32) -> Result<u32, String>;

#[beldi::txn(part, name = "helper")]
async fn helper(n: &u32) -> Result<u32, String> {
    Ok(*n)
}

#[beldi::txn(readonly)]
async fn reads(n: u32) -> Result<u32, String> {
    Ok(n)
}

#[beldi::txn]
async fn borrows(n: &u32) -> Result<u32, String> {
    Ok(*n)
}

fn main() {}
