//! The one loop that sends requests again.
//!
//! The SDK's own repetitions are off: they would multiply with these, and leave conflicts alone. A
//! request that fails for now is sent again after a growing, jittered wait, until the time of the
//! request is over. No try may take all of that time, since the likeliest reason for silence, right
//! after a function was thawed, is a connection that is dead.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use futures_util::future::{Either, maybe_done, select};
use tracing::debug;

use super::super::{Result, StoreError};
use super::errors::{Answer, Asked, Failure, classify};
use crate::outside::Outside;

/// How long to insist.
#[derive(Clone)]
pub(super) struct Patience {
    pub(super) outside: Arc<dyn Outside>,
    /// For all tries of a request together.
    pub(super) request_time: Duration,
    /// For one.
    pub(super) try_time: Duration,
}

/// The wait after the first try, in milliseconds, doubled for each further one.
const FIRST_WAIT: u64 = 20;
/// The longest wait.
const LONGEST_WAIT: u64 = 250;

impl Patience {
    /// Sends a request until it succeeds, fails for good, or the time is over.
    pub(super) async fn ask<T, E, F>(&self, asked: Asked<'_>, send: impl Fn() -> F) -> Result<T>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let mut over = maybe_done(self.outside.sleep(self.request_time));
        let mut tries = 1;
        loop {
            let silence = select(self.outside.sleep(self.try_time), &mut over);
            let why = match select(std::pin::pin!(send()), silence).await {
                Either::Left((Ok(output), _)) => return Ok(output),
                Either::Left((Err(error), _)) => match classify(Answer::from(&error), asked) {
                    Failure::Final(error) => return Err(error),
                    Failure::Again(why) => why,
                },
                Either::Right(_) => "no answer".to_owned(),
            };
            debug!(%asked, tries, why, "a request to DynamoDB is sent again");
            if let Either::Right(_) = select(self.wait(tries), &mut over).await {
                let within = self.request_time;
                let why = format!("{asked} failed {tries} times within {within:?}, at last: {why}");
                return Err(StoreError::Unavailable(why));
            }
            tries += 1;
        }
    }

    /// Between half of the wait that is due after so many tries and all of it.
    fn wait(&self, tries: u32) -> futures_util::future::BoxFuture<'static, ()> {
        let longest = (FIRST_WAIT << (tries - 1).min(16)).min(LONGEST_WAIT);
        let wait = longest / 2 + self.outside.random() % (longest / 2 + 1);
        self.outside.sleep(Duration::from_millis(wait))
    }
}
