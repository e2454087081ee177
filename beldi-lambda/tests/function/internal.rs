//! What a function is told by schedules, by itself and by other services.

use std::sync::Arc;

use beldi::App;
use beldi::on_demand::{SharedKey, Transport, Unreachable};
use beldi::store::MemoryStore;
use beldi_lambda::{Context, FailureKind, Function, Host};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::shop::{collect, invoke, orders_of, shop};

#[tokio::test]
async fn schedules_make_the_collectors_go() {
    let (host, _) = shop();
    let round = collect(&host).await;
    assert_eq!(round["begun"], 0);
    let swept = invoke(&host, &json!({ "beldi": { "tick": "garbage" } })).await.unwrap();
    assert_eq!(swept["complete"], true, "{swept}");
}

#[tokio::test]
async fn a_registered_root_is_followed() {
    let (host, _) = shop();
    let mut event = crate::shop::event("function-url");
    event["headers"]["prefer"] = "respond-async".into();
    assert_eq!(invoke(&host, &event).await.unwrap()["statusCode"], 202);
    assert!(orders_of(&host, "h-1").await.is_empty());
    let follow = json!({ "beldi": { "follow": "http/order-17" } });
    for _ in 0..2 {
        assert_eq!(invoke(&host, &follow).await.unwrap(), Value::Null);
    }
    assert_eq!(orders_of(&host, "h-1").await, ["shelf"]);
    let unknown = invoke(&host, &json!({ "beldi": { "follow": "nobody" } })).await.unwrap_err();
    assert_eq!(unknown.kind(), FailureKind::BadRequest);
}

#[tokio::test]
async fn instances_are_looked_after() {
    let (host, _) = shop();
    let order = json!({ "id": "i-1", "article": "poison" });
    let order = json!({ "ssf": "take_order", "key": "order-18", "input": order });
    invoke(&host, &order).await.unwrap_err();
    let instance = json!({ "beldi": { "instance": "order-18" } });
    let parked = invoke(&host, &instance).await.unwrap();
    assert_eq!((&parked["state"], &parked["ssf"]), (&json!("parked"), &json!("take_order")));
    assert!(parked["reason"]["message"].is_string(), "{parked}");

    let resumed = invoke(&host, &json!({ "beldi": { "resume": "order-18" } })).await.unwrap();
    assert_eq!(resumed["state"], "parked", "nothing was mended: {resumed}");
    assert!(resumed["attempts"].as_u64() > parked["attempts"].as_u64());

    let fine = json!({ "ssf": "echo", "key": "echo-1", "input": "a secret" });
    invoke(&host, &fine).await.unwrap();
    let done = invoke(&host, &json!({ "beldi": { "instance": "echo-1" } })).await.unwrap();
    assert_eq!(done["state"], "done");
    assert!(!done.to_string().contains("a secret"), "{done}");
    for what in ["instance", "resume"] {
        let failure = invoke(&host, &json!({ "beldi": { what: "nobody" } })).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::BadRequest);
    }
    let failure = invoke(&host, &json!({ "beldi": { "resume": "echo-1" } })).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::BadRequest, "it is not parked");
}

/// What the shop knows of a bank.
#[beldi::ssf(service = "bank")]
async fn charge(sum: u32) -> u32;

#[beldi::ssf]
async fn pay(sum: u32) -> u32 {
    charge(sum).await
}

mod bank {
    const ACCOUNTS: beldi::Table<str, u32> = beldi::Table::new("accounts");

    #[beldi::ssf]
    pub(super) async fn charge(sum: u32) -> u32 {
        ACCOUNTS.update("ann", |account| *account.insert(account.unwrap_or(0) + sum)).await
    }
}

/// Invokes a function as Lambda would, and delivers everything twice.
struct Twice(Arc<Host>);

impl Transport for Twice {
    fn ask(&self, letter: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, Unreachable>> {
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::STANDARD;
        let payload = json!({ "beldi": { "letter": engine.encode(letter) } });
        Box::pin(async move {
            invoke(&self.0, &payload).await.unwrap();
            let reply = invoke(&self.0, &payload).await.unwrap();
            Ok(engine.decode(reply["beldi"]["letter"].as_str().unwrap()).unwrap())
        })
    }
}

fn key(secret: &str) -> SharedKey {
    SharedKey::new(secret).unwrap()
}

struct Nowhere;

impl Transport for Nowhere {
    fn ask(&self, _: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, Unreachable>> {
        Box::pin(async { Err(Unreachable::NoAnswer("nobody is there".to_owned())) })
    }
}

#[tokio::test]
async fn services_reach_each_other() {
    let secret = "correct horse battery staple";
    let bank = Function::new(App::new("bank").ssf(bank::charge)).peer("shop", key(secret), Nowhere);
    let bank = Arc::new(bank.open(MemoryStore::new()).unwrap());
    let shop = Function::new(App::new("shop").ssf(pay));
    let shop = shop.peer("bank", key(secret), Twice(Arc::clone(&bank)));
    let shop = shop.open(MemoryStore::new()).unwrap();
    assert_eq!(invoke(&shop, &json!(30)).await.unwrap(), 30);
    assert_eq!(invoke(&shop, &json!(12)).await.unwrap(), 42);
}

/// Reads what it is given, and keeps it.
#[derive(Clone, Default)]
struct Kept(Arc<std::sync::Mutex<Vec<Vec<u8>>>>);

impl Transport for Kept {
    fn ask(&self, letter: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, Unreachable>> {
        self.0.lock().unwrap().push(letter);
        Nowhere.ask(Vec::new())
    }
}

#[tokio::test]
async fn a_letter_under_another_seal_is_refused() {
    use base64::Engine as _;
    let kept = Kept::default();
    let shop = Function::new(App::new("shop").ssf(pay));
    let shop = shop.peer("bank", key("a secret that nobody shares"), kept.clone());
    let shop = shop.open(MemoryStore::new()).unwrap();
    let mut context = Context::default();
    context.deadline = beldi::Outside::now(&beldi::RealOutside) + 800;
    let payload = serde_json::value::to_raw_value(&30).unwrap();
    let failure = shop.invoke(payload, &context).await.unwrap_err();
    assert!(failure.kind().is_transient(), "{failure}");

    let letter = kept.0.lock().unwrap().first().cloned().unwrap();
    let letter = base64::engine::general_purpose::STANDARD.encode(letter);
    let payload = json!({ "beldi": { "letter": letter } });
    for secret in ["correct horse battery staple", "a secret that nobody share"] {
        let bank = Function::new(App::new("bank").ssf(bank::charge));
        let bank = bank.peer("shop", key(secret), Nowhere).open(MemoryStore::new()).unwrap();
        let failure = invoke(&bank, &payload).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Refused);
        assert_eq!(invoke(&bank, &json!(1)).await.unwrap(), 1, "nothing was charged");
    }
}
