//! What a host relies on beyond the suite: reopening, exclusion, shared commits, lost callers.

use std::fs;
use std::future::{Future, poll_fn};
use std::task::Poll;

use beldi::store::{Condition, EmbeddedStore, Key, Store, StoreError, Update, Updated};
use redb::TableDefinition;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn set(value: i64) -> Update {
    Update::when(Condition::always()).set("a", value)
}

fn add() -> Update {
    Update::when(Condition::always()).add("sum", 1)
}

#[tokio::test]
async fn rows_survive_reopening() {
    let folder = folder();
    let path = folder.path().join("new/folder/test.beldi");
    let keys: Vec<_> = (0..50).map(|nth| Key::new("p", format!("{nth:02}"))).collect();
    for round in 0..3 {
        let store = EmbeddedStore::open(&path).unwrap();
        for (nth, key) in (0..).zip(&keys) {
            let seen = store.get(key).await.unwrap().and_then(|row| row.int("a"));
            assert_eq!(seen, (round > 0).then_some(nth + round - 1));
            store.update(key, &set((nth + round) as i64)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_file_has_one_host() {
    let folder = folder();
    let path = folder.path().join("test.beldi");
    let store = EmbeddedStore::open(&path).unwrap();
    assert!(store.is_exclusive());
    let second = EmbeddedStore::open(&path).unwrap_err();
    assert!(matches!(&second, StoreError::InUse { path: p } if p == path.to_str().unwrap()));
    drop(store);
    EmbeddedStore::open(&path).unwrap();
}

#[test]
fn files_of_others_are_left_alone() {
    let folder = folder();
    let files: [(&str, &[u8]); 4] =
        [("empty", b""), ("text", b"hello"), ("zeros", &[0; 100_000]), ("head", b"redb\x1a\x0a")];
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let error = EmbeddedStore::open(&path).unwrap_err();
        assert!(matches!(error, StoreError::Foreign { .. }), "{name}: {error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    let error = EmbeddedStore::open(folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::Io(_)), "{error}");
}

/// Writes a file of another program, or of another version of ours.
fn foreign_database(path: &std::path::Path, table: &str, format: u64) {
    let database = redb::Database::create(path).unwrap();
    let transaction = database.begin_write().unwrap();
    let definition = TableDefinition::<&str, u64>::new(table);
    transaction.open_table(definition).unwrap().insert("format", format).unwrap();
    transaction.commit().unwrap();
}

#[test]
fn newer_formats_and_other_databases_are_refused() {
    let folder = folder();
    let newer = folder.path().join("newer.beldi");
    foreign_database(&newer, "beldi", 2);
    let error = EmbeddedStore::open(&newer).unwrap_err();
    assert!(matches!(error, StoreError::TooNew { found: 2, known: 1, .. }), "{error}");

    let other = folder.path().join("other.beldi");
    foreign_database(&other, "songs", 1);
    let error = EmbeddedStore::open(&other).unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
}

/// Polls once: the request is on its way when this returns.
async fn begin<F: Future + Unpin>(request: &mut F) -> Poll<F::Output>
where
    F::Output: Unpin,
{
    poll_fn(|cx| Poll::Ready(std::pin::Pin::new(&mut *request).poll(cx))).await
}

#[tokio::test]
async fn what_waits_is_committed_together() {
    let folder = folder();
    let store = EmbeddedStore::open(folder.path().join("test.beldi")).unwrap();
    let key = Key::new("p", "s");
    let update = add();
    let mut requests: Vec<_> = (0..1000).map(|_| store.update(&key, &update)).collect();
    for request in &mut requests {
        assert!(begin(request).await.is_pending());
    }
    let mut sums = Vec::new();
    for request in requests {
        match request.await.unwrap() {
            Updated::Applied(row) => sums.extend(row.int("sum")),
            refused @ Updated::Refused(_) => panic!("{refused:?}"),
        }
    }
    assert!(sums.into_iter().eq(1..=1000), "each sees the one before it");
    let commits = store.commits();
    assert!((4..500).contains(&commits), "{commits} commits for 1000 updates");
}

#[tokio::test]
async fn refusals_cost_no_commit() {
    let folder = folder();
    let store = EmbeddedStore::open(folder.path().join("test.beldi")).unwrap();
    let key = Key::new("p", "s");
    store.update(&key, &set(1)).await.unwrap();
    let commits = store.commits();
    let create = Update::when(Condition::absent("a")).set("a", 2);
    assert!(matches!(store.update(&key, &create).await.unwrap(), Updated::Refused(Some(_))));
    assert!(!store.delete(&key, &Condition::absent("a")).await.unwrap());
    assert_eq!(store.commits(), commits);
}

#[tokio::test]
async fn lost_callers_do_no_harm() {
    let folder = folder();
    let path = folder.path().join("test.beldi");
    let store = EmbeddedStore::open(&path).unwrap();
    let key = Key::new("p", "s");
    let update = add();
    for _ in 0..100 {
        let mut request = store.update(&key, &update);
        assert!(begin(&mut request).await.is_pending());
        drop(request);
        drop(store.update(&key, &update));
    }
    let last = store.update(&key, &update).await.unwrap();
    assert!(matches!(last, Updated::Applied(row) if row.int("sum") == Some(101)));

    let mut request = store.update(&key, &update);
    assert!(begin(&mut request).await.is_pending());
    drop(request);
    drop(store);
    let store = EmbeddedStore::open(&path).unwrap();
    assert_eq!(store.get(&key).await.unwrap().unwrap().int("sum"), Some(102), "the drop waited");
}
