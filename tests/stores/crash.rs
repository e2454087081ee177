//! Other processes: one that shares the file, and one that is killed while it writes.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use beldi::store::{Condition, EmbeddedStore, Key, Store, StoreError, Update};
use futures_util::future::join_all;

/// Tells a child process which file to open.
const PATH: &str = "STORES_TEST_PATH";
const WRITERS: i64 = 8;

/// Runs one of the ignored tests of this file in a process of its own.
fn child(test: &str, path: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(PATH, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn report(line: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "\n{line}").unwrap();
    out.flush().unwrap();
}

#[test]
fn a_file_has_one_host_among_processes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.beldi");
    let store = EmbeddedStore::open(&path).unwrap();
    let output = child("crash::child_opens", &path).wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("in use"));
    drop(store);
    let output = child("crash::child_opens", &path).wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("opened"));
}

#[test]
#[ignore = "run by a_file_has_one_host_among_processes"]
fn child_opens() {
    let Ok(path) = env::var(PATH) else { return };
    match EmbeddedStore::open(path) {
        Ok(_) => report("opened"),
        Err(StoreError::InUse { .. }) => report("in use"),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.beldi");
    let mut acknowledged = [0; WRITERS as usize];
    for round in 1..=6 {
        let mut child = child("crash::child_writes", &path);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in
            lines.by_ref().map(Result::unwrap).filter(|l| l.starts_with("wrote")).take(50 * round)
        {
            note(&mut acknowledged, &line);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        lines.map(Result::unwrap).for_each(|line| note(&mut acknowledged, &line));

        let store = EmbeddedStore::open(&path).unwrap();
        for (writer, acknowledged) in (0..).zip(acknowledged) {
            let row = store.get(&key(writer)).await.unwrap().unwrap_or_default();
            let found = row.int("count").unwrap_or(0);
            assert!(found >= acknowledged, "writer {writer}: {found} of {acknowledged}");
            assert!(found <= acknowledged + 1, "writer {writer}: {found} of {acknowledged}");
        }
    }
}

/// Reads `wrote WRITER COUNT`; a line cut off by the kill was no acknowledgement.
fn note(acknowledged: &mut [i128], line: &str) {
    if let ["wrote", writer, count, "."] = *line.split(' ').collect::<Vec<_>>() {
        acknowledged[writer.parse::<usize>().unwrap()] = count.parse().unwrap();
    }
}

fn key(writer: i64) -> Key {
    Key::new("counts", writer.to_string())
}

#[tokio::test]
#[ignore = "run by what_was_acknowledged_survives_a_kill"]
async fn child_writes() {
    let Ok(path) = env::var(PATH) else { return };
    let store = EmbeddedStore::open(path).unwrap();
    let add = Update::when(Condition::always()).add("count", 1);
    let write = async |writer| loop {
        store.update(&key(writer), &add).await.unwrap();
        let row = store.get(&key(writer)).await.unwrap().unwrap();
        report(&format!("wrote {writer} {} .", row.int("count").unwrap()));
    };
    join_all((0..WRITERS).map(write)).await;
}
