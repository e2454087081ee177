//! Whatever keeps an invocation from its result is seen by Lambda, in the log and in the metrics.

use beldi::testing::Fault;
use beldi_lambda::{Context, FailureKind};
use lambda_runtime::Diagnostic;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use serde_json::{Value, json};

use crate::shop::{event, invoke, invoke_at, shop};

fn order(article: &str) -> Value {
    json!({ "ssf": "take_order", "key": article, "input": { "id": "f-1", "article": article } })
}

#[tokio::test]
async fn alarm_visible() {
    let (host, store) = shop();
    store.script(|_| Fault::Fail);
    let failure = invoke(&host, &order("lamp")).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::StoreUnavailable);
    assert!(failure.kind().is_transient());
    let shown = Diagnostic::from(failure);
    assert_eq!(shown.error_type, "Beldi.StoreUnavailable");

    let reply = invoke(&host, &event("function-url")).await.unwrap();
    assert_eq!(reply["statusCode"], 503, "the client is told, which is the reply");
    for source in ["sqs", "sqs-fifo", "kinesis", "dynamodb", "eventbridge"] {
        let failure = invoke(&host, &event(source)).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::StoreUnavailable, "{source}");
    }
    invoke(&host, &json!({ "beldi": { "tick": "intents" } })).await.unwrap_err();
}

#[tokio::test]
async fn each_kind_has_its_error_type() {
    let (host, _) = shop();
    for (event, kind) in [
        (order("poison"), FailureKind::Parked),
        (json!({ "ssf": "none", "input": 1 }), FailureKind::BadRequest),
        (json!({ "ssf": "take_order", "input": 1 }), FailureKind::BadRequest),
        (json!({ "input": 1 }), FailureKind::BadRequest),
        (json!({ "ssf": "echo", "key": "~", "input": 1 }), FailureKind::BadRequest),
        (json!({ "beldi": 1 }), FailureKind::Refused),
    ] {
        let failure = invoke(&host, &event).await.unwrap_err();
        assert_eq!(failure.kind(), kind, "{event}: {failure}");
        assert_eq!(failure.kind().error_type(), format!("Beldi.{kind:?}"));
    }
}

/// Emulators set deadlines that are long past.
#[tokio::test]
async fn a_deadline_in_the_past_is_none() {
    let (host, _) = shop();
    let mut context = Context::default();
    context.deadline = 600_000;
    assert_eq!(invoke_at(&host, &order("lamp"), &context).await.unwrap(), 1);
}

#[test]
fn failures_and_parked_instances_are_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshot = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (host, _) = shop();
            invoke(&host, &order("poison")).await.unwrap_err();
            let mut event = event("sqs");
            event["Records"][0]["body"] = "no json".into();
            invoke(&host, &event).await.unwrap();
        });
    });
    let counted: Vec<_> = snapshot
        .snapshot()
        .into_vec()
        .into_iter()
        .filter_map(|(key, _, _, value)| {
            let labels: Vec<_> = key.key().labels().map(|label| label.value().to_owned()).collect();
            match value {
                DebugValue::Counter(count) => {
                    Some((key.key().name().to_owned(), labels.join(" "), count))
                }
                _ => None,
            }
        })
        .collect();
    let count = |name: &str, labels: &str| {
        counted.iter().find(|(n, l, _)| n == name && l == labels).map_or(0, |(_, _, count)| *count)
    };
    assert_eq!(count("beldi_parked_total", ""), 1, "{counted:?}");
    assert_eq!(count("beldi_failures_total", "Beldi.Parked"), 1);
    assert_eq!(count("beldi_records_total", "sqs malformed"), 1);
    assert_eq!(count("beldi_records_total", "sqs done"), 1);
}
