#[beldi::part(name = "helper")]
async fn helper() {}

#[beldi::part(service = "payments", readonly)]
async fn other() {}

fn main() {}
