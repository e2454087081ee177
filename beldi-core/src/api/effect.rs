//! Steps in the outside world.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::operation::{At, Operation};
use super::{decode, encode};

/// A step in the outside world: see [`effect`].
#[derive(Debug)]
#[must_use = "an effect does nothing until it is awaited"]
pub struct Effect<F> {
    name: &'static str,
    act: F,
}

/// Does something outside of beldi, and logs what it returned.
///
/// The body runs **at least once**: after a crash it may run again, until its result is logged. It
/// gets an idempotency key that stays the same in every attempt; hand it to the service you call.
/// `T` is recorded, errors too: return a `Result` to decide on it, or panic to have the attempt
/// repeated.
///
/// ```
/// # use beldi_core as beldi;
/// # async fn charge_card(key: &str, cents: u64) -> Result<u32, String> { Ok(1) }
/// let receipt = beldi::effect("charge card", async |key| charge_card(&key, 1200).await);
/// // in an SSF: let receipt = receipt.await?;
/// # drop(receipt);
/// ```
pub fn effect<F, T>(name: &'static str, act: F) -> Effect<F>
where
    F: AsyncFnOnce(String) -> T,
{
    Effect { name, act }
}

impl<F, Fut, T> Operation for Effect<F>
where
    F: FnOnce(String) -> Fut + Send,
    Fut: Future<Output = T> + Send,
    T: Serialize + DeserializeOwned + Send,
{
    type Output = T;

    async fn perform(self, at: At) -> T {
        let Self { name, act } = self;
        let logged = at.0.effect(name, async |key| {
            let result = act(key).await;
            encode(&result, &format!("the result of effect `{name}`"))
        });
        let value = logged.await;
        at.0.check(decode(value, &format!("the result of effect `{name}`"))).await
    }
}
