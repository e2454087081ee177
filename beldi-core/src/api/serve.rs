//! A service on one machine, its data in one file beside it.

use std::fmt::Display;
use std::path::PathBuf;

use tokio::net::ToSocketAddrs;

use super::App;
use crate::error::Result;
use crate::host::{escaped, listen, stop};
use crate::store::EmbeddedStore;

impl App {
    /// Chooses the file [`serve`](Self::serve) keeps the service's data in, instead of
    /// `.beldi/<service name>.redb` in the current folder. It is created, with its folder, if there is
    /// none.
    ///
    /// ```
    /// let app = beldi::App::new("travel").data("/var/lib/travel.redb");
    /// # drop(app);
    /// ```
    pub fn data(mut self, path: impl Into<PathBuf>) -> Self {
        self.data = Some(path.into());
        self
    }

    /// Serves the SSFs over HTTP on this machine, as [`Host::serve`](crate::Host::serve) does, with
    /// what they store in the file that [`data`](Self::data) names. At once it goes on with what an
    /// earlier process left unfinished. Feature `embedded`, on by default.
    ///
    /// ```no_run
    /// #[beldi::ssf]
    /// async fn double(n: u64) -> u64 {
    ///     n * 2
    /// }
    ///
    /// #[tokio::main]
    /// async fn main() -> beldi::Result<()> {
    ///     beldi::App::new("maths").ssf(double).serve("127.0.0.1:7420").await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// If the address cannot be listened on, the file cannot be opened or is open elsewhere, or two
    /// SSFs have one name.
    pub async fn serve(self, addr: impl ToSocketAddrs + Display) -> Result<()> {
        let listener = listen(addr).await?;
        let usual = || format!(".beldi/{}.redb", escaped(&self.name)).into();
        let store = EmbeddedStore::open(self.data.clone().unwrap_or_else(usual))?;
        self.open(store)?.serve_on(listener, stop()).await
    }
}
