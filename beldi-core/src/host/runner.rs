//! Begins what is registered: sends at once, and what the intent collector finds overdue.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, watch};
use tracing::{debug, error, warn};

use super::Shared;
use crate::collector;
use crate::engine::{Ended, Service, record_finish, run_registered};
use crate::protocol::intent::{self, Intent, State};
use crate::store::Store;

/// Runs until told to stop, or until the host is dropped.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut to_begin: mpsc::UnboundedReceiver<String>,
    mut stopped: watch::Receiver<bool>,
) {
    let running = Arc::new(Running::default());
    // Whoever had this store before us is gone, if we are the only ones who can have it.
    let mut take_over = shared.service.store.is_exclusive();
    loop {
        collect(&shared, &running, take_over).await;
        take_over = false;
        let pause = shared.service.outside.sleep(shared.service.limits.collect_every);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                biased;
                _ = stopped.changed() => return,
                () = &mut pause => break,
                Some(key) = to_begin.recv() => begin_by_key(&shared, &running, key),
            }
        }
    }
}

/// Request keys of the roots this runner has in hand.
#[derive(Default)]
struct Running(Mutex<HashSet<String>>);

impl Running {
    fn enter(&self, key: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned())
    }

    fn leave(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// One look of the intent collector, as many attempts as there are permits.
async fn collect(shared: &Arc<Shared>, running: &Arc<Running>, take_over: bool) {
    let free = shared.permits.available_permits();
    let found = match collector::intent::find(&shared.service, free, take_over).await {
        Ok(found) => found,
        Err(error) => return warn!(%error, "the intent collector cannot read the due index"),
    };
    for damage in &found.damaged {
        error!(%damage, "an intent cannot be read; it stays where it is");
    }
    for intent in found.overdue {
        if running.enter(&intent.request_key) {
            spawn(shared, running, intent);
        }
    }
}

fn begin_by_key(shared: &Arc<Shared>, running: &Arc<Running>, key: String) {
    if !running.enter(&key) {
        return;
    }
    let tasks = &shared.service.tasks;
    let (shared, running) = (Arc::clone(shared), Arc::clone(running));
    tasks.spawn(async move {
        match intent::read(&shared.service.store, &key).await {
            Ok(Some(intent)) if intent.state == State::Running => spawn(&shared, &running, intent),
            _ => running.leave(&key),
        }
    });
}

fn spawn(shared: &Arc<Shared>, running: &Arc<Running>, intent: Intent) {
    let tasks = &shared.service.tasks;
    let (shared, running) = (Arc::clone(shared), Arc::clone(running));
    tasks.spawn(async move {
        let permit = shared.permits.acquire().await;
        begin(&shared.service, &intent).await;
        drop(permit);
        running.leave(&intent.request_key);
    });
}

/// One attempt of a registered root, and its finish.
pub(crate) async fn begin(service: &Arc<Service>, intent: &Intent) {
    match run_registered(service, intent).await {
        Ok(Some(Ended::Done { result, unrecorded: true })) => {
            record_finish(service, &intent.request_key, &result).await;
        }
        Ok(_) => {}
        Err(error) => debug!(instance = %intent.request_key, %error, "could not begin an attempt"),
    }
}
