//! Many invocations of one process at once.

use std::sync::Arc;

use beldi::store::MemoryStore;
use beldi_lambda::Context;
use serde_json::json;

use crate::shop::{event, failed, invoke, open, orders_of};

/// 64 at once, of all kinds, on several threads: each gets its own answer, and each has happened once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_isolation() {
    let host = Arc::new(open(MemoryStore::new()));
    let invocations: Vec<_> = (0..64)
        .map(|n: usize| {
            let host = Arc::clone(&host);
            tokio::spawn(async move {
                let (id, article) = (format!("c-{n}"), format!("article {n}"));
                let order = json!({ "id": id, "article": article });
                let mut context = Context::default();
                context.request_id = format!("request {n}");
                let event = match n % 4 {
                    0 => json!({ "ssf": "take_order", "input": order }),
                    1 => json!({ "ssf": "echo", "input": article }),
                    2 => {
                        let mut event = event("function-url");
                        event["body"] = order.to_string().into();
                        event["headers"]["idempotency-key"] = id.into();
                        event
                    }
                    _ => {
                        let mut event = event("sqs");
                        event["Records"].as_array_mut().unwrap().truncate(1);
                        event["Records"][0]["messageId"] = id.into();
                        event["Records"][0]["body"] = order.to_string().into();
                        event
                    }
                };
                let payload = serde_json::value::to_raw_value(&event).unwrap();
                let reply = host.invoke(payload, &context).await.unwrap();
                match n % 4 {
                    0 => assert_eq!(reply, 1),
                    1 => assert_eq!(reply, article),
                    2 => assert_eq!(reply["body"], "1"),
                    _ => assert!(failed(&reply).is_empty()),
                }
            })
        })
        .collect();
    for invocation in invocations {
        invocation.await.unwrap();
    }
    for n in (0..64).filter(|n| n % 4 != 1) {
        assert_eq!(orders_of(&host, &format!("c-{n}")).await, [format!("article {n}")]);
    }
}

/// One that fails or is cut does not touch its neighbours.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cut_invocation_leaves_others_alone() {
    let host = Arc::new(open(MemoryStore::new()));
    let slow = json!({ "ssf": "take_order", "input": { "id": "cut", "article": "slow" } });
    let mut context = Context::default();
    context.deadline = beldi::Outside::now(&beldi::RealOutside) + 700;
    let slow = {
        let host = Arc::clone(&host);
        let payload = serde_json::value::to_raw_value(&slow).unwrap();
        tokio::spawn(async move { host.invoke(payload, &context).await })
    };
    for n in 0..20 {
        let order = json!({ "ssf": "take_order", "input": { "id": "beside", "article": "lamp" } });
        assert_eq!(invoke(&host, &order).await.unwrap(), n + 1);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let failure = slow.await.unwrap().unwrap_err();
    assert!(failure.kind().is_transient(), "{failure}");
}
