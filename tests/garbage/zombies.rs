//! Late requests of every kind, after everything that is taken away: the values stay what others made
//! of them, and the client is told what the first attempt was.

use std::cell::Cell;
use std::fmt::Debug;

use beldi::testing::RequestKind::{self, Update};
use beldi::testing::{Fault, Gate, World, in_virtual_time};
use beldi::{App, Call, InstanceState, Ssf, When};

use crate::schedule::disturb;
use crate::{AT_LAST, Gone, KEY, TEXTS, VALUES, assert_sound, late, limits, set, set_all, settled};

const X: &str = "table/values/x";

#[beldi::ssf]
pub(crate) async fn put() {
    VALUES.put("x", &1).await;
}

#[beldi::ssf]
pub(crate) async fn put_if((from, to): (u64, u64)) -> bool {
    VALUES.put("x", &to).when(When::equals(&from)).await
}

#[beldi::ssf]
pub(crate) async fn count_up() -> u64 {
    VALUES.update("x", |x| *x.insert(x.unwrap_or(0) + 1)).await
}

#[beldi::ssf]
pub(crate) async fn delete() {
    VALUES.delete("x").await;
}

/// Takes what it has read to a row that depends on it.
#[beldi::ssf]
pub(crate) async fn carry() -> u64 {
    let place = VALUES.get("place").await.unwrap_or(0);
    VALUES.put(&format!("at-{place}"), &1).await;
    place
}

/// The same, registered before.
#[beldi::ssf]
pub(crate) async fn put_then_carry() -> u64 {
    VALUES.put("a", &1).await;
    let place = VALUES.get("place").await.unwrap_or(0);
    VALUES.put(&format!("at-{place}"), &1).await;
    place
}

/// The same, with a log too large for one row.
#[beldi::ssf]
async fn put_then_carry_much() -> u64 {
    VALUES.put("a", &1).await;
    let place = VALUES.get("place").await.unwrap_or(0);
    for _ in 0..2 {
        TEXTS.get("long").await;
    }
    VALUES.put(&format!("at-{place}"), &1).await;
    place
}

#[beldi::ssf]
pub(crate) async fn lock_and_add() -> u64 {
    let Ok(value) = VALUES.lock("x").await else { return 0 };
    let value = value.unwrap_or(0) + 1;
    VALUES.put("x", &value).await;
    VALUES.unlock("x").await;
    value
}

#[beldi::txn]
pub(crate) async fn add() -> Result<u64, ()> {
    let value = VALUES.get("x").await.unwrap_or(0) + 1;
    VALUES.put("x", &value).await;
    Ok(value)
}

/// A transaction that locks what a value names which it has locked before.
#[beldi::txn]
pub(crate) async fn add_where_told() -> Result<u64, ()> {
    let place = VALUES.get("place").await.unwrap_or(0);
    let key = format!("at-{place}");
    let value = VALUES.get(&key).await.unwrap_or(0) + 1;
    VALUES.put(&key, &value).await;
    Ok(value)
}

#[beldi::ssf]
pub(crate) async fn note() {
    VALUES.update("notes", |notes| *notes = Some(notes.unwrap_or(0) + 1)).await;
}

thread_local! {
    /// Whether who has sent fails before its end.
    static FAILS: Cell<bool> = const { Cell::new(false) };
}

#[beldi::ssf]
pub(crate) async fn put_then_send() {
    VALUES.put("a", &1).await;
    note().send().await;
    assert!(!FAILS.get(), "as it was told");
}

pub(crate) fn world(marks: u32) -> World {
    let app = App::new("zombies").limits(limits(marks)).ssf(set);
    let app = app.ssf(put).ssf(put_if).ssf(count_up).ssf(delete);
    let app = app.ssf(carry).ssf(put_then_carry).ssf(put_then_carry_much);
    let app = app.ssf(lock_and_add).ssf(add).ssf(add_where_told).ssf(note).ssf(put_then_send);
    World::new(app)
}

/// A root, one request of which is late.
struct Zombie<C> {
    ask: C,
    /// Which request to such a row is late, counted from 0.
    late: (RequestKind, &'static str, usize),
    /// The values in the beginning.
    rows: &'static [(&'static str, u64)],
    /// What others set before another attempt runs.
    before: &'static [(&'static str, u64)],
    /// What others set once the root is finished, and again when the collector was there.
    after: &'static [(&'static str, u64)],
    /// What may be gone.
    gone: &'static [Gone],
}

impl<C> Zombie<C> {
    /// A write of `x`.
    fn of(ask: C, nth: usize) -> Self {
        let after = &[("x", 50), ("x", 60), ("x", 70)];
        Self { ask, late: (Update, X, nth), rows: &[], before: &[], after, gone: &Gone::ALL }
    }

    /// A root that goes where `place` tells, which was another place for the first attempt.
    fn that_carries(ask: C, target: &'static str, nth: usize) -> Self {
        let after = &[("at-0", 50), ("at-1", 60), ("place", 2), ("at-1", 70), ("at-0", 80)];
        let (before, gone) = (&[("place", 1)], &Gone::WITHIN_THE_WINDOW);
        Self { ask, late: (Update, target, nth), rows: &[("place", 0)], before, after, gone }
    }

    fn rules(&self, fault: Fault) -> Vec<(RequestKind, &'static str, Fault)> {
        let (kind, target, nth) = self.late;
        let mut rules = vec![(kind, target, Fault::None); nth];
        rules.push((kind, target, fault));
        rules
    }

    fn world(&self, marks: u32) -> World {
        let world = world(marks).row(TEXTS, "long", &"a".repeat(200_000));
        self.rows.iter().fold(world, |world, (key, value)| world.row(VALUES, *key, value))
    }

