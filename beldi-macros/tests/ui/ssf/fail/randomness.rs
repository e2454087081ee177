mod rand {
    pub fn random() -> u64 {
        4
    }
}

fn thread_rng() -> u64 {
    4
}

#[beldi::ssf]
async fn dice() -> u64 {
    rand::random() + thread_rng()
}

fn main() {}
