#[beldi::ssf]
async fn count() -> u32 {
    static mut CALLS: u32 = 0;
    static LIMIT: u32 = 9;
    LIMIT
}

fn main() {}
