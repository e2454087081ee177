use tokio::task;

#[beldi::ssf]
async fn background() {
    std::thread::spawn(|| ());
    tokio::spawn(async {});
    task::spawn_blocking(|| ());
}

fn main() {}
