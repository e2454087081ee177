//! What is bought and transferred, and clients that ask for each until they are answered.

use std::time::Duration;

use cloud::services::agency::{Bought, Purchase};
use cloud::services::bank::Transfer;
use cloud::services::travel::{Booking, CUSTOMERS, PLACES, login};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::Result;
use crate::build::{BANK, RAW, TRAVEL};
use crate::client::{Answer, Client, NoAnswer};

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
    /// How many bookings are asked for at once; half as many transfers.
    clients: usize,
}

/// What was answered: each number, and whether it was accepted.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    pub(crate) purchases: Vec<(u32, bool)>,
    pub(crate) transfers: Vec<(u32, bool)>,
    /// The numbers of the statements that came with purchases.
    pub(crate) statements: Vec<(u32, Uuid)>,
}

/// However often it is asked, this is one request: it has one key.
struct Request {
    number: u32,
    function: &'static str,
    ssf: &'static str,
    key: String,
    input: Value,
}

impl Load {
    /// As many rooms and seats as bookings, if these were spread evenly; they are not, so some are
    /// refused. So are those of customers without money.
    pub(crate) fn new(bookings: u32, clients: u16, seed: u64) -> Self {
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
        let each = bookings.div_ceil(PLACES);
        Self { seed, purchases, transfers, each, clients: clients.into() }
    }

    /// Puts hotels, flights and users into the table of a function.
    pub(crate) async fn open_business(
        &self,
        client: &Client,
        function: &'static str,
    ) -> Result<()> {
        let (ssf, key, input) = ("stock", "stock".to_owned(), json!(self.each));
        let stock = Request { number: 0, function, ssf, key, input };
        stock.until_answered(client).await.map(drop)
    }

    /// Sends everything, and returns when all is answered.
    pub(crate) async fn drive(&self, client: &Client) -> Result<Answered> {
        let purchases = self.purchases.iter().map(|purchase| Request {
            number: purchase.number,
            function: TRAVEL,
            ssf: "buy",
            key: purchase.booking.id.clone(),
            input: json!(purchase),
        });
        let transfers = self.transfers.iter().map(|transfer| Request {
            number: transfer.id,
            function: BANK,
            ssf: "transfer",
            key: format!("transfer-{}", transfer.id),
            input: json!(transfer),
        });
        let (purchases, transfers) = tokio::try_join!(
            all(client, purchases, self.clients),
            all(client, transfers, self.clients.div_ceil(2))
        )?;
        let statements = statements(&purchases)?;
        let (purchases, transfers) = (accepted(&purchases), accepted(&transfers));
        Ok(Answered { purchases, transfers, statements })
    }

    /// The bookings alone, to the function without beldi.
    pub(crate) async fn drive_raw(&self, client: &Client) -> Result<Answered> {
        let bookings = self.purchases.iter().map(|purchase| Request {
            number: purchase.number,
            function: RAW,
            ssf: "book",
            key: purchase.booking.id.clone(),
            input: json!(purchase.booking),
        });
        let purchases = accepted(&all(client, bookings, self.clients).await?);
        Ok(Answered { purchases, ..Answered::default() })
    }
}

async fn all(
    client: &Client,
    requests: impl Iterator<Item = Request>,
    at_once: usize,
) -> Result<Vec<(u32, Answer)>> {
    let answers = stream::iter(requests).map(async |request| {
        let answer = request.until_answered(client).await?;
        Ok((request.number, answer))
    });
    answers.buffer_unordered(at_once).try_collect().await
}

fn accepted(answers: &[(u32, Answer)]) -> Vec<(u32, bool)> {
    answers.iter().map(|(number, answer)| (*number, answer.is_ok())).collect()
}

fn statements(purchases: &[(u32, Answer)]) -> Result<Vec<(u32, Uuid)>> {
    let bought =
        purchases.iter().filter_map(|(number, answer)| Some((number, answer.as_ref().ok()?)));
    bought.map(|(number, answer)| Ok((*number, Bought::deserialize(answer)?.statement))).collect()
}

impl Request {
    async fn until_answered(&self, client: &Client) -> Result<Answer> {
        let Self { function, ssf, key, input, .. } = self;
        let mut last = "nothing was heard".to_owned();
        let asking = async {
            loop {
                let wait = if fastrand::f64() < HASTE.0 { HASTE.1 } else { PATIENCE };
                match timeout(wait, client.ask(function, ssf, key, input)).await {
                    Ok(Ok(answer)) => return Ok(answer),
                    Ok(Err(NoAnswer { is_final: true, why })) => return Err(why),
                    Ok(Err(NoAnswer { why, .. })) => last = why,
                    Err(_) => {}
                }
                sleep(PAUSE).await;
            }
        };
        let asked = timeout(PATIENCE, asking).await;
        let asked = asked.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}; {last}")));
        asked.map_err(|why| format!("{function}, {key}: {why}").into())
    }
}
