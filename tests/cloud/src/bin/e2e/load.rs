//! What is bought and transferred, and clients that ask for each until they are answered.

use std::time::Duration;

use cloud::services::agency::{Declined, Purchase};
use cloud::services::bank::{NoFunds, Transfer};
use cloud::services::travel::{Booking, CUSTOMERS, PLACES, Receipt, login};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use crate::Result;
use crate::build::{BANK, TRAVEL};
use crate::client::Client;

/// Clients of each service that ask at once.
const CLIENTS: usize = 12;
/// How long a client without an answer waits before it asks again.
const PAUSE: Duration = Duration::from_millis(50);
/// The chance that it does not wait for the answer, and how long it does then.
const HASTE: (f64, Duration) = (0.05, Duration::from_millis(30));
/// How long it goes on asking.
const PATIENCE: Duration = Duration::from_secs(180);
/// Transfers have numbers from here on, purchases those below.
const TRANSFERS: u32 = 1_000_000;

/// All that is asked for.
pub(crate) struct Load {
    pub(crate) seed: u64,
    pub(crate) purchases: Vec<Purchase>,
    pub(crate) transfers: Vec<Transfer>,
    /// Rooms in each hotel, and seats on each flight.
    pub(crate) each: u32,
}

/// All that was answered.
pub(crate) struct Answered<'a> {
    pub(crate) purchases: Vec<(&'a Purchase, Result<Receipt, Declined>)>,
    pub(crate) transfers: Vec<(&'a Transfer, Result<(), NoFunds>)>,
}

impl Load {
    /// As many rooms and seats as bookings, if these were spread evenly; they are not, so some are
    /// refused. So are those of customers without money.
    pub(crate) fn new(bookings: u32, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let purchases = (1..=bookings).map(|number| {
            let customer = random.u32(..CUSTOMERS);
            let booking = Booking {
                id: format!("booking-{number}"),
                login: login(customer),
                hotel: random.u32(..PLACES),
                flight: random.u32(..PLACES),
            };
            Purchase { number, customer, booking }
        });
        let purchases = purchases.collect();
        let transfers = (0..bookings / 2).map(|number| {
            let from = random.u32(..CUSTOMERS);
            let to = (from + random.u32(1..CUSTOMERS)) % CUSTOMERS;
            Transfer { id: TRANSFERS + number, from, to, amount: random.i64(1..=30) }
        });
        let transfers = transfers.collect();
        Self { seed, purchases, transfers, each: bookings.div_ceil(PLACES) }
    }

    /// Sends everything, and returns when all is answered.
    pub(crate) async fn drive(&self, client: &Client) -> Result<Answered<'_>> {
        let purchases = stream::iter(&self.purchases).map(async |purchase| {
            let asked = until_answered(client, TRAVEL, "buy", &purchase.booking.id, purchase);
            Ok::<_, crate::Error>((purchase, asked.await?))
        });
        let transfers = stream::iter(&self.transfers).map(async |transfer| {
            let key = format!("transfer-{}", transfer.id);
            let asked = until_answered(client, BANK, "transfer", &key, transfer);
            Ok::<_, crate::Error>((transfer, asked.await?))
        });
        let (purchases, transfers) = tokio::try_join!(
            purchases.buffer_unordered(CLIENTS).try_collect(),
            transfers.buffer_unordered(CLIENTS / 2).try_collect()
        )?;
        Ok(Answered { purchases, transfers })
    }
}

/// However often it is asked, this is one request: it has one key.
pub(crate) async fn until_answered<I: Serialize, T: DeserializeOwned, E: DeserializeOwned>(
    client: &Client,
    function: &str,
    ssf: &str,
    key: &str,
    input: &I,
) -> Result<Result<T, E>> {
    let asking = async {
        loop {
            let wait = if fastrand::f64() < HASTE.0 { HASTE.1 } else { PATIENCE };
            if let Ok(asked) = timeout(wait, client.ask(function, ssf, key, input)).await
                && let Some(answer) = asked?
            {
                return Ok(answer);
            }
            sleep(PAUSE).await;
        }
    };
    let late = |_| format!("{key} was not answered within {PATIENCE:?}");
    timeout(PATIENCE, asking).await.map_err(late)?
}
