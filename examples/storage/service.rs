//! The application, pages of a site: one hot key, a spread of cold ones, and keys that come and go.

use std::time::Duration;

use beldi::testing::World;
use beldi::{App, Limits, Table};
use serde::{Deserialize, Serialize};

/// The hot key.
const COUNTS: Table<str, u64> = Table::new("counts");
/// The cold keys.
const PAGES: Table<u32, Page> = Table::new("pages");
/// Each is there for [`DRAFTS_KEPT`] others; then its head is bare.
const DRAFTS: Table<u32, String> = Table::new("drafts");

/// There are the pages below this: each is written less often than once in a [`LAG`].
pub(crate) const PAGES_KEPT: u32 = 1000;
/// So many drafts are there at a time.
const DRAFTS_KEPT: u32 = 50;
/// So far the horizon stays behind.
pub(crate) const LAG: Duration = Duration::from_secs(30);
/// So long the result of a finished request is kept.
pub(crate) const REDELIVERY: Duration = Duration::from_secs(120);

#[derive(Serialize, Deserialize)]
struct Page {
    text: String,
    copied_at: u64,
}

/// A read of a cold key and an update of the hot one.
#[beldi::ssf]
pub(crate) async fn visit(page: u32) -> u64 {
    let length = PAGES.get(&page).await.map_or(0, |page| page.text.len());
    COUNTS.update("visits", |visits| *visits = Some(visits.unwrap_or(0) + 1)).await;
    length as u64
}

/// Two writes that follow from two reads in turn: a slot beside the one with the registration.
#[beldi::ssf]
pub(crate) async fn copy((from, to): (u32, u32)) {
    let Some(mut page) = PAGES.get(&from).await else { return };
    PAGES.put(&to, &page).await;
    page.copied_at = COUNTS.get("visits").await.unwrap_or(0);
    PAGES.put(&from, &page).await;
}

/// A transaction over two cold keys.
#[beldi::txn]
pub(crate) async fn swap((left, right): (u32, u32)) -> Result<(), String> {
    let first = PAGES.get(&left).await.ok_or("no such page")?;
    let second = PAGES.get(&right).await.ok_or("no such page")?;
    PAGES.put(&left, &second).await;
    PAGES.put(&right, &first).await;
    Ok(())
}

/// A new key, and the end of an old one.
#[beldi::ssf]
pub(crate) async fn draft(number: u32) {
    DRAFTS.put(&number, &text(number)).await;
    if let Some(old) = number.checked_sub(DRAFTS_KEPT) {
        DRAFTS.delete(&old).await;
    }
}

/// Texts are equally long, so that only the engine changes what is stored.
fn text(number: u32) -> String {
    format!("{number:0100}")
}

/// All pages; each store request takes a millisecond.
pub(crate) fn world() -> World {
    let limits = Limits { lag: LAG, redelivery: REDELIVERY, ..Limits::default() };
    let app = App::new("site").limits(limits).ssf(visit).ssf(copy).ssf(swap).ssf(draft);
    let visits = 1_000_000;
    let empty = World::new(app).row(COUNTS, "visits", &visits);
    let page = |number| Page { text: text(number), copied_at: visits };
    let world =
        (0..PAGES_KEPT).fold(empty, |world, number| world.row(PAGES, &number, &page(number)));
    world.store().latency(|| Duration::from_millis(1));
    world
}
