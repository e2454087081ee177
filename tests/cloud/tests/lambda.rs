//! The host of functions, by what a caller sees and by what becomes of the processes.

use std::path::Path;
use std::time::Duration;

use aws_sdk_lambda::error::ProvideErrorMetadata as _;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use cloud::aws;
use cloud::lambda::{Counts, Function, Lambda, Moment};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// A host of one function, `echo`.
struct Fixture {
    lambda: Lambda,
    client: aws_sdk_lambda::Client,
}

async fn host(set: impl FnOnce(Function) -> Function) -> Fixture {
    let echo = Function::new("echo", env!("CARGO_BIN_EXE_echo")).env("GREETING", "hello");
    let lambda = Lambda::start([set(echo)]).await.unwrap();
    let client = aws::lambda(&lambda.endpoint());
    Fixture { lambda, client }
}

impl Fixture {
    /// What was answered, or the code of the refusal.
    async fn ask(&self, name: &str, event: Value) -> Result<Answer, String> {
        let payload = Blob::new(event.to_string());
        let asked = self.client.invoke().function_name(name).payload(payload).send().await;
        let answer = asked.map_err(|error| error.code().unwrap_or("none").to_owned())?;
        let body = answer.payload.map(Blob::into_inner).unwrap_or_default();
        Ok(Answer {
            is_error: answer.function_error.is_some(),
            body: serde_json::from_slice(&body).unwrap(),
        })
    }

    async fn echo(&self, event: Value) -> Answer {
        self.ask("echo", event).await.unwrap()
    }

    async fn send(&self, event: Value) -> i32 {
        let invoke =
            self.client.invoke().function_name("echo").payload(Blob::new(event.to_string()));
        invoke.invocation_type(InvocationType::Event).send().await.unwrap().status_code
    }

    fn counts(&self) -> Counts {
        self.lambda.counts("echo")
    }

    async fn until(&self, wanted: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !wanted(self) {
            assert!(began.elapsed() < Duration::from_secs(10), "{:?}", self.counts());
            sleep(Duration::from_millis(5)).await;
        }
    }
}

#[derive(Debug)]
struct Answer {
    is_error: bool,
    body: Value,
}

impl Answer {
    #[track_caller]
    fn error(&self) -> &str {
        assert!(self.is_error, "{self:?}");
        self.body["errorType"].as_str().unwrap()
    }
}

fn is_running(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = status.rsplit_once(')').and_then(|(_, rest)| rest.trim().chars().next());
    state.is_some_and(|state| state != 'Z')
}

#[tokio::test]
async fn an_answer_and_what_the_function_knows_of_its_invocation() {
    let host = host(|echo| echo.time_out(Duration::from_secs(5))).await;
    let Answer { is_error, body } = host.echo(json!({ "room": 4 })).await;
    assert!(!is_error);
    assert_eq!(body["payload"]["room"], 4);
    assert_eq!(body["greeting"], "hello");
    assert_eq!(body["path"], Value::Null, "the environment of the host got through");
    assert_eq!(body["function"], "arn:aws:lambda:us-east-1:000000000000:function:echo");
    assert_eq!(body["request"].as_str().unwrap().len(), 36);
    let left = body["left"].as_u64().unwrap();
    assert!((1000..=5000).contains(&left), "{left} ms left of 5 s");
}

#[tokio::test]
async fn one_process_for_one_invocation_after_the_other() {
    let host = host(|echo| echo).await;
    let first = host.echo(json!({})).await;
    let second = host.echo(json!({})).await;
    assert_eq!(first.body["process"], second.body["process"]);
    assert_ne!(first.body["request"], second.body["request"]);
    let counts = host.counts();
    assert_eq!((counts.processes, counts.invocations, counts.answers), (1, 2, 2));
}

#[tokio::test]
async fn two_processes_for_two_at_once() {
    let host = host(|echo| echo).await;
    let slow = json!({ "sleep": 300 });
    let (a, b) = tokio::join!(host.echo(slow.clone()), host.echo(slow));
    assert_ne!(a.body["process"], b.body["process"]);
    assert_eq!(host.lambda.processes("echo").len(), 2);
}

