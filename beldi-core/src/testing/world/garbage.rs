//! The garbage collectors of a world, and the eye that is kept on them.

use std::sync::PoisonError;

use super::{Rows, Shared, World};
use crate::collector::Collected;
use crate::collector::garbage;
use crate::error::Result;
use crate::protocol::horizon;
use crate::weakness;

impl World {
    /// Runs the garbage collectors of all services until nothing is left that they may take away.
    /// See [`Host::collect_garbage`](crate::Host::collect_garbage).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use beldi::testing::{World, in_virtual_time};
    /// use beldi::{App, Limits, Table};
    ///
    /// const ROOMS: Table<str, u32> = Table::new("rooms");
    ///
    /// #[beldi::ssf]
    /// async fn open_rooms(free: u32) {
    ///     ROOMS.put("ritz", &free).await;
    /// }
    ///
    /// in_virtual_time(async {
    ///     let world = World::new(App::new("travel").ssf(open_rooms));
    ///     world.call(open_rooms(2)).await.unwrap();
    ///     world.settle().await.unwrap();
    ///     assert_eq!(world.collect_garbage().await.unwrap().roots, 0);
    ///     tokio::time::sleep(2 * Limits::default().lag).await;
    ///     assert_eq!(world.collect_garbage().await.unwrap().roots, 1);
    /// });
    /// ```
    ///
    /// # Errors
    ///
    /// The store's, if it gives up.
    ///
    /// # Panics
    ///
    /// If anything went that an unfinished instance or a late duplicate could need, ever since the
    /// world began (unless a [`Weakness`](crate::testing::Weakness) is in force, whose effects are to be seen).
    pub async fn collect_garbage(&self) -> Result<Collected> {
        self.audit();
        let mut total = Collected::default();
        for service in self.services() {
            loop {
                let collected = garbage::collect(service).await?;
                let is_complete = collected.is_complete;
                total = total.plus(collected);
                if is_complete {
                    break;
                }
            }
        }
        self.audit();
        Ok(total)
    }

    /// The same world, whose hosts collect garbage all the time under [`explore`](crate::testing::explore).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use beldi::testing::{World, explore};
    /// use beldi::{App, Limits, Table};
    ///
    /// const VISITS: Table<str, u64> = Table::new("visits");
    ///
    /// #[beldi::ssf]
    /// async fn visit(page: String) -> u64 {
    ///     VISITS.update(&page, |visits| *visits.insert(visits.unwrap_or(0) + 1)).await
    /// }
    ///
    /// let hurried = Limits { lag: Duration::from_millis(40), ..Limits::default() };
    /// let app = App::new("site").ssf(visit).limits(hurried);
    /// explore(
    ///     0..20,
    ///     || World::new(app.clone()).collecting_garbage(),
    ///     async |world| world.call(visit("home".into())).await.unwrap(),
    ///     |world, count| {
    ///         assert_eq!(count, 1);
    ///         assert_eq!(world.peek(VISITS, "home"), Some(1));
    ///     },
    /// );
    /// ```
    #[must_use]
    pub fn collecting_garbage(self) -> Self {
        let shared = Shared { collects: true, ..self.shared.clone() };
        Self { shared, ..self }
    }

    pub(in crate::testing) fn collects(&self) -> bool {
        self.shared.collects
    }

    fn audit(&self) {
        if weakness::is_any() && !self.shared.collects {
            return;
        }
        let worlds = std::iter::once(self).chain(&self.others);
        for world in worlds.clone() {
            let swept = |name: &str| {
                let other = worlds.clone().find(|other| other.parts.name == name);
                other.map_or(0, |other| swept_of(&other.shared.rows))
            };
            let mut audit = world.shared.audit.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(fault) = audit.look(&world.shared.rows.all(), swept) {
                let name = &world.parts.name;
                #[expect(clippy::panic, reason = "this is what tests are for")]
                {
                    panic!("the garbage collector of `{name}` took too much: {fault}");
                }
            }
        }
    }
}

/// How far the service over these rows is swept.
fn swept_of(rows: &Rows) -> u64 {
    rows.at_once(horizon::read(rows.store())).map_or(0, |round| round.swept)
}
