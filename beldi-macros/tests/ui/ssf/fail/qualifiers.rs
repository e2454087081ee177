#[beldi::ssf]
async unsafe fn unchecked() {}

#[beldi::ssf]
async extern "C" fn foreign() {}

#[beldi::ssf]
const async fn constant() {}

#[beldi::ssf]
async unsafe extern "C" fn variadic(_: ...) {}

fn main() {}
