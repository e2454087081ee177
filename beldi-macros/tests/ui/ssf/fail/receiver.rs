struct Hotel;

impl Hotel {
    #[beldi::ssf]
    async fn reserve_room(&self) -> bool {
        true
    }
}

fn main() {}
