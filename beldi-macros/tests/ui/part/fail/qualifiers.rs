#[beldi::part]
async unsafe fn unchecked() {}

#[beldi::part]
const async fn constant() {}

fn main() {}
