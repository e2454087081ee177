//! Exact schedules: which request waits, fails or kills its host, and what happens meanwhile.

use std::future::IntoFuture;

use beldi::Ssf;
use beldi::testing::{Fault, FaultyStore, Gate, RequestKind, World, WorldCall};

/// Every rule disturbs one request: the first of that kind to a row like that (`*` is anything)
/// which no rule before it took.
pub(crate) fn disturb(
    store: &FaultyStore,
    rules: impl IntoIterator<Item = (RequestKind, &'static str, Fault)>,
) {
    let mut rules: Vec<_> = rules.into_iter().collect();
    store.script(move |request| {
        let takes = |(kind, pattern, _): &(RequestKind, &str, Fault)| {
            *kind == request.kind && is_like(&request.target, pattern)
        };
        rules.iter().position(takes).map_or(Fault::None, |rule| rules.remove(rule).2)
    });
}

fn is_like(target: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return target == pattern };
    target.strip_prefix(start).is_some_and(|target| {
        target.char_indices().map(|(at, _)| &target[at..]).chain([""]).any(|end| is_like(end, rest))
    })
}

/// Runs an attempt; what comes to the gate goes on when `meanwhile` is over.
pub(crate) async fn held<S: Ssf>(
    attempt: WorldCall<'_, S>,
    gate: Gate,
    meanwhile: impl Future<Output = ()>,
) -> S::Output {
    let meanwhile = async {
        gate.reached().await;
        meanwhile.await;
        gate.open();
    };
    tokio::join!(attempt.into_future(), meanwhile).0.unwrap()
}

/// Runs an attempt until its host dies.
pub(crate) async fn dies<S: Ssf>(host: &World, attempt: WorldCall<'_, S>) {
    tokio::select! {
        _ = attempt.into_future() => panic!("the host should have died"),
        () = host.store().died() => {}
    }
}
