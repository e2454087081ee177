//! What beldi relies on in a store, as a suite that every implementation must pass.
//!
//! The suite only asks for what the [`Store`] trait promises: it waits for the due index, and it
//! leaves open what stores decide differently, such as the kind of a number without a fraction
//! once it was stored as a float.

#![cfg_attr(
    not(test),
    expect(clippy::expect_used, clippy::panic, reason = "a check fails by panicking")
)]

mod conditions;
mod due;
mod limits;
mod queries;
mod races;
mod updates;
mod values;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::Value;
use crate::store::{Condition, Key, Row, Store, Update, Updated};

/// Runs every check against an empty store; panics with the names of those that failed.
///
/// Each check keeps to partitions and due shards of its own. Run it in a multi-threaded runtime, so
/// that the races are real ones.
///
/// ```
/// use std::sync::Arc;
///
/// use beldi::store::MemoryStore;
/// use beldi::testing::conformance;
///
/// # tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap().block_on(async {
/// conformance::run(Arc::new(MemoryStore::new())).await;
/// # });
/// ```
pub async fn run<S: Store>(store: Arc<S>) {
    let mut failed = Vec::new();
    for check in checks() {
        let bed = Bed { store: Arc::clone(&store), partition: check.name };
        if let Err(panic) = tokio::spawn((check.run)(bed)).await {
            failed.push(format!("{}: {panic}", check.name));
        }
    }
    assert!(failed.is_empty(), "the store fails {} checks:\n{}", failed.len(), failed.join("\n"));
}

struct Check<S> {
    name: &'static str,
    run: fn(Bed<S>) -> BoxFuture<'static, ()>,
}

macro_rules! checks {
    ($($module:ident::$name:ident,)*) => {
        vec![$(Check {
            name: concat!(stringify!($module), "::", stringify!($name)),
            run: |bed| Box::pin(async move { $module::$name(&bed).await }),
        }),*]
    };
}

fn checks<S: Store>() -> Vec<Check<S>> {
    checks![
        conditions::hold_as_in_the_table,
        conditions::judge_an_absent_row_as_one_without_attributes,
        conditions::guard_deletes,
        updates::an_absent_row_is_none,
        updates::create_change_and_keep_attributes,
        updates::set_then_add_then_remove,
        updates::refuse_with_the_row_as_it_was,
        updates::repeat_without_harm,
        updates::touch_one_row_only,
        updates::delete_the_row,
        values::come_back_as_they_were,
        values::nest,
        limits::large_rows_fit,
        limits::too_large_rows_are_refused_whole,
        limits::keys_have_a_length,
        queries::order_by_bytes,
        queries::keep_to_the_partition,
        queries::keep_to_the_prefix,
        queries::page_without_gaps,
        queries::go_on_behind_a_deleted_row,
        queries::cut_pages_by_size,
        queries::read_large_partitions,
        due::rows_enter_move_and_leave,
        due::orders_by_number,
        due::ends_where_it_is_told,
        due::keeps_shards_apart,
        due::pages_without_gaps,
        due::cuts_pages_by_size,
        races::adds_add_up,
        races::one_creator_wins,
        races::one_deleter_wins,
        races::swaps_never_lose_an_update,
    ]
}

/// A store and the partition of a check.
struct Bed<S> {
    store: Arc<S>,
    partition: &'static str,
}

impl<S: Store> Bed<S> {
    fn key(&self, sort: &str) -> Key {
        Key::new(self.partition, sort)
    }

    async fn get(&self, sort: &str) -> Option<Row> {
        self.store.get(&self.key(sort)).await.expect("get")
    }

    async fn update(&self, sort: &str, update: &Update) -> Updated {
        self.store.update(&self.key(sort), update).await.expect("update")
    }

    /// Sets attributes whatever is there, and returns the new row.
    async fn put<V: Into<Value>, const N: usize>(&self, sort: &str, set: [(&str, V); N]) -> Row {
        let update = Update::when(Condition::always());
        let update = set.into_iter().fold(update, |update, (name, value)| update.set(name, value));
        self.apply(sort, &update).await
    }

    /// Carries out an update that must be accepted, and returns the new row.
    async fn apply(&self, sort: &str, update: &Update) -> Row {
        match self.update(sort, update).await {
            Updated::Applied(row) => row,
            refused @ Updated::Refused(_) => panic!("{update:?} of {sort:?}: {refused:?}"),
        }
    }

    /// Tries an update that must be refused, and returns the row that came back.
    async fn refuse(&self, sort: &str, update: &Update) -> Option<Row> {
        match self.update(sort, update).await {
            Updated::Refused(row) => row,
            applied @ Updated::Applied(_) => panic!("{update:?} of {sort:?}: {applied:?}"),
        }
    }

    async fn delete(&self, sort: &str, when: &Condition) -> bool {
        self.store.delete(&self.key(sort), when).await.expect("delete")
    }
}

fn row<V: Into<Value>, const N: usize>(attributes: [(&str, V); N]) -> Row {
    Row(attributes.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect())
}
