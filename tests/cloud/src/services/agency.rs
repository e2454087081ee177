//! The travel agency: the travel example's service, and a purchase over the bank.
//!
//! ```text
//! buy ─┬─ user                (read)  ┐ side by side
//!      ├─ rate                (read)  ┘
//!      ├─ txn ─┬─ reserve_room
//!      │       ├─ reserve_seat
//!      │       ├─ transfer    (at the bank, in the same transaction)
//!      │       └─ confirm     (sent with the commit)
//!      └─ issue_statement     (at the bank, on its own)
//! ```

use std::time::Duration;

use beldi::{App, Limits};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::bank::{NoFunds, Transfer};
use super::travel::{
    self, Booking, Order, Refused, confirm, rate, reserve_room, reserve_seat, user,
};

/// Customers have the accounts with their numbers, hotels those from here on.
pub const HOTEL_ACCOUNTS: u32 = 1000;
/// Of the price, this part is paid at once.
const DEPOSIT: u32 = 10;
/// How long it waits for a late statement before it asks again: mostly it is called back before that.
const BACKOFF: Duration = Duration::from_secs(6);

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

/// What was bought. See [`buy()`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bought {
    /// The seat on the flight.
    pub seat: u32,
    /// What a night costs.
    pub price: u32,
    /// The number of the bank's statement.
    pub statement: Uuid,
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

/// The bank's, too: the number of a statement of the payment.
#[beldi::ssf(service = "bank")]
pub async fn issue_statement(payment: Transfer) -> Uuid;

/// A room, a seat, a payment and a confirmation, or nothing of them; then a statement of the payment.
#[beldi::ssf]
pub async fn buy(purchase: Purchase) -> Result<Bought, Declined> {
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
    let seat = beldi::txn(async {
        reserve_room((hotel, id.clone())).await.map_err(Declined::Agency)?;
        let seat = reserve_seat((flight, id.clone())).await.map_err(Declined::Agency)?;
        transfer(payment).await.map_err(|NoFunds| Declined::NoFunds)?;
        confirm(Order { booking: id, hotel, flight, seat }).send().await;
        Ok::<_, Declined>(seat)
    })
    .await?;
    let statement = issue_statement(payment).await;
    Ok(Bought { seat, price, statement })
}

/// The agency's service.
///
/// ```
/// let agency = cloud::services::agency::app();
/// # drop(agency);
/// ```
pub fn app() -> App {
    let limits = Limits { backoff: BACKOFF, backoff_max: BACKOFF, ..super::limits() };
    travel::app().ssf(buy).limits(limits)
}
