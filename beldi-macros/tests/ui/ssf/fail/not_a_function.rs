#[beldi::ssf]
struct Room {
    free: u32,
}

fn main() {
    let room = Room { free: 1 };
    assert_eq!(room.free, 1);
}
