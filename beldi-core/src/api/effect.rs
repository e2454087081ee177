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
/// The result is logged, an `Err` too: return a `Result` to decide on it, or panic to have the
/// attempt repeated.
///
/// ```
/// # async fn charge_card(key: &str, cents: u64) -> Result<u64, String> { Ok(cents) }
/// #[beldi::ssf]
/// async fn pay(cents: u64) -> Result<u64, String> {
///     beldi::effect("charge card", async |key| charge_card(&key, cents).await).await
/// }
/// # use beldi::testing::{World, in_virtual_time};
/// # in_virtual_time(async {
/// # let world = World::new(beldi::App::new("payments").ssf(pay));
/// assert_eq!(world.call(pay(1200)).await?, Ok(1200));
/// # Ok::<(), beldi::Error>(()) }).unwrap();
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
