#[beldi::ssf]
async fn order() -> String {
    let id = uuid::Uuid::new_v4();
    id.to_string()
}

fn main() {}
