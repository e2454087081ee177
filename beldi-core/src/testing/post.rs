//! Carries the letters of the services of a world, and loses, doubles and delays them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::{BoxFuture, pending};

use crate::engine::Service;
use crate::host::{Remote, receive};
use crate::on_demand::{SharedKey, Transport, Unreachable};

/// What happens to one letter. See [`Post::script`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostFault {
    /// Nothing.
    None,
    /// It does not arrive, and the sender is told so.
    Lose,
    /// Neither it nor any word of it arrives.
    Hang,
    /// It arrives, its answer does not.
    LoseAnswer,
    /// It arrives twice; the sender gets the second answer.
    Twice,
    /// The sender is told that there is no answer; after this time it arrives all the same.
    Late(Duration),
}

type Script = Box<dyn FnMut(&str, &str) -> PostFault + Send>;

/// The post office of a world: see [`World::post`](super::World::post).
///
/// ```
/// use beldi::testing::{PostFault, World, in_virtual_time};
/// use beldi::{App, Table};
///
/// const BALANCES: Table<str, u32> = Table::new("balances");
///
/// mod payments {
///     #[beldi::ssf]
///     pub async fn charge(amount: u32) {
///         super::BALANCES.update("ann", |sum| *sum = Some(sum.unwrap_or(0) + amount)).await;
///     }
/// }
///
/// #[beldi::ssf(service = "payments")]
/// async fn charge(amount: u32);
///
/// #[beldi::ssf]
/// async fn order(amount: u32) {
///     charge(amount).await;
/// }
///
/// # fn main() {
/// in_virtual_time(async {
///     let payments = World::new(App::new("payments").ssf(payments::charge));
///     let shop = World::new(App::new("shop").ssf(order)).with(payments);
///     shop.post().script(|_from, to| match to {
///         "payments" => PostFault::Twice,
///         _ => PostFault::None,
///     });
///     shop.call(order(30)).await.unwrap();
///     assert_eq!(shop.service("payments").peek(BALANCES, "ann"), Some(30));
/// });
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Post(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    script: Option<Script>,
    /// Letters that arrived, each with its sender and receiver.
    carried: Vec<(String, String, Vec<u8>)>,
}

impl Post {
    /// What happens to each letter, by its sender and its receiver.
    pub fn script(&self, script: impl FnMut(&str, &str) -> PostFault + Send + 'static) {
        self.state().script = Some(Box::new(script));
    }

    /// Every letter that was handed in, in order: sender, receiver, the letter. What somebody sees who listens.
    pub fn overheard(&self) -> Vec<(String, String, Vec<u8>)> {
        self.state().carried.clone()
    }

    /// Lets two services write to each other.
    pub(super) fn connect(&self, a: &Arc<Service>, b: &Arc<Service>) {
        for (from, to) in [(a, b), (b, a)] {
            let route =
                Route { post: self.clone(), from: from.name.clone(), to: Arc::downgrade(to) };
            let remote = Remote::new(from, &to.name, key(&from.name, &to.name), Arc::new(route));
            from.peers.add(&to.name, Arc::new(remote));
        }
    }

    fn hand_in(&self, from: &str, to: &str, letter: &[u8]) -> PostFault {
        let mut state = self.state();
        state.carried.push((from.to_owned(), to.to_owned(), letter.to_vec()));
        state.script.as_mut().map_or(PostFault::None, |script| script(from, to))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key that two services of a world share.
pub(super) fn key(a: &str, b: &str) -> SharedKey {
    let (first, second) = if a < b { (a, b) } else { (b, a) };
    #[expect(clippy::expect_used, reason = "a test cannot go on without")]
    SharedKey::new(&format!("the secret of {first} and {second}")).expect("a long secret")
}

/// The way from one service to another.
struct Route {
    post: Post,
    from: String,
    to: Weak<Service>,
}

impl Transport for Route {
    fn ask(&self, letter: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, Unreachable>> {
        Box::pin(async move {
            let lost = || Unreachable::NoAnswer("the letter was lost".to_owned());
            let to = self.to.upgrade().ok_or_else(lost)?;
            match self.post.hand_in(&self.from, &to.name, &letter) {
                PostFault::None => deliver(&to, &letter).await,
                PostFault::Lose => Err(lost()),
                PostFault::Hang => pending().await,
                PostFault::LoseAnswer => deliver(&to, &letter).await.and(Err(lost())),
                PostFault::Twice => {
                    let (_, second) = tokio::join!(deliver(&to, &letter), deliver(&to, &letter));
                    second
                }
                PostFault::Late(time) => {
                    tokio::spawn(async move {
                        to.outside.sleep(time).await;
                        let _ = deliver(&to, &letter).await;
                    });
                    Err(lost())
                }
            }
        })
    }
}

pub(super) async fn deliver(to: &Arc<Service>, letter: &[u8]) -> Result<Vec<u8>, Unreachable> {
    let here = to.name.clone();
    let answer = receive(to, letter, |from| Some(key(from, &here))).await;
    answer.map_err(|error| Unreachable::Undeliverable(error.to_string()))
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").finish_non_exhaustive()
    }
}
