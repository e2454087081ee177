//! The bookings, and clients that ask for each until they are answered.

use std::future::Future;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::Result;
use crate::service::{Booking, CUSTOMERS, PLACES, Receipt, Refused, login};

/// What the service says to a booking.
pub(crate) type Answer = Result<Receipt, Refused>;

/// Clients that book at once.
const CLIENTS: usize = 48;
/// How often the service is killed.
pub(crate) const KILLS: usize = 3;
/// How long a client without an answer waits before it asks again.
const PAUSE: Duration = Duration::from_millis(20);
/// The chance that it does not wait for the answer, and how long it does then.
const HASTE: (f64, Duration) = (0.05, Duration::from_millis(10));
/// How long it goes on asking.
const PATIENCE: Duration = Duration::from_secs(120);

/// Something bookings can be sent to.
pub(crate) trait Target {
    /// Asks once. `None`: no answer came, ask again; `Err`: none will ever come.
    fn book(&self, booking: &Booking) -> impl Future<Output = Result<Option<Answer>>>;

    /// Ends everything that runs, where it stands, and starts again.
    fn kill(&self) -> impl Future<Output = Result<()>>;
}

/// What is asked for, and when the service is killed meanwhile.
pub(crate) struct Load {
    pub(crate) seed: u64,
    pub(crate) bookings: Vec<Booking>,
    /// Rooms in each hotel, and seats on each flight.
    pub(crate) each: u32,
    /// After so many answers the service is killed.
    kills: [usize; KILLS],
}

impl Load {
    /// As many rooms and seats as bookings, if these were spread evenly; they are not, so some are
    /// refused.
    pub(crate) fn new(bookings: u32, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let booking = |number| Booking {
            id: format!("booking-{number}"),
            login: login(random.u32(..CUSTOMERS)),
            hotel: random.u32(..PLACES),
            flight: random.u32(..PLACES),
        };
        let bookings: Vec<_> = (1..=bookings).map(booking).collect();
        let part = bookings.len() / (KILLS + 1);
        let kills = [1, 2, 3].map(|kill| kill * part + random.usize(..=part / 2));
        let each = u32::try_from(bookings.len()).unwrap_or(u32::MAX).div_ceil(PLACES);
        Self { seed, bookings, each, kills }
    }

    /// Sends all bookings, kills the service now and then, and returns when all are answered.
    pub(crate) async fn drive(
        &self,
        name: &'static str,
        target: &impl Target,
    ) -> Result<Vec<(&Booking, Answer)>> {
        let bar = bar(name, self.bookings.len());
        let answered = watch::Sender::new(0);
        let answers = stream::iter(&self.bookings)
            .map(async |booking| Ok((booking, until_answered(target, booking).await?)))
            .buffer_unordered(CLIENTS)
            .inspect_ok(|_| {
                answered.send_modify(|answered| *answered += 1);
                bar.inc(1);
            })
            .try_collect();
        let (answers, ()) = tokio::try_join!(answers, self.kill_now_and_then(target, &answered))?;
        bar.finish();
        Ok(answers)
    }

    async fn kill_now_and_then(
        &self,
        target: &impl Target,
        answered: &watch::Sender<usize>,
    ) -> Result<()> {
        for kill in self.kills {
            answered.subscribe().wait_for(|answered| *answered >= kill).await?;
            target.kill().await?;
        }
        Ok(())
    }
}

async fn until_answered(target: &impl Target, booking: &Booking) -> Result<Answer> {
    let asking = async {
        loop {
            let wait = if fastrand::f64() < HASTE.0 { HASTE.1 } else { PATIENCE };
            if let Ok(asked) = timeout(wait, target.book(booking)).await
                && let Some(answer) = asked?
            {
                return Ok(answer);
            }
            sleep(PAUSE).await;
        }
    };
    let late = |_| format!("{} was not answered within {PATIENCE:?}", booking.id);
    timeout(PATIENCE, asking).await.map_err(late)?
}

/// A bar on standard error; none where nobody watches.
fn bar(name: &'static str, bookings: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:10} {wide_bar} {pos}/{len} bookings {elapsed}");
    ProgressBar::new(bookings as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(name)
}
