//! Whatever happened to the file, a store answers what it was told, or an error: it never panics,
//! and it never gives a wrong answer.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use beldi::store::{
    Condition, DUE_ORDER, DUE_SHARD, DueQuery, EmbeddedStore, Key, MemoryStore, Query, Row, Store,
    StoreError, Update,
};

type Result<T = ()> = std::result::Result<T, StoreError>;

const ROWS: u64 = 150;

fn key(nth: u64) -> Key {
    Key::new(format!("partition {}", nth % 3), format!("row {nth:03}"))
}

async fn fill(store: &impl Store) {
    for nth in 0..ROWS {
        let update = Update::when(Condition::always()).set("text", format!("{nth} ").repeat(40));
        let due = update.clone().set(DUE_SHARD, "shard").set(DUE_ORDER, nth);
        store.update(&key(nth), if nth % 2 == 0 { &due } else { &update }).await.unwrap();
    }
}

/// Asks for everything and compares all that is answered; errors end the comparison.
async fn compare(store: &impl Store, expected: &BTreeMap<Key, Row>) -> Result {
    for (key, row) in expected {
        assert_eq!(store.get(key).await?.as_ref(), Some(row), "{key}");
    }
    let mut found = BTreeMap::new();
    for partition in 0..3 {
        let query = Query {
            partition: format!("partition {partition}"),
            prefix: String::new(),
            descending: partition == 1,
            limit: 1000,
            after: None,
        };
        found.extend(store.query(&query).await?.rows);
    }
    assert_eq!(&found, expected);
    let query = DueQuery { shard: "shard".to_owned(), up_to: u64::MAX, limit: 1000, after: None };
    let due = store.due(&query).await?.rows;
    assert!(due.into_iter().map(|(key, _)| key).eq((0..ROWS).step_by(2).map(key)));
    Ok(())
}

/// Opens a damaged copy, reads and writes; an error must be one of those that tell of damage.
async fn survive(path: &Path, content: &[u8], expected: &BTreeMap<Key, Row>, what: &str) -> bool {
    fs::write(path, content).unwrap();
    let used = async {
        let store = EmbeddedStore::open(path)?;
        compare(&store, expected).await?;
        store
            .update(&Key::new("new", "row"), &Update::when(Condition::always()).set("a", 1))
            .await?;
        compare(&store, expected).await
    };
    let Err(error) = used.await else { return true };
    assert!(
        matches!(error, StoreError::Corrupt(_) | StoreError::Foreign { .. }),
        "{what}: {error}"
    );
    assert!(error.to_string().contains(path.to_str().unwrap()), "{what}: {error}");
    false
}

async fn sample(path: &Path) -> (Vec<u8>, BTreeMap<Key, Row>) {
    let model = MemoryStore::new();
    fill(&model).await;
    let store = EmbeddedStore::open(path).unwrap();
    fill(&store).await;
    drop(store);
    (fs::read(path).unwrap(), model.rows().into_iter().collect())
}

/// How far apart the places are that get damaged; set `STORES_TEST_STRIDE=1` to try every byte.
fn stride(usual: usize) -> usize {
    std::env::var("STORES_TEST_STRIDE").map_or(usual, |stride| stride.parse().unwrap())
}

#[tokio::test]
async fn changed_bytes_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.beldi");
    let (content, expected) = sample(&path).await;
    let head = (0..512).step_by(stride(5));
    let mut found = 0;
    for place in head.chain((512..content.len()).step_by(stride(1021))) {
        let mut damaged = content.clone();
        damaged[place] ^= 1 << (place % 8);
        let survived = survive(&path, &damaged, &expected, &format!("byte {place}")).await;
        found += usize::from(!survived);
    }
    assert!(found > 20, "damage was found {found} times only");
}

#[tokio::test]
async fn cut_off_files_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.beldi");
    let (content, expected) = sample(&path).await;
    for length in (0..content.len()).step_by(stride(2039)).chain([1, 9, 64, 320, 4095, 4096]) {
        let what = format!("{length} of {} bytes", content.len());
        survive(&path, &content[..length], &expected, &what).await;
    }
}

#[tokio::test]
async fn lost_pages_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.beldi");
    let (content, expected) = sample(&path).await;
    for page in (0..content.len()).step_by(4096) {
        let mut damaged = content.clone();
        damaged.iter_mut().skip(page).take(4096).for_each(|byte| *byte = 0);
        survive(&path, &damaged, &expected, &format!("page at {page}")).await;
    }
}

/// A page that is damaged while the file is open may hide a row until the next open; what is read
/// is right all the same.
#[tokio::test]
async fn rows_damaged_while_open_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.beldi");
    let (content, expected) = sample(&path).await;
    let update = Update::when(Condition::always()).remove("none");
    let mut found = 0;
    for place in (4096..content.len()).step_by(stride(4001)) {
        fs::write(&path, &content).unwrap();
        let store = EmbeddedStore::open(&path).unwrap();
        let mut damaged = fs::read(&path).unwrap();
        damaged[place] ^= 1 << (place % 8);
        fs::write(&path, damaged).unwrap();
        for (key, row) in &expected {
            match store.get(key).await {
                Ok(read) => assert!(read.is_none_or(|read| read == *row), "byte {place}, {key}"),
                Err(StoreError::Corrupt(_)) => found += 1,
                Err(error) => panic!("byte {place}, {key}: {error}"),
            }
        }
        match store.update(&key(place as u64 % ROWS), &update).await {
            Ok(_) | Err(StoreError::Corrupt(_) | StoreError::Io(_)) => {}
            Err(error) => panic!("byte {place}: {error}"),
        }
    }
    assert!(found > 0);
}
