#[beldi::part]
async fn stamp() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

fn main() {}
