//! The Invoke API: what comes in, what is refused, and what is tried again.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::sleep;
use uuid::Builder;

use super::function::Function;
use super::pool::{Ended, Job, Pool, Throttled};

/// The largest payload of a call, and of an answer.
pub(super) const MAX_PAYLOAD: usize = 6 * 1024 * 1024;
/// The largest payload of an event.
const MAX_EVENT: usize = 1024 * 1024;
/// How long an event that finds all slots busy waits until it tries again.
const BUSY: Duration = Duration::from_millis(50);

const TYPE: HeaderName = HeaderName::from_static("x-amz-invocation-type");
const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

pub(super) fn routes() -> Router<Arc<Pool>> {
    Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .layer(DefaultBodyLimit::max(2 * MAX_PAYLOAD))
}

async fn invoke(
    State(pool): State<Arc<Pool>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    payload: Bytes,
) -> Response {
    let Some(function) = pool.function(plain_name(&name)) else {
        return not_found(&name);
    };
    let how = headers.get(TYPE).map_or(b"RequestResponse".as_slice(), HeaderValue::as_bytes);
    match how {
        b"RequestResponse" if payload.len() <= MAX_PAYLOAD => call(&pool, &function, payload).await,
        b"Event" if payload.len() <= MAX_EVENT => {
            let retries = function.retries;
            tokio::spawn(until_heard(pool, function, payload, retries));
            StatusCode::ACCEPTED.into_response()
        }
        b"RequestResponse" => too_large(payload.len(), MAX_PAYLOAD),
        b"Event" => too_large(payload.len(), MAX_EVENT),
        b"DryRun" => StatusCode::NO_CONTENT.into_response(),
        _ => refuse(
            StatusCode::BAD_REQUEST,
            "InvalidParameterValueException",
            "no such invocation type",
        ),
    }
}

/// Of a name, with a version or as an ARN.
fn plain_name(name: &str) -> &str {
    let name = name.rsplit_once("function:").map_or(name, |(_, name)| name);
    name.split(':').next().unwrap_or(name)
}

async fn call(pool: &Arc<Pool>, function: &Arc<Function>, payload: Bytes) -> Response {
    let (job, ended) = new_job(payload);
    let id = job.id.clone();
    if pool.dispatch(function, job).is_err() {
        return throttled();
    }
    let Ok(ended) = ended.await else {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "ServiceException", "the host is closed");
    };
    let (body, is_error) = match ended {
        Ended::Answer(body) => (body, false),
        Ended::Error(body) => (body, true),
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(VERSION, HeaderValue::from_static("$LATEST"));
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert(REQUEST_ID, id);
    }
    if is_error {
        headers.insert(FUNCTION_ERROR, HeaderValue::from_static("Unhandled"));
    }
    response
}

fn new_job(payload: Bytes) -> (Job, oneshot::Receiver<Ended>) {
    let (ended, when_ended) = oneshot::channel();
    let id = Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid();
    (Job { id: id.to_string(), payload, ended }, when_ended)
}

/// One event, tried again while it fails; busy slots are no failure.
async fn until_heard(pool: Arc<Pool>, function: Arc<Function>, payload: Bytes, retries: u32) {
    for again in 0..=retries {
        if again > 0 {
            pool.note(&function.name, |counts| counts.retries += 1);
            sleep(function.retry_after).await;
        }
        let (mut job, ended) = new_job(payload.clone());
        while let Err(Throttled(same)) = pool.dispatch(&function, job) {
            if pool.is_closed() {
                return;
            }
            job = same;
            sleep(BUSY).await;
        }
        if let Ok(Ended::Answer(_)) = ended.await {
            return;
        }
    }
    pool.note(&function.name, |counts| counts.given_up += 1);
}

/// One event of a schedule, until it ended: whatever became of it, the next one will see to that.
pub(super) async fn once(pool: &Arc<Pool>, function: &str, payload: Bytes) {
    if let Some(function) = pool.function(function) {
        let (job, ended) = new_job(payload);
        if pool.dispatch(&function, job).is_ok() {
            let _ = ended.await;
        }
    }
}

fn not_found(name: &str) -> Response {
    let what = format!("Function not found: {name}");
    refuse(StatusCode::NOT_FOUND, "ResourceNotFoundException", what)
}

fn throttled() -> Response {
    refuse(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", "Rate Exceeded.")
}

fn too_large(size: usize, limit: usize) -> Response {
    let what = format!("{size} byte payload is too large, the limit is {limit}");
    refuse(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", what)
}

fn refuse(status: StatusCode, kind: &'static str, what: impl Display) -> Response {
    let body = Json(json!({ "Type": "User", "Message": what.to_string() }));
    (status, [(ERROR_TYPE, kind)], body).into_response()
}
