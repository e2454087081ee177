//! Invocations of other functions: what is sent, and what each reply of Lambda means.

use std::sync::{Arc, Mutex};

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use beldi::on_demand::{Starter as _, Transport as _, Unreachable};
use beldi_lambda::Invoke;
use serde_json::{Value, json};

/// Lambda, which always replies the same.
#[derive(Clone, Debug)]
struct Lambda {
    reply: Option<(u16, &'static str, String)>,
    seen: Arc<Mutex<Vec<(String, String, Value)>>>,
}

impl HttpConnector for Lambda {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let kind = request.headers().get("x-amz-invocation-type").unwrap_or_default().to_owned();
        let payload = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        self.seen.lock().unwrap().push((request.uri().to_owned(), kind, payload));
        let Some((status, error, body)) = self.reply.clone() else {
            return HttpConnectorFuture::ready(Err(ConnectorError::io("lost".into())));
        };
        let mut reply = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        let header = if status == 200 { "x-amz-function-error" } else { "x-amzn-errortype" };
        if !error.is_empty() {
            reply.headers_mut().insert(header, error);
        }
        HttpConnectorFuture::ready(Ok(reply))
    }
}

fn lambda(reply: Option<(u16, &'static str, String)>) -> (Lambda, Invoke) {
    let lambda = Lambda { reply, seen: Arc::default() };
    let connector = SharedHttpConnector::new(lambda.clone());
    let config = aws_sdk_lambda::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .retry_config(aws_sdk_lambda::config::retry::RetryConfig::disabled())
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .build();
    (lambda, Invoke::new(Client::from_conf(config), "payments"))
}

/// `answer`, as a function replies it.
const ANSWER: &str = r#"{"beldi":{"letter":"YW5zd2Vy"}}"#;

#[tokio::test]
async fn a_letter_is_answered() {
    let (lambda, invoke) = lambda(Some((200, "", ANSWER.to_owned())));
    assert_eq!(invoke.ask(b"letter".to_vec()).await.unwrap(), b"answer");
    let (uri, kind, payload) = lambda.seen.lock().unwrap()[0].clone();
    assert!(uri.contains("/functions/payments/invocations"), "{uri}");
    assert_eq!(kind, "RequestResponse");
    assert_eq!(payload, json!({ "beldi": { "letter": "bGV0dGVy" } }));
}

#[tokio::test]
async fn a_root_is_started_without_waiting() {
    let (lambda, invoke) = lambda(Some((202, "", String::new())));
    invoke.start("order-17").await.unwrap();
    let (_, kind, payload) = lambda.seen.lock().unwrap()[0].clone();
    assert_eq!(kind, "Event");
    assert_eq!(payload, json!({ "beldi": { "follow": "order-17" } }));
}

/// An emulator runs events at once, and replies with what came of them.
#[tokio::test]
async fn a_root_that_was_waited_for_is_started() {
    let (_, invoke) = lambda(Some((200, "", "null".to_owned())));
    invoke.start("order-17").await.unwrap();
}

#[tokio::test]
async fn what_is_no_answer_says_nothing_about_what_happened() {
    let failure =
        json!({ "errorType": "Beldi.StoreUnavailable", "errorMessage": "down" }).to_string();
    let timed_out =
        json!({ "errorType": "Sandbox.Timedout", "errorMessage": "3.00 s" }).to_string();
    for reply in [
        Some((200, "Unhandled", failure.clone())),
        Some((200, "Unhandled", timed_out)),
        Some((200, "Unhandled", "no json".to_owned())),
        Some((200, "", "null".to_owned())),
        Some((200, "", r#"{"beldi":{"tick":"intents"}}"#.to_owned())),
        Some((500, "ServiceException", "{}".to_owned())),
        Some((500, "", failure)),
        Some((429, "TooManyRequestsException", "{}".to_owned())),
        Some((403, "AccessDeniedException", "{}".to_owned())),
        // An alias may be on its way; a chain of invocations ends, and a tick begins another.
        Some((404, "ResourceNotFoundException", "{}".to_owned())),
        Some((400, "RecursiveInvocationException", "{}".to_owned())),
        None,
    ] {
        let (lambda, invoke) = lambda(reply.clone());
        let unreachable = invoke.ask(b"letter".to_vec()).await.unwrap_err();
        assert!(matches!(unreachable, Unreachable::NoAnswer(_)), "{reply:?}: {unreachable}");
        assert!(unreachable.to_string().contains("payments"), "{unreachable}");
        assert_eq!(lambda.seen.lock().unwrap().len(), 1, "nothing is sent twice: {reply:?}");
    }
}

#[tokio::test]
async fn what_can_never_arrive_is_told_apart() {
    for (status, error) in
        [(413, "RequestTooLargeException"), (400, "InvalidRequestContentException")]
    {
        let (_, invoke) = lambda(Some((status, error, "{}".to_owned())));
        let unreachable = invoke.ask(b"letter".to_vec()).await.unwrap_err();
        assert!(matches!(unreachable, Unreachable::Undeliverable(_)), "{error}: {unreachable}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_not_sent() {
    let (lambda, invoke) = lambda(Some((200, "", ANSWER.to_owned())));
    let unreachable = invoke.ask(vec![0; 5 * 1024 * 1024]).await.unwrap_err();
    assert!(matches!(&unreachable, Unreachable::Undeliverable(text) if text.contains("6291456")));
    let unreachable = invoke.start(&"k".repeat(1024 * 1024)).await.unwrap_err();
    assert!(matches!(&unreachable, Unreachable::Undeliverable(text) if text.contains("1048576")));
    assert!(lambda.seen.lock().unwrap().is_empty());
    invoke.ask(vec![0; beldi::on_demand::MAX_LETTER]).await.unwrap();
}