#[tokio::test]
async fn errors_of_the_function_are_answers_of_lambda() {
    let host = host(|echo| echo).await;
    let failed = host.echo(json!({ "do": "fail" })).await;
    assert_eq!(failed.body["errorMessage"], "told to fail", "{failed:?}");
    let panicked = host.echo(json!({ "do": "panic" })).await;
    assert!(panicked.is_error && panicked.body.to_string().contains("told to panic"));
    let grown = host.echo(json!({ "do": "grow" })).await;
    assert_eq!(grown.error(), "Function.ResponseSizeTooLarge");
    let counts = host.counts();
    assert_eq!((counts.errors, counts.answers), (3, 0));
}

#[tokio::test]
async fn an_exit_is_an_error_and_the_next_invocation_has_a_new_process() {
    let host = host(|echo| echo).await;
    let exited = host.echo(json!({ "do": "exit" })).await;
    assert_eq!(exited.error(), "Runtime.ExitError");
    assert!(exited.body["errorMessage"].as_str().unwrap().contains("exit status: 3"));
    assert!(!host.echo(json!({})).await.is_error);
    assert_eq!((host.counts().exits, host.counts().processes), (1, 2));
}

#[tokio::test]
async fn a_process_that_cannot_start_says_so() {
    let exits = host(|echo| echo.env("ECHO_START", "exit")).await;
    assert_eq!(exits.echo(json!({})).await.error(), "Runtime.ExitError");
    let missing = Lambda::start([Function::new("echo", "/no/such/program")]).await.unwrap();
    let missing = Fixture { client: aws::lambda(&missing.endpoint()), lambda: missing };
    assert_eq!(missing.echo(json!({})).await.error(), "Runtime.InvalidEntrypoint");
}

#[tokio::test]
async fn who_is_late_is_killed() {
    let host = host(|echo| echo.time_out(Duration::from_millis(400))).await;
    host.echo(json!({})).await;
    let late = host.echo(json!({ "sleep": 5000 })).await;
    assert_eq!(late.error(), "Sandbox.Timedout");
    assert!(late.body["errorMessage"].as_str().unwrap().contains("timed out after 0.40 seconds"));
    assert_eq!(host.counts().time_outs, 1);
    host.until(|host| host.lambda.processes("echo").is_empty()).await;
    assert!(!host.echo(json!({})).await.is_error);
}

#[tokio::test]
async fn an_event_is_acknowledged_first_and_tried_three_times() {
    let host = host(|echo| echo.retries(2, Duration::from_millis(20))).await;
    assert_eq!(host.send(json!({ "sleep": 300 })).await, 202);
    assert_eq!(host.counts().answers, 0, "it was waited for");
    host.until(|host| host.counts().answers == 1).await;
    assert_eq!(host.send(json!({ "do": "fail" })).await, 202);
    host.until(|host| host.counts().given_up == 1).await;
    let counts = host.counts();
    assert_eq!((counts.errors, counts.retries, counts.invocations), (3, 2, 4));
}

#[tokio::test]
async fn what_lambda_refuses() {
    let host = host(|echo| echo.slots(1)).await;
    assert_eq!(host.ask("nobody", json!({})).await.unwrap_err(), "ResourceNotFoundException");
    let both = tokio::join!(
        host.ask("echo", json!({ "sleep": 300 })),
        host.ask("echo", json!({ "sleep": 300 }))
    );
    let refused = [both.0, both.1].into_iter().find_map(Result::err);
    assert_eq!(refused.as_deref(), Some("TooManyRequestsException"));
    assert_eq!(host.counts().throttled, 1);

    let large = Value::from("x".repeat(6 * 1024 * 1024));
    assert_eq!(host.ask("echo", large).await.unwrap_err(), "RequestTooLargeException");
    let event = Blob::new(Value::from("x".repeat(1024 * 1024)).to_string());
    let sent = host.client.invoke().function_name("echo").payload(event);
    let sent = sent.invocation_type(InvocationType::Event).send().await;
    assert_eq!(sent.unwrap_err().code(), Some("RequestTooLargeException"));
    let dry = host.client.invoke().function_name("echo").invocation_type(InvocationType::DryRun);
    assert_eq!(dry.send().await.unwrap().status_code, 204);
    assert_eq!(host.counts().invocations, 1);
}

