//! Begins what is registered: sends at once, and what the intent collector finds overdue, each when
//! there is a permit for one attempt more.

use std::collections::{HashSet, VecDeque};
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tracing::{debug, error, warn};

use crate::collector::intent::{Leases, find};
use crate::collector::lock::{self, Settled};
use crate::engine::{Ended, Service, run_registered};
use crate::protocol::intent::{self, Intent, State};
use crate::store::{Store, StoreError};

/// Runs until it is aborted, which it may be anywhere.
pub(super) async fn run(service: Arc<Service>, mut registered: mpsc::UnboundedReceiver<String>) {
    let mut runner = Runner::new(service);
    if runner.service.store.is_exclusive() {
        runner.take_over().await;
    }
    loop {
        runner.collect().await;
        let pause = runner.service.outside.sleep(runner.service.limits.collect_every);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                biased;
                () = &mut pause => break,
                permit = runner.permit(), if !runner.waiting.is_empty() => runner.begin(permit),
                Some(key) = registered.recv() => runner.enqueue(key, Leases::Hold),
            }
        }
    }
}

struct Runner {
    service: Arc<Service>,
    /// Roots to begin an attempt of when there is a permit.
    waiting: VecDeque<(String, Leases)>,
    /// The waiting and the running.
    in_hand: Arc<InHand>,
    /// Held by a look of the lock collector.
    settling: Arc<tokio::sync::Mutex<()>>,
    /// The next permit, if it was asked for. It is kept while other things happen, or it would lose its turn
    /// to every request that came since.
    next_permit: Option<BoxFuture<'static, OwnedSemaphorePermit>>,
}

/// Request keys of roots the runner need not take up again.
#[derive(Default)]
struct InHand(Mutex<HashSet<String>>);

impl InHand {
    fn enter(&self, key: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned())
    }

    fn leave(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// A root in hand, until this is dropped: its task may be cut, or panic.
struct Held {
    in_hand: Arc<InHand>,
    key: String,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.in_hand.leave(&self.key);
    }
}

impl Runner {
    fn new(service: Arc<Service>) -> Self {
        Self {
            service,
            waiting: VecDeque::new(),
            in_hand: Arc::default(),
            settling: Arc::default(),
            next_permit: None,
        }
    }

    fn enqueue(&mut self, key: String, leases: Leases) {
        if self.in_hand.enter(&key) {
            self.waiting.push_back((key, leases));
        }
    }

    /// Takes up all that is unfinished, whatever its lease says: whoever had this store before us
    /// is gone, for we are the only ones who can have it.
    async fn take_over(&mut self) {
        while let Err(error) = self.look(usize::MAX, Leases::AreOver).await {
            warn!(%error, "cannot take over what is unfinished; trying again");
            self.service.outside.sleep(self.service.limits.collect_every).await;
        }
    }

    /// One look of the intent collector, for as many roots as may run at once.
    async fn collect(&mut self) {
        let limit = self.service.limits.concurrency.saturating_sub(self.waiting.len());
        if let Err(error) = self.look(limit, Leases::Hold).await {
            warn!(%error, "the intent collector cannot read the due index");
        }
        self.settle_locks();
    }

    /// One look of the lock collector, beside what comes next: other services may take long to answer.
    fn settle_locks(&self) {
        let Ok(turn) = Arc::clone(&self.settling).try_lock_owned() else { return };
        let service = Arc::clone(&self.service);
        self.service.tasks.spawn(async move {
            let _turn = turn;
            match lock::settle(&service).await {
                Ok(Settled { settled: 0, .. }) => {}
                Ok(Settled { settled, .. }) => {
                    debug!(settled, "settled locks whose holder has ended");
                }
                Err(error) => warn!(%error, "the lock collector cannot settle what it found"),
            }
        });
    }

    async fn look(&mut self, limit: usize, leases: Leases) -> Result<(), StoreError> {
        let found = find(&self.service, limit, leases).await?;
        for damage in &found.damaged {
            error!(%damage, "the intent collector cannot deal with a row; it stays where it is");
        }
        for intent in found.overdue {
            self.enqueue(intent.request_key, leases);
        }
        Ok(())
    }

    fn permit(&mut self) -> &mut BoxFuture<'static, OwnedSemaphorePermit> {
        let permits = &self.service.permits;
        self.next_permit.get_or_insert_with(|| {
            let permits = Arc::clone(permits);
            Box::pin(async move {
                match permits.acquire_owned().await {
                    Ok(permit) => permit,
                    // Nobody closes it.
                    Err(_) => pending().await,
                }
            })
        })
    }

    fn begin(&mut self, permit: OwnedSemaphorePermit) {
        self.next_permit = None;
        let Some((key, leases)) = self.waiting.pop_front() else { return };
        let service = Arc::clone(&self.service);
        let held = Held { in_hand: Arc::clone(&self.in_hand), key };
        self.service.tasks.spawn(async move {
            let _permit = permit;
            let key = &held.key;
            match intent::read(&service.store, key).await {
                Ok(Some(intent)) if is_due(&service, &intent, leases) => {
                    begin(&service, &intent).await;
                }
                Ok(_) => {}
                Err(error) => debug!(instance = %key, %error, "cannot read an intent"),
            }
        });
    }
}

/// Whether nobody else has begun an attempt since the root was put into the queue.
fn is_due(service: &Service, intent: &Intent, leases: Leases) -> bool {
    intent.state == State::Running
        && (leases == Leases::AreOver || intent.next <= service.outside.now())
        && !service.tasks.are_ending()
}

/// One attempt of a registered root, and its finish.
pub(crate) async fn begin(service: &Arc<Service>, intent: &Intent) {
    match run_registered(service, intent).await {
        Ok(Some(Ended::Done { result, rest })) => {
            if let Some(rest) = rest {
                rest.complete().await;
            }
            // The attempt is over; whoever wants its result may take long to answer.
            let (calling, intent) = (Arc::clone(service), intent.clone());
            service.tasks.spawn(async move { calling.call_back_of(&intent, result).await });
        }
        Ok(_) => {}
        Err(error) => debug!(instance = %intent.request_key, %error, "could not begin an attempt"),
    }
}
