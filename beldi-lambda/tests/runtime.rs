//! A function as a process: what it says to Lambda, what it logs, what it measures, and what never.
//!
//! The process is this program once more, with another role; Lambda is a server of a few routes.

use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use beldi::{App, Table};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::sync::mpsc;

const NOTES: Table<str, String> = Table::new("notes");

#[beldi::ssf]
async fn note((key, text): (String, String)) {
    NOTES.put(&key, &text).await;
}

/// What must not be seen anywhere: in credentials, in keys, in payloads.
const SECRETS: [&str; 4] =
    ["canary-secret-key", "canary-session-token", "canary-shared-key", "canary-in-a-payload"];

/// Not a test, but what the process does that the tests begin.
#[tokio::test]
async fn role() {
    match std::env::var("ROLE").as_deref() {
        Ok("function") => {
            let limits = beldi::Limits { request_tries: 1, ..beldi::Limits::default() };
            let app = App::new("notes").limits(limits).ssf(note);
            beldi_lambda::run(app).await.unwrap();
        }
        Ok("memory") => in_memory().await,
        _ => {}
    }
}

/// Events with secrets in them, on a store in memory, with a log that tells all it may.
async fn in_memory() {
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;

    tracing_subscriber::registry().with(beldi_lambda::logs()).init();
    let function = beldi_lambda::Function::new(App::new("notes").ssf(note));
    let host = function.open(beldi::store::MemoryStore::new()).unwrap();
    let secret = SECRETS[3];
    let message = |body: Value| {
        json!({ "Records": [{
            "messageId": body.to_string().len().to_string(), "body": body.to_string(),
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:notes",
        }]})
    };
    for event in [
        json!([secret, secret]),
        json!({ "wrong": secret }),
        json!(secret),
        json!({ "beldi": { "letter": secret } }),
        json!({ "beldi": secret }),
        json!({ "beldi": { secret: secret } }),
        json!({ "id": "1", "source": "notes", "detail-type": "Note", "detail": secret }),
        message(json!(["key", secret])),
        message(json!(secret)),
        json!({
            "version": "2.0", "rawPath": "/note", "body": json!(["key", secret]).to_string(),
            "headers": { "authorization": secret },
            "requestContext": { "http": { "method": "POST" } },
        }),
    ] {
        let payload = serde_json::value::to_raw_value(&event).unwrap();
        // What goes back to the caller may show it: it was the caller's.
        let _ = host.invoke(payload, &Default::default()).await;
    }
}

/// What Lambda hands to the function and gets from it.
#[derive(Clone)]
struct Lambda {
    events: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Value>>>,
    replies: mpsc::UnboundedSender<(String, Value)>,
    asked_store: Arc<Mutex<Vec<String>>>,
}

async fn next(State(lambda): State<Lambda>) -> Response {
    let Some(event) = lambda.events.lock().await.recv().await else {
        return std::future::pending().await;
    };
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-deadline-ms", "600000"),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:123456789012:function:notes",
        ),
        ("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700"),
    ];
    (headers, Json(event)).into_response()
}

async fn answered(
    State(lambda): State<Lambda>,
    Path((_, kind)): Path<(String, String)>,
    reply: axum::body::Bytes,
) -> StatusCode {
    let reply = serde_json::from_slice(&reply).unwrap();
    lambda.replies.send((kind, reply)).unwrap();
    StatusCode::ACCEPTED
}

/// The store, which is out of order.
async fn store(State(lambda): State<Lambda>, headers: axum::http::HeaderMap) -> Response {
    let target = headers.get("x-amz-target").map(|target| target.to_str().unwrap().to_owned());
    lambda.asked_store.lock().unwrap().push(target.unwrap_or_default());
    (StatusCode::INTERNAL_SERVER_ERROR, "out of order").into_response()
}

struct Function {
    events: mpsc::UnboundedSender<Value>,
    replies: mpsc::UnboundedReceiver<(String, Value)>,
    asked_store: Arc<Mutex<Vec<String>>>,
    process: tokio::process::Child,
    printed: [tokio::task::JoinHandle<String>; 2],
}

/// Reads along, or a process that tells much would wait for its reader.
fn read_along(
    mut pipe: impl tokio::io::AsyncRead + Unpin + Send + 'static,
) -> tokio::task::JoinHandle<String> {
    tokio::spawn(async move {
        let mut text = String::new();
        pipe.read_to_string(&mut text).await.unwrap();
        text
    })
}

