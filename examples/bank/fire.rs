//! The bank on the embedded store, while attempts crash.

use std::sync::Arc;
use std::time::Duration;

use beldi::Host;
use beldi::store::EmbeddedStore;
use beldi::testing::FaultyStore;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::sleep;

use crate::Result;
use crate::aborts::Aborts;
use crate::args::Args;
use crate::audit::Audit;
use crate::faults::{self, Tally};
use crate::load::{drive, transfers};
use crate::report::Report;
use crate::service::{Transfer, app, books, transfer};

/// Makes all transfers under fire, lets what is unfinished end, and audits.
pub(crate) async fn run(args: &Args, aborts: &Aborts) -> Result<Report> {
    let folder = tempfile::Builder::new().prefix("bank").tempdir()?;
    let store = FaultyStore::new(EmbeddedStore::open(folder.path().join("bank.db"))?);
    let host = app().limits(faults::limits()).open(store.clone())?;
    let transfers = transfers(args.transfers, args.skew, args.seed())?;
    let (tally, bar) = (Arc::<Tally>::default(), bar(transfers.len()));
    let counted = Arc::clone(&tally);
    faults::begin(&store, args.seed(), move |event| counted.note(event));
    let ask = async |asked: Transfer| {
        // However often it is asked, this is one request.
        host.call(transfer(asked)).key(format!("transfer-{}", asked.id)).await.ok()
    };
    let driven = drive(&transfers, args.clients.into(), ask, || bar.inc(1)).await?;
    bar.finish();
    faults::end(&store);
    at_rest(&host, &store).await?;
    let audit = Audit::new(&driven.answered, &host.call(books()).await?);
    let locks_left = host.locks().await?.len();
    host.shutdown(Duration::from_secs(10)).await;
    let (aborted, crashes) = (aborts.count(), tally.crashes());
    Ok(Report { driven, audit, aborted, crashes, locks_left, skew: args.skew, seed: args.seed() })
}

/// Waits until nothing has been asked of the store for longer than the collector's pause and the
/// longest wait between two attempts. Locks of somebody who died go when they are overdue.
async fn at_rest(host: &Host, store: &FaultyStore) -> Result<()> {
    let mut patience = 40;
    let mut before = None;
    loop {
        let now = store.counts().total();
        let is_quiet = before.replace(now) == Some(now);
        patience -= 1;
        if is_quiet && (host.locks().await?.is_empty() || patience <= 0) {
            return Ok(());
        }
        sleep(QUIET).await;
    }
}

const QUIET: Duration = Duration::from_millis(800);

/// A bar on standard error; none where nobody watches.
fn bar(transfers: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} transfers {elapsed}");
    ProgressBar::new(transfers as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
