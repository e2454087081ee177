//! The stores keep their promises: to the conformance suite, to each other, and through damage,
//! crashes and hosts that go away.

mod crash;
mod damage;
mod embedded;
mod model;

use std::sync::Arc;

use beldi::store::{EmbeddedStore, MemoryStore};
use beldi::testing::{FaultyStore, conformance};

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_store_conforms() {
    conformance::run(Arc::new(MemoryStore::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_store_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path().join("test.beldi")).unwrap();
    conformance::run(Arc::new(store)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_faulty_store_conforms_while_nothing_fails() {
    conformance::run(Arc::new(FaultyStore::new(MemoryStore::new()))).await;
}
