//! The same handlers straight on the store: no log, no marks, no intents. A handler whose store
//! request fails is run again from its first line, and a client without an answer asks again.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use beldi::RealOutside;
use beldi::store::EmbeddedStore;
use beldi::testing::{FaultyStore, RawHost};
use tokio::runtime::Runtime;

use crate::Result;
use crate::audit::{self, Audit};
use crate::faults::{self, Tally};
use crate::load::{Answer, Load, Target};
use crate::service::{Booking, app, book, ledger, stock};

/// The service without beldi. Its runtime stands for its process: what runs in it, requests on their
/// way to the store too, is gone when it is shut down, as after SIGKILL.
pub(crate) struct Raw {
    store: FaultyStore,
    host: Arc<RawHost>,
    tally: Arc<Tally>,
    process: Mutex<Option<Runtime>>,
}

impl Raw {
    /// Opens the business on a new database, and then lets things go wrong.
    pub(crate) async fn open(load: &Load, database: &Path) -> Result<Self> {
        let store = FaultyStore::new(EmbeddedStore::open(database)?);
        let app = app().limits(faults::limits());
        let host = Arc::new(RawHost::open(app, store.clone(), RealOutside)?);
        host.call(stock(load.each)).await?;
        let tally = Arc::<Tally>::default();
        let counted = Arc::clone(&tally);
        faults::begin(&store, load.seed, move |event| counted.note(event));
        Ok(Self { store, host, tally, process: Mutex::new(Some(Runtime::new()?)) })
    }

    /// What the books say when nothing runs any more.
    pub(crate) async fn audit(
        self,
        load: &Load,
        answers: &[(&Booking, Answer)],
    ) -> Result<(Audit, Arc<Tally>)> {
        audit::at_rest(&self.store).await;
        self.replace_process(None);
        faults::end(&self.store);
        let ledger = self.host.call(ledger()).await?;
        Ok((Audit::new(load, answers, &ledger), self.tally))
    }

    fn replace_process(&self, next: Option<Runtime>) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = std::mem::replace(&mut *process, next) {
            old.shutdown_background();
        }
    }
}

impl Target for Raw {
    async fn book(&self, booking: &Booking) -> Result<Option<Answer>> {
        let (host, booking) = (Arc::clone(&self.host), booking.clone());
        let running = {
            let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
            let process = process.as_ref().ok_or("the service is closed")?;
            process.spawn(async move { host.call(book(booking)).await })
        };
        // Killed, or out of retries.
        let answered = running.await.ok().and_then(Result::ok);
        Ok(answered)
    }

    async fn kill(&self) -> Result<()> {
        self.tally.note_kill();
        self.replace_process(Some(Runtime::new()?));
        Ok(())
    }
}
