//! The front on a socket, until somebody says stop.

use std::fmt::Display;
use std::pin::pin;
use std::sync::Arc;

use axum::serve;
use futures_util::future::{Either, select};
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{Front, stop};
use crate::error::{Error, Result};
use crate::host::{Host, LAST_WORDS};

impl Host {
    /// Serves the SSFs over HTTP until ctrl-c or SIGTERM, then stops gracefully: no connection is
    /// accepted any more, what runs has [`Limits::patience`](crate::Limits::patience) to end, the rest
    /// goes on at the next start.
    ///
    /// Nothing checks who asks: bind a loopback address, or put a proxy that does in front.
    /// Feature `embedded`, on by default.
    ///
    /// ```no_run
    /// use beldi::{App, store::EmbeddedStore};
    ///
    /// # async fn example() -> beldi::Result<()> {
    /// let host = App::new("travel").open(EmbeddedStore::open("travel.redb")?)?;
    /// host.serve("127.0.0.1:7420").await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the address cannot be listened on.
    pub async fn serve(self, addr: impl ToSocketAddrs + Display) -> Result<()> {
        let listener = listen(addr).await?;
        self.serve_on(listener, stop()).await
    }

    /// [`serve`](Self::serve) on a listener of one's own, until a future of one's own resolves.
    ///
    /// ```no_run
    /// # async fn example(host: beldi::Host) -> Result<(), Box<dyn std::error::Error>> {
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// println!("on {}", listener.local_addr()?);
    /// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// let serving = tokio::spawn(host.serve_on(listener, async { drop(stopped.await) }));
    /// // ... requests ...
    /// let _ = stop.send(());
    /// serving.await??;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// None at present: what goes wrong on a connection ends that connection.
    pub async fn serve_on(
        self,
        listener: TcpListener,
        until: impl Future<Output = ()> + Send + 'static,
    ) -> Result<()> {
        let address = listener.local_addr().ok();
        let is_local = address.is_some_and(|address| address.ip().is_loopback());
        let shown = address.map(tracing::field::display);
        info!(service = %self.service.name, address = shown, "serving");
        let asked_to_stop = CancellationToken::new();
        let told = asked_to_stop.clone();
        let until = async move {
            until.await;
            told.cancel();
        };
        let router = Front { is_local, ..Front::new(Arc::clone(&self.service)) }.router();
        let served = serve(listener, router).with_graceful_shutdown(until).into_future();
        let closed = pin!(async {
            asked_to_stop.cancelled().await;
            info!("stopping");
            let patience = self.service.limits.patience;
            self.shutdown(patience).await;
        });
        match select(served, closed).await {
            Either::Left((_, closed)) => closed.await,
            Either::Right(((), served)) => drop(timeout(LAST_WORDS, served).await),
        }
        Ok(())
    }
}

/// Listens on an address, or tells which one could not be had.
pub(crate) async fn listen(addr: impl ToSocketAddrs + Display) -> Result<TcpListener> {
    let shown = addr.to_string();
    let listening = TcpListener::bind(addr).await;
    listening.map_err(|error| Error::Host(format!("cannot listen on {shown}: {error}")))
}
