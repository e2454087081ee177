//! A real process, a real file, SIGKILL: nothing is lost and nothing happens twice.
//!
//! The parent starts this same test binary as a child, which opens the store and books without end;
//! kills it at a random moment; starts it again; and in the end opens the store itself and counts.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use beldi::store::EmbeddedStore;
use beldi::{App, Host, Limits, Table};
use futures_util::future::join_all;

const TOTALS: Table<str, u64> = Table::new("totals");
const BOOKED: Table<u64, u64> = Table::new("booked");
const CONFIRMED: Table<u64, u64> = Table::new("confirmed");

#[beldi::ssf]
async fn book(number: u64) -> u64 {
    let before = BOOKED.get(&number).await.unwrap_or(0);
    let total = add_to_total().await;
    BOOKED.put(&number, &(before + 1)).await;
    confirm(number).send().await;
    total
}

#[beldi::ssf]
async fn add_to_total() -> u64 {
    TOTALS
        .update("bookings", |total| {
            let next = total.unwrap_or(0) + 1;
            *total = Some(next);
            next
        })
        .await
}

#[beldi::ssf]
async fn confirm(number: u64) {
    let before = CONFIRMED.get(&number).await.unwrap_or(0);
    CONFIRMED.put(&number, &(before + 1)).await;
}

fn open(folder: &Path) -> Host {
    let limits = Limits { collect_every: Duration::from_millis(20), ..Limits::default() };
    let app = App::new("kill").limits(limits).ssf(book).ssf(add_to_total).ssf(confirm).ssf(count);
    app.open(EmbeddedStore::open(folder.join("kill.redb")).unwrap()).unwrap()
}

const FOLDER: &str = "BELDI_KILL_FOLDER";
const FIRST: &str = "BELDI_KILL_FIRST";
const CLIENTS: u64 = 6;
const KILLS: usize = 24;

/// The child: does nothing unless it is one.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    runtime().block_on(async {
        let host = open(Path::new(&folder));
        say("ready");
        join_all((0..CLIENTS).map(|client| {
            let host = &host;
            async move {
                for number in (first + client..).step_by(usize::try_from(CLIENTS).unwrap()) {
                    let total = host.call(book(number)).key(format!("booking-{number}")).await;
                    say(&format!("{number} {}", total.unwrap()));
                }
            }
        }))
        .await;
    });
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // The harness may have left its own line open.
    writeln!(out, "\n> {line}").unwrap();
    out.flush().unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn spawn(folder: &Path, first: u64) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while line.trim() != "> ready" {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the child ended before it was ready");
    }
    (child, lines)
}

#[test]
fn killed_at_random_moments() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let mut answers: BTreeMap<u64, u64> = BTreeMap::new();
    let mut first = 0;
    for _ in 0..KILLS {
        let (mut child, lines) = spawn(folder.path(), first);
        pause(Duration::from_micros(random.u64(5_000..200_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.lines().map_while(Result::ok) {
            let Some((number, total)) = line.strip_prefix("> ").and_then(|l| l.split_once(' '))
            else {
                continue;
            };
            let (number, total) = (number.parse().unwrap(), total.parse().unwrap());
            let before = answers.insert(number, total);
            assert!(before.is_none_or(|before| before == total), "two answers to one key");
        }
        // The next life begins with bookings that this one may have left half-way.
        first = answers.last_key_value().map_or(0, |(last, _)| last.saturating_sub(CLIENTS * 2));
    }
    let asked = first + CLIENTS * 4;
    runtime().block_on(check(folder.path(), &answers, asked));
    println!("{KILLS} kills, {} bookings answered before them", answers.len());
    assert!(answers.len() > KILLS, "the child did not get to work between the kills");
}

#[expect(clippy::disallowed_methods, reason = "the child lives in real time")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Asks for every booking once more, then counts.
async fn check(folder: &Path, answers: &BTreeMap<u64, u64>, asked: u64) {
    let host = open(folder);
    let mut totals = Vec::new();
    for number in 0..asked {
        let total = host.call(book(number)).key(format!("booking-{number}")).await.unwrap();
        assert!(answers.get(&number).is_none_or(|before| *before == total), "another answer");
        totals.push(total);
    }
    totals.sort_unstable();
    assert!(totals.into_iter().eq(1..=asked), "each booking raised the total once");

    host.shutdown(Duration::from_secs(30)).await;
    let host = open(folder);
    for number in 0..asked {
        let (booked, confirmed) = counts(&host, number).await;
        assert_eq!((booked, confirmed), (Some(1), Some(1)), "booking {number}");
    }
}

#[beldi::ssf(read_only)]
async fn count(number: u64) -> (Option<u64>, Option<u64>) {
    beldi::join(BOOKED.get(&number), CONFIRMED.get(&number)).await
}

async fn counts(host: &Host, number: u64) -> (Option<u64>, Option<u64>) {
    loop {
        let found = host.call(count(number)).await.unwrap();
        if found.1.is_some() {
            return found;
        }
        // Its confirmation was sent and is on its way.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
