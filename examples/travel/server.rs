//! The server: this program once more, as a process of its own that can be killed.
//!
//! On its standard output it says where it listens, and then writes a byte for every store request,
//! so that nothing stays uncounted when it is killed. It ends when its standard input does.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use beldi::store::EmbeddedStore;
use beldi::testing::FaultyStore;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;

use crate::Result;
use crate::faults::{self, Event, Tally};
use crate::service::app;

/// The process: serves the database until standard input ends.
pub(crate) async fn child(database: &Path, seed: u64) -> Result<()> {
    let store = FaultyStore::new(EmbeddedStore::open(database)?);
    faults::begin(&store, seed, |event| tell(&[event as u8]));
    let host = app().limits(faults::limits()).open(store)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    tell(format!("http://{}\n", listener.local_addr()?).as_bytes());
    let told_to_stop = async {
        let _ = spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await;
    };
    Ok(host.serve_on(listener, told_to_stop).await?)
}

/// A parent that is gone needs no count.
fn tell(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// The parent's hold on the process, which is another one after each kill.
pub(crate) struct Server {
    database: PathBuf,
    seed: u64,
    tally: Arc<Tally>,
    running: Mutex<Running>,
}

struct Running {
    process: Child,
    url: String,
    counting: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(database: &Path, seed: u64) -> Result<Self> {
        let (database, tally) = (database.to_owned(), Arc::default());
        let running = Mutex::new(Running::start(&database, seed, &tally).await?);
        Ok(Self { database, seed, tally, running })
    }

    /// Where it listens, or did until it was killed.
    pub(crate) fn url(&self) -> String {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).url.clone()
    }

    /// SIGKILL, and a new process on what the old one left.
    pub(crate) async fn kill(&self) -> Result<()> {
        {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.process.kill()?;
            running.process.wait()?;
        }
        self.tally.note_kill();
        let seed = self.seed.wrapping_add(self.tally.kills());
        let next = Running::start(&self.database, seed, &self.tally).await?;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *running, next).ended()
    }

    /// Lets the process end what it has in hand, and tells what was counted in all of them.
    pub(crate) async fn stop(self) -> Result<Arc<Tally>> {
        let mut running = self.running.into_inner().unwrap_or_else(PoisonError::into_inner);
        drop(running.process.stdin.take());
        spawn_blocking(|| running.ended()).await??;
        Ok(self.tally)
    }
}

impl Running {
    async fn start(database: &Path, seed: u64, tally: &Arc<Tally>) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--serve").arg(database).arg("--seed").arg(seed.to_string());
        let tally = Arc::clone(tally);
        spawn_blocking(move || {
            let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
            let mut output = BufReader::new(process.stdout.take().ok_or("no standard output")?);
            let mut url = String::new();
            output.read_line(&mut url)?;
            if url.pop() != Some('\n') {
                return Err(format!("the server did not start: {}", process.wait()?).into());
            }
            let counting = thread::spawn(move || count(output, &tally));
            Ok(Self { process, url, counting })
        })
        .await?
    }

    /// Waits until the process is gone and its last byte is counted.
    fn ended(mut self) -> Result<()> {
        self.process.wait()?;
        self.counting.join().map_err(|_| "counting failed")?;
        Ok(())
    }
}

fn count(output: BufReader<ChildStdout>, tally: &Tally) {
    for byte in output.bytes().map_while(Result::ok) {
        tally.note(if byte == Event::Crash as u8 { Event::Crash } else { Event::RoundTrip });
    }
}
