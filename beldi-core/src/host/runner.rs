//! Begins what is registered: sends at once, and what the intent collector finds overdue.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tracing::{debug, error, warn};

use crate::collector;
use crate::engine::{Ended, Service, record_finish, run_registered};
use crate::protocol::intent::{self, Intent, State};
use crate::store::Store;

/// Runs until it is aborted, which it may be anywhere.
pub(super) async fn run(service: Arc<Service>, mut to_begin: mpsc::UnboundedReceiver<String>) {
    let running = Arc::new(Running::default());
    // Whoever had this store before us is gone, if we are the only ones who can have it.
    let mut take_over = service.store.is_exclusive();
    loop {
        collect(&service, &running, take_over).await;
        take_over = false;
        let pause = service.outside.sleep(service.limits.collect_every);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                biased;
                () = &mut pause => break,
                Some(key) = to_begin.recv() => begin_by_key(&service, &running, key),
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
async fn collect(service: &Arc<Service>, running: &Arc<Running>, take_over: bool) {
    let free = service.permits.available_permits();
    let found = match collector::intent::find(service, free, take_over).await {
        Ok(found) => found,
        Err(error) => return warn!(%error, "the intent collector cannot read the due index"),
    };
    for damage in &found.damaged {
        error!(%damage, "an intent cannot be read; it stays where it is");
    }
    for intent in found.overdue {
        if running.enter(&intent.request_key) {
            spawn(service, running, intent);
        }
    }
}

fn begin_by_key(service: &Arc<Service>, running: &Arc<Running>, key: String) {
    if !running.enter(&key) {
        return;
    }
    let tasks = &service.tasks;
    let (service, running) = (Arc::clone(service), Arc::clone(running));
    tasks.spawn(async move {
        match intent::read(&service.store, &key).await {
            Ok(Some(intent)) if intent.state == State::Running => spawn(&service, &running, intent),
            _ => running.leave(&key),
        }
    });
}

fn spawn(service: &Arc<Service>, running: &Arc<Running>, intent: Intent) {
    let tasks = &service.tasks;
    let (service, running) = (Arc::clone(service), Arc::clone(running));
    tasks.spawn(async move {
        begin(&service, &intent).await;
        running.leave(&intent.request_key);
    });
}

/// One attempt of a registered root, and its finish; none while the host stops.
pub(crate) async fn begin(service: &Arc<Service>, intent: &Intent) {
    let _permit = service.permit().await;
    if service.tasks.are_ending() {
        return;
    }
    match run_registered(service, intent).await {
        Ok(Some(Ended::Done { result, unrecorded: true })) => {
            record_finish(service, &intent.request_key, &result).await;
        }
        Ok(_) => {}
        Err(error) => debug!(instance = %intent.request_key, %error, "could not begin an attempt"),
    }
}