#[tokio::test]
async fn a_function_goes_by_its_arn_too() {
    let host = host(|echo| echo).await;
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:echo:$LATEST";
    assert!(!host.ask(arn, json!({})).await.unwrap().is_error);
}

#[tokio::test]
async fn the_killer_takes_whom_it_is_told_when_it_is_told() {
    let host = host(|echo| echo).await;
    host.lambda.kill(|begun| match begun.number {
        1 => Some(Moment::Start),
        2 => Some(Moment::After(Duration::from_millis(100))),
        3 => Some(Moment::Unheard),
        4 => Some(Moment::Idle),
        _ => None,
    });
    for _ in 0..3 {
        let killed = host.echo(json!({ "sleep": 200 })).await;
        assert_eq!(killed.error(), "Runtime.ExitError");
        assert!(killed.body["errorMessage"].as_str().unwrap().contains("signal: killed"));
    }
    let answered = host.echo(json!({})).await;
    assert!(!answered.is_error);
    let next = host.echo(json!({})).await;
    assert_ne!(answered.body["process"], next.body["process"]);
    let Counts { killed_at_start, killed_within, killed_unheard, killed_idle, .. } = host.counts();
    assert_eq!((killed_at_start, killed_within, killed_unheard, killed_idle), (1, 1, 1, 1));
    assert_eq!((host.counts().kills(), host.counts().exits, host.counts().processes), (4, 0, 5));

    assert_eq!(host.lambda.kill_idle("echo"), 1);
    assert!(!host.echo(json!({})).await.is_error);
    assert_eq!((host.counts().kills(), host.counts().processes), (5, 6));
}

/// Somebody else kills it while it waits: whoever invokes the function next does not notice.
#[tokio::test]
async fn a_process_that_dies_idle_is_replaced() {
    let host = host(|echo| echo).await;
    host.echo(json!({})).await;
    let processes = host.lambda.processes("echo");
    let pid = rustix::process::Pid::from_raw(processes[0].try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert!(!host.echo(json!({})).await.is_error);
    assert_eq!((host.counts().exits, host.counts().processes), (1, 2));
}

#[tokio::test]
async fn between_two_invocations_a_process_stands_still() {
    let host = host(|echo| echo).await;
    host.echo(json!({})).await;
    let process = host.lambda.processes("echo")[0];
    let is_stopped = |_: &Fixture| {
        let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        status.contains(") T ")
    };
    host.until(is_stopped).await;
    assert!(!host.echo(json!({})).await.is_error);
    assert_eq!(host.lambda.processes("echo"), [process]);
}

#[tokio::test]
async fn a_schedule_invokes_again_and_again() {
    let mut host = host(|echo| echo).await;
    host.lambda.every(Duration::from_millis(20), "echo", json!({ "tick": true }).to_string());
    host.until(|host| host.counts().answers >= 3).await;
}

#[tokio::test]
async fn nothing_is_left_running() {
    let host = host(|echo| echo).await;
    let slow = json!({ "sleep": 300 });
    tokio::join!(host.echo(slow.clone()), host.echo(slow.clone()));
    host.send(json!({ "sleep": 60_000 })).await;
    host.until(|host| host.counts().invocations == 3).await;
    let processes = host.lambda.processes("echo");
    assert_eq!(processes.iter().filter(|process| is_running(**process)).count(), 2);
    drop(host);
    let began = Instant::now();
    while processes.iter().any(|process| is_running(*process)) {
        assert!(began.elapsed() < Duration::from_secs(5), "{processes:?}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_it_prints_goes_to_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("echo.log");
    let host = host(|echo| echo.log(Path::new(&log))).await;
    host.echo(json!({ "do": "panic" })).await;
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains("told to panic"), "{text}");
}
