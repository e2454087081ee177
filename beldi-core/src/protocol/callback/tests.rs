use super::*;
use crate::protocol::intent::{Intent, Left, State};
use crate::store::{MemoryStore, Row};

const NOW: u64 = 1_800_000_000_000;

/// A service whose root `order-17` runs, and has called two callees of `payments`.
struct Caller {
    store: MemoryStore,
    secret: Secret,
    root: Intent,
}

impl Caller {
    async fn new() -> Self {
        let store = MemoryStore::new();
        let secret = Secret::read(&store, [7; 32]).await.unwrap();
        let root = Intent::new("order-17".into(), "order", Value::Null, NOW);
        intent::register(&store, &root, None).await.unwrap();
        Self { store, secret, root }
    }

    fn callee(&self, step: u32) -> Id {
        let path = crate::path::Path::default().child(step);
        self.root.instance("shop").callee(&path, "payments/charge")
    }

    fn callback(&self, step: u32) -> Callback {
        self.secret.callback("payments", self.callee(step), "order-17", NOW + 1000)
    }

    async fn deliver(&self, from: &str, step: u32, callback: &Callback, now: u64) -> Delivered {
        let (store, secret, paid) = (&self.store, &self.secret, Value::from("paid"));
        deliver(store, secret, from, self.callee(step), callback, Some(&paid), now).await.unwrap()
    }

    async fn intent(&self) -> Intent {
        intent::read(&self.store, "order-17").await.unwrap().unwrap()
    }

    /// The callback is refused for this reason, and nothing has changed.
    async fn refuses(&self, from: &str, step: u32, callback: &Callback, why: Delivered) {
        let before = self.store.rows();
        assert_eq!(self.deliver(from, step, callback, NOW).await, why);
        assert_eq!(self.store.rows(), before);
    }
}

#[tokio::test]
async fn a_callback_is_taken_in_once_and_lets_the_root_go_on() {
    let caller = Caller::new().await;
    let callback = caller.callback(1);
    assert_eq!(caller.deliver("payments", 1, &callback, NOW + 5).await, Delivered::Accepted);
    let intent = caller.intent().await;
    assert_eq!(intent.called_back[&caller.callee(1)], Some("paid".into()));
    assert_eq!(intent.next, NOW + 5);
    caller.refuses("payments", 1, &callback, Delivered::Already).await;
}

#[tokio::test]
async fn forged_callback() {
    let caller = Caller::new().await;
    let stranger = Secret([8; 32]).callback("payments", caller.callee(1), "order-17", NOW + 1000);
    caller.refuses("payments", 1, &stranger, Delivered::Forged).await;
    for bit in 0..256 {
        let mut callback = caller.callback(1);
        callback.token[bit / 8] ^= 1 << (bit % 8);
        caller.refuses("payments", 1, &callback, Delivered::Forged).await;
    }
}

#[tokio::test]
async fn misdirected_callback() {
    let caller = Caller::new().await;
    let callback = caller.callback(1);
    caller.refuses("payments", 2, &callback, Delivered::Forged).await; // another step
    caller.refuses("printers", 1, &callback, Delivered::Forged).await; // another callee's service
    let other = Intent::new("order-18".into(), "order", Value::Null, NOW);
    intent::register(&caller.store, &other, None).await.unwrap();
    let elsewhere = Callback { root: "order-18".into(), ..callback };
    caller.refuses("payments", 1, &elsewhere, Delivered::Forged).await; // another root
}

#[tokio::test]
async fn expired_callback() {
    let caller = Caller::new().await;
    let callback = caller.callback(1);
    assert_eq!(caller.deliver("payments", 1, &callback, NOW + 1001).await, Delivered::Expired);
    let prolonged = Callback { until: NOW + 9999, ..callback };
    caller.refuses("payments", 1, &prolonged, Delivered::Forged).await;
    assert!(caller.intent().await.called_back.is_empty());
}

#[tokio::test]
async fn oversized_callback() {
    let caller = Caller::new().await;
    let (callback, large) = (caller.callback(1), Value::from("x".repeat(MAX_CALLED_BACK + 1)));
    let Caller { store, secret, .. } = &caller;
    let (callee, before) = (caller.callee(1), store.rows());
    let deliver = async |result| {
        deliver(store, secret, "payments", callee, &callback, result, NOW + 5).await.unwrap()
    };
    assert_eq!(deliver(Some(&large)).await, Delivered::TooLarge);
    assert_eq!(store.rows(), before);
    // Whoever has it says only that it is done.
    let brought = brought(large.clone());
    assert_eq!(deliver(brought.as_ref()).await, Delivered::Accepted);
    let intent = caller.intent().await;
    assert_eq!((intent.called_back[&callee].clone(), intent.next), (None, NOW + 5));
    caller.refuses("payments", 1, &callback, Delivered::Already).await;
}

#[tokio::test]
async fn callback_after_the_end_makes_no_row() {
    let caller = Caller::new().await;
    let callback = caller.callback(1);
    let root = caller.intent().await;
    intent::finish(&caller.store, &root, &Value::Null, &Left::default()).await.unwrap();
    caller.refuses("payments", 1, &callback, Delivered::NotWaiting).await;
    assert_eq!(caller.intent().await.state, State::Done(Value::Null));
    // Nor after the root was collected and forgotten.
    let row = layout::intent_row("order-17");
    caller.store.delete(&row, &Condition::always()).await.unwrap();
    caller.refuses("payments", 1, &callback, Delivered::NotWaiting).await;
}

#[tokio::test]
async fn callback_to_a_parked_root_waits_for_the_person() {
    let caller = Caller::new().await;
    let reason = crate::error::Reason::new("panic", "it panicked");
    intent::park(&caller.store, &caller.root, &reason).await.unwrap();
    caller.refuses("payments", 1, &caller.callback(1), Delivered::NotWaiting).await;
}

#[tokio::test]
async fn what_was_brought_goes_with_the_finish() {
    let caller = Caller::new().await;
    assert_eq!(caller.deliver("payments", 1, &caller.callback(1), NOW).await, Delivered::Accepted);
    let root = caller.intent().await;
    intent::finish(&caller.store, &root, &Value::Null, &Left::default()).await.unwrap();
    assert!(caller.intent().await.called_back.is_empty());
}

#[tokio::test]
async fn all_hosts_of_a_service_make_the_same_tokens() {
    let store = MemoryStore::new();
    let (a, b) = (Secret::read(&store, [1; 32]).await, Secret::read(&store, [2; 32]).await);
    assert_eq!(a.unwrap().0, b.unwrap().0);
    let damaged = Update::when(Condition::always()).set(service::SECRET, "no bytes");
    store.update(&layout::service_row(), &damaged).await.unwrap();
    assert!(Secret::read(&store, [3; 32]).await.is_err());
    assert_eq!(store.get(&layout::service_row()).await.unwrap().map(|Row(row)| row.len()), Some(1));
}
