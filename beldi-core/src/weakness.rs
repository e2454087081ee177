//! Ways to break the protocols on purpose, so that the checkers and the tests can be checked.
//!
//! Without the feature `testing` none of this exists: [`is`] is a constant.

/// A condition that a protocol can be made to forget, on the current thread.
///
/// ```
/// use beldi::testing::{Weakness, World, explore};
///
/// const SEATS: beldi::Table<str, u32> = beldi::Table::new("seats");
///
/// #[beldi::ssf]
/// async fn sell(flight: String) -> Result<u32, ()> {
///     beldi::txn(async {
///         let sold = SEATS.get(&flight).await.unwrap_or(0) + 1;
///         SEATS.put(&flight, &sold).await;
///         Ok(sold)
///     })
///     .await
/// }
///
/// // Two clients that sell at once lose a sale now and then.
/// let lost = Weakness::NoLocks.during(|| {
///     let mut lost = 0;
///     for seed in 0..20 {
///         beldi::testing::in_virtual_time(async {
///             let world = World::new(beldi::App::new("travel").ssf(sell));
///             world.store().latency(move || std::time::Duration::from_millis(seed % 3 + 1));
///             let (a, b) = tokio::join!(world.call(sell("LH1".into())), world.call(sell("LH1".into())));
///             lost += u32::from(a.is_ok() && b.is_ok() && world.peek(SEATS, "LH1") != Some(2));
///         });
///     }
///     lost
/// });
/// assert!(lost > 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "testing"), expect(unreachable_pub, reason = "only tests see it"))]
pub enum Weakness {
    /// A lock is granted to a try that was decided before.
    NoTombstone,
    /// A later attempt runs a committed block again, to know its result.
    DecisionWithoutResult,
    /// The last decision wins, not the first.
    UnconditionalDecision,
    /// Items change before the decision is there.
    ReleaseBeforeDecision,
    /// A reader that meets a lock takes the value in the row.
    ReaderIgnoresDecision,
    /// A write outside of transactions does not look for locks.
    PlainWriteIgnoresLock,
    /// A snapshot takes the values as they come.
    SnapshotWithoutValidation,
    /// A try that gives way unlocks before it has won the abort.
    DieBeforeAbort,
    /// What was decided is put in place even if the lock is gone.
    SettleUnlocked,
    /// A transaction reads without locking.
    NoLocks,
    /// No condition, but a worse strategy: gives way to any holder instead of waiting.
    NoWait,
    /// The garbage collector: marks go without a fence in their place.
    PruneWithoutFence,
    /// The garbage collector: older rows go before their head is fenced.
    OlderRowsWithoutFence,
    /// The garbage collector: who takes marks off a head does not ask whether they are still there.
    MarksTakenTwice,
    /// The garbage collector: slots of a finished root are deleted, not emptied.
    DeletedSlots,
    /// The garbage collector: decisions of a finished root are deleted, not emptied.
    DeletedDecisions,
    /// The garbage collector: the intent of a finished root is deleted, not emptied.
    DeletedIntents,
    /// The garbage collector: prepare records are deleted, not emptied.
    DeletedPrepareRecords,
    /// The garbage collector: a parked root does not hold the horizon.
    ParkedRootsForgotten,
    /// The garbage collector: who registers a root does not look whether the horizon is above it.
    UnconfirmedRoots,
    /// The garbage collector: a round ends though somebody has lowered its door.
    RoundsEndUnasked,
    /// The garbage collector: tombstones of another service's transactions go with the own horizon.
    ForeignMarksAsOwn,
    /// The garbage collector: what another service has called goes without asking it.
    CallersUnasked,
}

#[cfg(feature = "testing")]
mod seam {
    use std::cell::Cell;

    use super::Weakness;

    thread_local! {
        static WEAKNESS: Cell<Option<Weakness>> = const { Cell::new(None) };
    }

    impl Weakness {
        /// Runs `body` with this weakness in force on this thread.
        pub fn during<T>(self, body: impl FnOnce() -> T) -> T {
            struct Restored(Option<Weakness>);
            impl Drop for Restored {
                fn drop(&mut self) {
                    WEAKNESS.set(self.0);
                }
            }
            let _restored = Restored(WEAKNESS.replace(Some(self)));
            body()
        }
    }

    pub(crate) fn is(weakness: Weakness) -> bool {
        WEAKNESS.get() == Some(weakness)
    }

    /// Whether any is in force on this thread.
    pub(crate) fn is_any() -> bool {
        WEAKNESS.get().is_some()
    }
}

#[cfg(feature = "testing")]
pub(crate) use seam::{is, is_any};

#[cfg(not(feature = "testing"))]
pub(crate) const fn is(_: Weakness) -> bool {
    false
}
