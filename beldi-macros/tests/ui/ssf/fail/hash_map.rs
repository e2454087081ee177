use std::collections::{HashMap, HashSet};

#[beldi::ssf]
async fn tally(votes: Vec<String>) -> Vec<u32> {
    let mut tally: HashMap<String, u32> = HashMap::new();
    for vote in &votes {
        *tally.entry(vote.clone()).or_default() += 1;
    }
    let _unique: HashSet<String> = votes.into_iter().collect();
    tally.into_values().collect()
}

fn main() {}
