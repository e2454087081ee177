//! What a store may do by itself: remove rows whose time is over, and show an index that lags. And how
//! long the tombstones of an SSF are kept that has a window of its own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use beldi::store::{
    Condition, DuePage, DueQuery, Key, MemoryStore, Page, Query, Result, Row, Store, Update,
    Updated,
};
use beldi::testing::RequestKind::Update as Change;
use beldi::testing::{Fault, Gate, World, in_virtual_time};
use beldi::{App, InstanceState};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::schedule::disturb;
use crate::zombies::{add, count_up, note, put_then_carry, put_then_send};
use crate::{
    Gone, KEY, LAG, VALUES, WINDOW, assert_sound, collected, federation, late, limits, settled,
};

/// Everything but the index and the rest, as another store does it.
macro_rules! as_inner {
    () => {
        fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Row>>> {
            self.rows.get(key)
        }

        fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page>> {
            self.rows.query(query)
        }
    };
}

/// The rows that have to go last are asked for so much later: a store may be late with the others.
const LATEST_REMOVAL: Duration = Duration::from_secs(3 * 24 * 3600);

/// Removes rows by their `ttl`, when it is told to ([`expired`]).
struct Expiring {
    rows: Arc<MemoryStore>,
}

impl Store for Expiring {
    as_inner!();

    fn update<'a>(&'a self, key: &'a Key, update: &'a Update) -> BoxFuture<'a, Result<Updated>> {
        self.rows.update(key, update)
    }

    fn due<'a>(&'a self, query: &'a DueQuery) -> BoxFuture<'a, Result<DuePage>> {
        self.rows.due(query)
    }

    fn delete<'a>(&'a self, key: &'a Key, when: &'a Condition) -> BoxFuture<'a, Result<bool>> {
        self.rows.delete(key, when)
    }

    fn expires(&self) -> bool {
        true
    }
}

/// Rows of a world that have a `ttl`.
fn with_ttl(world: &World) -> Vec<(Key, i128)> {
    let rows = world.stored().into_iter();
    rows.filter_map(|(key, row)| Some((key, row.int("ttl")?))).collect()
}

/// The store removes whatever it may now.
async fn expired(world: &World) {
    let now = i128::from(world.now() / 1000);
    for (key, ttl) in with_ttl(world) {
        if ttl < now {
            world.store().delete(&key, &Condition::always()).await.unwrap();
        }
    }
}

fn app() -> App {
    let app = App::new("stores").limits(limits(2)).ssf(count_up).ssf(add).ssf(put_then_carry);
    app.ssf(put_then_send).ssf(note)
}

/// Rows but values and what the service knows of itself.
fn left(world: &World) -> Vec<String> {
    let is_left = |(key, row): &(Key, Row)| key.partition != "service" && row.get("v").is_none();
    world.stored().into_iter().filter(is_left).map(|(key, _)| key.to_string()).collect()
}

#[test]
fn tombstones_expire_by_the_store_where_it_can() {
    in_virtual_time(async {
        let world = World::new(app()).over(|rows| Expiring { rows });
        let ask = async || {
            let counted = world.call(count_up()).key("one").await.unwrap();
            let place = world.call(put_then_carry()).key("two").await.unwrap();
            let added = world.call(add()).key("three").await.unwrap().unwrap();
            world.call(put_then_send()).key("four").await.unwrap();
            (counted, place, added)
        };
        assert_eq!(ask().await, (1, 0, 2));
        settled(&world).await;
        assert_eq!(with_ttl(&world), []);
        tokio::time::sleep(2 * LAG).await;
        collected(&world).await;
        assert!(!with_ttl(&world).is_empty());
        for _ in 0..3 {
            expired(&world).await;
            assert_eq!(ask().await, (1, 0, 2), "a duplicate gets the first result");
            tokio::time::sleep(WINDOW / 4).await;
            collected(&world).await;
        }
        for _ in 0..3 {
            tokio::time::sleep(WINDOW + 2 * LAG + LATEST_REMOVAL).await;
            collected(&world).await;
            expired(&world).await;
        }
        assert_eq!(left(&world), [""; 0]);
        assert_eq!((world.peek(VALUES, "x"), world.peek(VALUES, "notes")), (Some(2), Some(1)));
        assert_sound(&world);
    });
}

/// The caller is parked, so it may call again: until it is over, no clock says that its callee is.
#[test]
fn what_another_service_called_does_not_expire_before_its_caller_is_over() {
    in_virtual_time(async {
        let world = federation::world_over(|rows| Expiring { rows });
        let bank = || world.service("bank");
        federation::parks_after_paying(&world).await;
        for _ in 0..3 {
            Gone::Tombstones.by(&world).await;
            expired(bank()).await;
        }
        let called = |(key, _): &(Key, Row)| key.partition.starts_with("root/~");
        assert!(bank().stored().iter().any(called), "it answers when it is called again");
        world.resume(KEY).await.unwrap();
        settled(&world).await;
        assert_eq!(world.instance(KEY).await.unwrap().state, InstanceState::Done);
        assert_eq!(bank().peek(VALUES, "x"), Some(1));
        for _ in 0..4 {
            tokio::time::sleep(10 * LAG + LATEST_REMOVAL).await;
            Gone::Tombstones.by(&world).await;
            expired(bank()).await;
        }
        assert!(!bank().stored().iter().any(called));
    });
}

