//! The travel agency: the travel example's service, and a purchase over the bank.
//!
//! ```text
//! buy ─┬─ user                (read)  ┐ side by side
//!      ├─ rate                (read)  ┘
//!      └─ txn ─┬─ reserve_room
//!              ├─ reserve_seat
//!              ├─ transfer    (at the bank, in the same transaction)
//!              └─ confirm     (sent with the commit)
//! ```

use beldi::App;
use serde::{Deserialize, Serialize};

use super::bank::{NoFunds, Transfer};
use super::travel::{
    self, Booking, Order, Receipt, Refused, confirm, rate, reserve_room, reserve_seat, user,
};

/// Customers have the accounts with their numbers, hotels those from here on.
pub const HOTEL_ACCOUNTS: u32 = 1000;
/// Of the price, this part is paid at once.
const DEPOSIT: u32 = 10;

/// A booking, and who pays.
///
/// ```
/// use cloud::services::agency::Purchase;
/// use cloud::services::travel::{Booking, login};
///
/// let booking = Booking { id: "booking-7".into(), login: login(3), hotel: 1, flight: 2 };
/// let purchase = Purchase { number: 7, customer: 3, booking };
/// assert_eq!(purchase.booking.login.user, "Cornell_3");
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Purchase {
    /// The number of the transfer at the bank.
    pub number: u32,
    /// The account that pays.
    pub customer: u32,
    /// What is bought.
    pub booking: Booking,
}

/// Why nothing was bought. See [`buy()`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Declined {
    /// By the agency.
    Agency(Refused),
    /// By the bank.
    NoFunds,
}

/// The bank's, as the agency knows it.
#[beldi::ssf(service = "bank")]
pub async fn transfer(transfer: Transfer) -> Result<(), NoFunds>;

/// A room, a seat, a payment and a confirmation, or nothing of them.
#[beldi::ssf]
pub async fn buy(purchase: Purchase) -> Result<Receipt, Declined> {
    let Purchase { number, customer, booking } = purchase;
    let Booking { id, login, hotel, flight } = booking;
    let (known, price) = beldi::join(user(login), rate(hotel)).await;
    if !known {
        return Err(Declined::Agency(Refused::WrongPassword));
    }
    let payment = Transfer {
        id: number,
        from: customer,
        to: HOTEL_ACCOUNTS + hotel,
        amount: i64::from(price / DEPOSIT),
    };
    beldi::txn(async {
        reserve_room((hotel, id.clone())).await.map_err(Declined::Agency)?;
        let seat = reserve_seat((flight, id.clone())).await.map_err(Declined::Agency)?;
        transfer(payment).await.map_err(|NoFunds| Declined::NoFunds)?;
        confirm(Order { booking: id, hotel, flight, seat }).send().await;
        Ok(Receipt { seat, price })
    })
    .await
}

/// The agency's service.
///
/// ```
/// let agency = cloud::services::agency::app();
/// # drop(agency);
/// ```
pub fn app() -> App {
    travel::app().ssf(buy)
}
