//! A transaction is an SSF; `?` converts, `return` leaves the transaction.

use beldi::{App, Table};
use serde::{Deserialize, Serialize};

const ROOMS: Table<str, u32> = Table::new("rooms");

#[derive(Serialize, Deserialize)]
pub struct SoldOut;

#[derive(Serialize, Deserialize)]
pub enum Failed {
    SoldOut,
}

impl From<SoldOut> for Failed {
    fn from(_: SoldOut) -> Self {
        Self::SoldOut
    }
}

pub type Booked = Result<u32, Failed>;

#[beldi::ssf]
async fn reserve_room(hotel: String) -> Result<u32, SoldOut> {
    let left = ROOMS.get(&hotel).await.ok_or(SoldOut)?.checked_sub(1).ok_or(SoldOut)?;
    ROOMS.put(&hotel, &left).await;
    Ok(left)
}

/// Both or neither.
#[beldi::txn(name = "book-two")]
pub async fn book_two((a, b): (String, String)) -> Booked {
    if a == b {
        return Err(Failed::SoldOut);
    }
    let (a, b) = beldi::join(reserve_room(a), async { reserve_room(b).await }).await;
    Ok(a? + b?)
}

fn main() {
    let _app = App::new("travel").ssf(reserve_room).ssf(book_two);
}
