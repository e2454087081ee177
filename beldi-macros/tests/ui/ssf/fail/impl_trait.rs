#[beldi::ssf]
async fn count(names: impl Iterator<Item = String>) -> usize {
    names.count()
}

#[beldi::ssf]
async fn names() -> impl Iterator<Item = String> {
    std::iter::empty()
}

fn main() {}