    /// Lets the root finish on another host, or on its own, and the collector come.
    async fn overtaken<S: Ssf>(&self, host: &World, gone: Gone) -> S::Output
    where
        C: Fn() -> Call<S>,
    {
        set_all(host, self.before).await;
        let first = host.call((self.ask)()).key(KEY).await.unwrap();
        settled(host).await;
        set_all(host, self.after).await;
        gone.by(host).await;
        set_all(host, self.after).await;
        first
    }

    /// Lets the request come in every way after everything that may be gone.
    fn does_no_harm<S: Ssf>(self)
    where
        C: Fn() -> Call<S>,
        S::Output: Debug + PartialEq,
    {
        for &gone in self.gone {
            for marks in [1, 2, 16] {
                for wait in [Fault::WaitBefore, Fault::WaitAfter] {
                    in_virtual_time(self.held(gone, marks, wait));
                }
                in_virtual_time(self.redelivered(gone, marks));
            }
        }
    }

    /// An attempt sleeps before it sends the request, or before it sees the answer.
    async fn held<S: Ssf>(&self, gone: Gone, marks: u32, wait: fn(Gate) -> Fault)
    where
        C: Fn() -> Call<S>,
        S::Output: Debug + PartialEq,
    {
        let (world, gate) = (self.world(marks), Gate::default());
        disturb(world.store(), self.rules(wait(gate.clone())));
        let host = world.new_host();
        let (mut first, mut rows) = (None, Vec::new());
        let told = late(world.call((self.ask)()).key(KEY), gate, async {
            first = Some(self.overtaken(&host, gone).await);
            rows = host.rows(VALUES);
        });
        let told = told.await;
        let way = format!("{:?}", wait(Gate::default()));
        let way = way.split('(').next().unwrap_or_default();
        let case = format!("{gone:?}, {marks} marks, {way}");
        match told {
            Ok(told) => assert_eq!(Some(told), first, "{case}"),
            Err(error) => assert_eq!(gone, Gone::Tombstones, "{case}: {error}"),
        }
        check(&host, &rows, gone, &case).await;
    }

    /// The store is slow: the attempt has repeated the request long ago.
    async fn redelivered<S: Ssf>(&self, gone: Gone, marks: u32)
    where
        C: Fn() -> Call<S>,
    {
        let world = self.world(marks);
        disturb(world.store(), self.rules(Fault::Late(AT_LAST)));
        self.overtaken(&world, gone).await;
        let rows = world.rows(VALUES);
        tokio::time::sleep(AT_LAST).await;
        check(&world, &rows, gone, &format!("{gone:?}, {marks} marks, redelivered")).await;
    }
}

/// Nothing has changed, and within the window the root is known.
async fn check(host: &World, rows: &[(String, u64)], gone: Gone, case: &str) {
    settled(host).await;
    assert_eq!(host.rows(VALUES), rows, "{case}");
    assert_sound(host);
    if gone != Gone::Tombstones {
        let instance = host.instance(KEY).await.unwrap();
        assert_eq!(instance.state, InstanceState::Done, "{case}");
    }
}

#[test]
fn a_late_put_changes_nothing() {
    Zombie::of(put, 0).does_no_harm();
}

#[test]
fn a_late_delete_changes_nothing() {
    Zombie::of(delete, 0).does_no_harm();
}

#[test]
fn a_late_update_changes_nothing() {
    Zombie::of(count_up, 0).does_no_harm();
}

#[test]
fn a_late_conditional_put_changes_nothing_though_its_condition_holds_again() {
    let after = &[("x", 50), ("x", 1)];
    let rows = &[("x", 1)];
    Zombie { rows, after, ..Zombie::of(|| put_if((1, 5)), 0) }.does_no_harm();
}

#[test]
fn a_late_conditional_put_stays_undone_though_its_condition_holds_now() {
    let after = &[("x", 50), ("x", 1)];
    for nth in [0, 1] {
        Zombie { after, ..Zombie::of(|| put_if((1, 5)), nth) }.does_no_harm();
    }
}

#[test]
fn a_late_first_slot_leads_nowhere_else() {
    Zombie::that_carries(carry, "root/k/intent", 0).does_no_harm();
}

#[test]
fn a_late_slot_leads_nowhere_else() {
    Zombie::that_carries(put_then_carry, "root/k/slot/*", 0).does_no_harm();
}

#[test]
fn a_late_slot_of_many_rows_leads_nowhere_else() {
    for row in ["root/k/slot/*/0000", "root/k/slot/*/00000001"] {
        Zombie::that_carries(put_then_carry_much, row, 0).does_no_harm();
    }
}

#[test]
fn a_late_lock_is_not_taken_and_a_late_unlock_frees_nobody_elses() {
    for nth in [0, 1, 2] {
        Zombie::of(lock_and_add, nth).does_no_harm();
    }
}

#[test]
fn a_late_lock_or_settling_of_a_transaction_changes_nothing() {
    for nth in [0, 1] {
        Zombie { gone: &Gone::WITHIN_THE_WINDOW, ..Zombie::of(add, nth) }.does_no_harm();
    }
}

#[test]
fn a_late_lock_elsewhere_leads_to_no_second_decision() {
    Zombie::that_carries(add_where_told, "table/values/at-0", 0).does_no_harm();
}

#[test]
fn a_late_decision_decides_nothing() {
    Zombie {
        late: (Update, "root/k/txn/*", 0),
        gone: &Gone::WITHIN_THE_WINDOW,
        ..Zombie::of(add, 0)
    }
    .does_no_harm();
}

#[test]
fn a_late_send_begins_nothing() {
    let (late, gone) = ((Update, "root/~*", 0), &Gone::WITHIN_THE_WINDOW);
    Zombie { late, gone, ..Zombie::of(put_then_send, 0) }.does_no_harm();
}
