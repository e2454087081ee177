//! Concurrent requests on one row: each is judged on the row as the one before it left it.

use std::sync::Arc;

use super::{Bed, row};
use crate::store::{Compare, Condition, Store, Update, Updated};

/// Runs as many tasks at once, and returns what they did in the order of their numbers.
async fn race<S: Store, T: Send + 'static, F>(
    bed: &Bed<S>,
    tasks: i64,
    run: impl Fn(Bed<S>, i64) -> F,
) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let own = || Bed { store: Arc::clone(&bed.store), partition: bed.partition };
    let running: Vec<_> = (0..tasks).map(|nth| tokio::spawn(run(own(), nth))).collect();
    let mut ended = Vec::new();
    for task in running {
        ended.push(task.await.expect("a task of the race"));
    }
    ended
}

pub(super) async fn adds_add_up<S: Store>(bed: &Bed<S>) {
    let add = Update::when(Condition::always()).add("sum", 1);
    let sums = race(bed, 400, |bed, _| {
        let add = add.clone();
        async move { bed.apply("row", &add).await.int("sum") }
    });
    let mut sums: Vec<_> = sums.await.into_iter().flatten().collect();
    sums.sort_unstable();
    assert!(sums.into_iter().eq(1..=400), "each sum is seen once");
    assert_eq!(bed.get("row").await, Some(row([("sum", 400)])));
}

pub(super) async fn one_creator_wins<S: Store>(bed: &Bed<S>) {
    for round in 0..10 {
        let sort = format!("round {round}");
        let ended = race(bed, 16, |bed, nth| {
            let sort = sort.clone();
            let put = Update::when(Condition::absent("by")).set("by", nth);
            async move { bed.update(&sort, &put).await }
        });
        let (winners, losers): (Vec<_>, Vec<_>) =
            ended.await.into_iter().partition(|ended| matches!(ended, Updated::Applied(_)));
        let row = bed.get(&sort).await.expect("the winner's row");
        assert_eq!(winners, [Updated::Applied(row.clone())]);
        assert_eq!(losers, vec![Updated::Refused(Some(row)); 15]);
    }
}

pub(super) async fn one_deleter_wins<S: Store>(bed: &Bed<S>) {
    bed.put("row", [("a", 1)]).await;
    let ended =
        race(bed, 16, |bed, _| async move { bed.delete("row", &Condition::exists("a")).await });
    assert_eq!(ended.await.into_iter().filter(|won| *won).count(), 1);
    assert_eq!(bed.get("row").await, None);
}

pub(super) async fn swaps_never_lose_an_update<S: Store>(bed: &Bed<S>) {
    bed.put("row", [("version", 0)]).await;
    race(bed, 8, |bed, _| async move {
        for _ in 0..5 {
            let mut seen = bed.get("row").await;
            while let Some(row) = seen {
                let version = row.int("version").and_then(|v| i64::try_from(v).ok()).expect("set");
                let swap = Update::when(Condition::equals("version", version));
                seen = match bed.update("row", &swap.set("version", version + 1)).await {
                    Updated::Applied(_) => None,
                    Updated::Refused(row) => row,
                };
            }
        }
    })
    .await;
    let done = Condition::compares("version", Compare::GreaterOrEqual, 40);
    let row = bed.apply("row", &Update::when(done).set("done", true)).await;
    assert_eq!(row.int("version"), Some(40));
}
