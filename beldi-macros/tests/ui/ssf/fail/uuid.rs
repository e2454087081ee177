mod uuid {
    pub struct Uuid;

    impl Uuid {
        pub fn new_v4() -> String {
            "not so unique".to_owned()
        }
    }
}

#[beldi::ssf]
async fn order() -> String {
    uuid::Uuid::new_v4()
}

fn main() {}