async fn begun(levels: &str) -> Function {
    let (events, receiver) = mpsc::unbounded_channel();
    let (sender, replies) = mpsc::unbounded_channel();
    let asked_store = Arc::default();
    let lambda = Lambda {
        events: Arc::new(tokio::sync::Mutex::new(receiver)),
        replies: sender,
        asked_store: Arc::clone(&asked_store),
    };
    let router = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/{kind}", post(answered))
        .fallback(store)
        .with_state(lambda);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut process = this_program("function", levels);
    let mut process = process
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .env("AWS_ENDPOINT_URL", format!("http://{address}"))
        .spawn()
        .unwrap();
    let printed =
        [read_along(process.stdout.take().unwrap()), read_along(process.stderr.take().unwrap())];
    Function { events, replies, asked_store, process, printed }
}

fn this_program(role: &str, levels: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let peers =
        json!({ "bank": { "function": "bank", "key": format!("{} and more", SECRETS[2]) } });
    command
        .args(["--exact", "role", "--nocapture"])
        .env_clear()
        .envs([
            ("ROLE", role),
            ("RUST_LOG", levels),
            ("BELDI_TABLE", "notes"),
            ("BELDI_PEERS", &peers.to_string()),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", SECRETS[0]),
            ("AWS_SESSION_TOKEN", SECRETS[1]),
            ("AWS_LAMBDA_FUNCTION_NAME", "notes"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// All it has printed, after it was killed.
async fn printed(mut function: Function) -> String {
    function.process.kill().await.unwrap();
    let [output, errors] = function.printed;
    output.await.unwrap() + &errors.await.unwrap()
}

fn shows_no_secret(printed: &str) {
    for secret in SECRETS {
        let line = printed.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} was printed");
    }
}

/// Also a deadline that is long past, as emulators have it, is survived here.
#[tokio::test]
async fn a_store_that_is_down_is_seen() {
    let mut function = begun("trace").await;
    function.events.send(json!(["key", SECRETS[3]])).unwrap();
    let (kind, reply) = function.replies.recv().await.unwrap();
    assert_eq!(kind, "error", "{reply}");
    assert_eq!(reply["errorType"], "Beldi.StoreUnavailable", "{reply}");
    assert!(!function.asked_store.lock().unwrap().is_empty(), "the endpoint of the environment");

    function.events.send(json!({ "beldi": 1 })).unwrap();
    let (kind, reply) = function.replies.recv().await.unwrap();
    assert_eq!((&*kind, &reply["errorType"]), ("error", &json!("Beldi.Refused")));
    function.events.send(json!({ "beldi": 2 })).unwrap();
    function.replies.recv().await.unwrap();

    let printed = printed(function).await;
    shows_no_secret(&printed);
    let lines: Vec<Value> =
        printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let counted: Vec<_> =
        lines.iter().filter(|line| line.get("beldi_failures_total").is_some()).collect();
    let of = |kind: &str| counted.iter().filter(|line| line["type"] == kind).count();
    assert_eq!((of("Beldi.StoreUnavailable"), of("Beldi.Refused")), (1, 2), "{printed}");
    assert_eq!(counted[0]["service"], "notes");
    assert_eq!(counted[0]["_aws"]["CloudWatchMetrics"][0]["Namespace"], "beldi");
    let told = lines.iter().find(|line| line["error_type"] == "Beldi.StoreUnavailable").unwrap();
    assert_eq!(told["level"], "ERROR");
    let spans = told["spans"].as_array().unwrap();
    let span = spans.iter().find(|span| span["name"] == "invocation").unwrap();
    assert_eq!(span["service"], "notes");
    assert_eq!(span["ssf"], "note");
    assert_eq!(span["request_id"], "8476a536-e9f4-11e8-9739-2dfe598c3fcd");
}

#[tokio::test]
async fn secrets_in_payloads_are_not_logged() {
    let output = this_program("memory", "trace").output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8(printed).unwrap();
    assert!(printed.lines().any(|line| line.contains("\"error_type\"")), "{printed}");
    shows_no_secret(&printed);
}

#[tokio::test]
async fn a_function_without_a_table_says_so() {
    let mut command = this_program("function", "info");
    let output = command
        .env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
        .env_remove("BELDI_TABLE")
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    let printed = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("BELDI_TABLE"), "{printed}");
}