/// Shows the index as it was some time ago.
struct Lagging {
    rows: Arc<MemoryStore>,
    shown: MemoryStore,
    /// What is not shown yet: when it happened, and the row as it became.
    coming: Mutex<Vec<(Instant, Key, Option<Row>)>>,
    /// What it says of itself.
    told: Duration,
}

const INDEX_LAG: Duration = Duration::from_secs(30);

impl Lagging {
    fn over(rows: Arc<MemoryStore>, told: Duration) -> Self {
        Self { rows, shown: MemoryStore::new(), coming: Mutex::default(), told }
    }

    fn changed(&self, key: &Key, row: Option<Row>) {
        self.coming.lock().unwrap().push((Instant::now(), key.clone(), row));
    }

    async fn show(&self) -> Result<()> {
        let now = Instant::now();
        let is_shown = |(at, ..): &mut (Instant, Key, Option<Row>)| *at + INDEX_LAG <= now;
        let come: Vec<_> = self.coming.lock().unwrap().extract_if(.., is_shown).collect();
        for (_, key, row) in come {
            self.shown.delete(&key, &Condition::always()).await?;
            if let Some(Row(attributes)) = row {
                let mut update = Update::when(Condition::always());
                update.set = attributes.into_iter().collect();
                self.shown.update(&key, &update).await?;
            }
        }
        Ok(())
    }
}

impl Store for Lagging {
    as_inner!();

    fn update<'a>(&'a self, key: &'a Key, update: &'a Update) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move {
            let updated = self.rows.update(key, update).await?;
            if let Updated::Applied(row) = &updated {
                self.changed(key, Some(row.clone()));
            }
            Ok(updated)
        })
    }

    fn due<'a>(&'a self, query: &'a DueQuery) -> BoxFuture<'a, Result<DuePage>> {
        Box::pin(async move {
            self.show().await?;
            self.shown.due(query).await
        })
    }

    fn delete<'a>(&'a self, key: &'a Key, when: &'a Condition) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let is_gone = self.rows.delete(key, when).await?;
            if is_gone {
                self.changed(key, None);
            }
            Ok(is_gone)
        })
    }

    fn due_lag(&self) -> Duration {
        self.told
    }
}

/// How far the horizon has passed a root that registers late, just before a round, and goes on for long.
fn passed_by(told: Duration) -> u64 {
    in_virtual_time(async {
        let world = World::new(app()).over(|rows| Lagging::over(rows, told));
        let [registers, writes] = [(); 2].map(|()| Gate::default());
        let began = world.now();
        disturb(
            world.store(),
            [
                (Change, "root/k/intent", Fault::WaitBefore(registers.clone())),
                (Change, "table/values/x", Fault::WaitBefore(writes.clone())),
            ],
        );
        let host = world.new_host();
        let mut horizon = 0;
        let told = late(world.call(count_up()).key(KEY), registers.clone(), async {
            tokio::time::sleep(LAG + Duration::from_secs(1)).await;
        });
        let meanwhile = async {
            writes.reached().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            horizon = host.collect_garbage().await.unwrap().horizon;
            writes.open();
        };
        assert_eq!(tokio::join!(told, meanwhile).0.unwrap(), 1);
        horizon.saturating_sub(began)
    })
}

#[test]
fn a_lagging_index_hides_no_live_root() {
    assert_eq!(passed_by(INDEX_LAG), 0);
    // It takes a store that lies about it to break that.
    assert_ne!(passed_by(Duration::ZERO), 0);
}

/// What the index still shows is gone already, and the wait for it is longer than a run may take.
#[test]
fn a_lagging_index_keeps_nothing_for_ever() {
    in_virtual_time(async {
        let world = World::new(app()).over(|rows| Lagging::over(rows, INDEX_LAG));
        for key in ["one", "two", "three"] {
            world.call(count_up()).key(key).await.unwrap();
        }
        assert_eq!(world.call(add()).key("four").await.unwrap(), Ok(4));
        for _ in 0..4 {
            Gone::Tombstones.by(&world).await;
        }
        assert_eq!(left(&world), [""; 0]);
        assert_eq!(world.peek(VALUES, "x"), Some(4));
        assert_sound(&world);
    });
}

#[test]
fn an_ssf_may_have_a_window_of_its_own() {
    in_virtual_time(async {
        let world = World::new(app().redelivery(count_up, 10 * WINDOW));
        assert_eq!(world.call(count_up()).key("long").await.unwrap(), 1);
        assert_eq!(world.call(add()).key("short").await.unwrap(), Ok(2));
        settled(&world).await;
        Gone::Tombstones.by(&world).await;
        Gone::Tombstones.by(&world).await;
        assert_eq!(world.call(count_up()).key("long").await.unwrap(), 1);
        assert_eq!(world.call(add()).key("short").await.unwrap(), Ok(3), "it is a new request");
        settled(&world).await;
        tokio::time::sleep(10 * WINDOW).await;
        collected(&world).await;
        assert_eq!(world.call(count_up()).key("long").await.unwrap(), 4, "so is this");
    });
}
