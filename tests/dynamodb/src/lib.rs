//! A DynamoDB on this machine: dynoxide, over HTTP, on a thread and a port of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use dynoxide::{Database, server};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A running server; dropped, it stops.
#[derive(Debug)]
pub struct Dynoxide {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Dynoxide {
    /// A server on a free port that forgets everything.
    pub fn start() -> Self {
        Self::in_memory(0)
    }

    /// A server that forgets everything.
    pub fn in_memory(port: u16) -> Self {
        Self::serve(port, Database::memory().expect("a database in memory"))
    }

    /// A server that keeps everything in a file.
    pub fn on_file(path: impl AsRef<Path>, port: u16) -> Self {
        let path = path.as_ref().to_str().expect("a path in UTF-8");
        Self::serve(port, Database::new(path).expect("a database in a file"))
    }

    /// A server over a database, on a port of this machine alone; 0 takes a free one.
    pub fn serve(port: u16, database: Database) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = mpsc::channel();
        let run = async move {
            let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
            tell.send(listener.local_addr().expect("an address")).expect("somebody waits");
            let stopped = async { stopped.await.unwrap_or_default() };
            server::serve_with_shutdown(listener, database, stopped).await.expect("to serve");
        };
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(run);
        });
        let address = told.recv().expect("the server starts");
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until it stops, which it does not by itself.
    pub fn join(mut self) {
        self.thread.take().expect("a thread").join().expect("the server runs");
    }

    /// A client of this server.
    pub fn client(&self) -> Client {
        Client::from_conf(config(&self.url()).build())
    }
}

impl Drop for Dynoxide {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A client that keeps a connection open would keep the thread; the process ends both.
        drop(self.thread.take());
    }
}

/// What a client of a local server needs.
pub fn config(url: &str) -> aws_sdk_dynamodb::config::Builder {
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "tests"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(url)
}
