#[beldi::part]
async fn names() -> impl Iterator<Item = String> {
    std::iter::empty()
}

fn main() {}
