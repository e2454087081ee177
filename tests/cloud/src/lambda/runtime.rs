//! The Runtime API: what a process asks and says, under a path of its own by which it is known.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::oneshot;

use super::invoke::MAX_PAYLOAD;
use super::pool::{Ended, Pool};
use super::worker::{Given, Said};

pub(super) fn routes() -> Router<Arc<Pool>> {
    Router::new()
        .route("/{worker}/2018-06-01/runtime/invocation/next", get(next))
        .route("/{worker}/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/{worker}/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/{worker}/2018-06-01/runtime/init/error", post(init_error))
        .layer(DefaultBodyLimit::max(2 * MAX_PAYLOAD))
}

/// The process waits here, as long as it takes.
async fn next(State(pool): State<Arc<Pool>>, Path(worker): Path<u64>) -> Response {
    let (give, given) = oneshot::channel();
    if say(&pool, worker, Said::Next(give)).is_err() {
        return gone();
    }
    match given.await {
        Ok(given) => given.into_response(),
        Err(_) => gone(),
    }
}

impl IntoResponse for Given {
    fn into_response(self) -> Response {
        let headers = [
            ("lambda-runtime-aws-request-id", self.id),
            ("lambda-runtime-deadline-ms", self.deadline.to_string()),
            ("lambda-runtime-invoked-function-arn", self.arn),
        ];
        let mut response = self.payload.into_response();
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}

async fn response(
    State(pool): State<Arc<Pool>>,
    Path((worker, id)): Path<(u64, String)>,
    body: Bytes,
) -> Response {
    if body.len() <= MAX_PAYLOAD {
        return ended(&pool, worker, id, Ended::Answer(body)).await;
    }
    let large = json!({
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": format!("Response payload size exceeded {MAX_PAYLOAD} bytes"),
    });
    ended(&pool, worker, id, Ended::Error(large.to_string().into())).await;
    refuse(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge")
}

async fn error(
    State(pool): State<Arc<Pool>>,
    Path((worker, id)): Path<(u64, String)>,
    body: Bytes,
) -> Response {
    ended(&pool, worker, id, Ended::Error(body)).await
}

async fn ended(pool: &Pool, worker: u64, id: String, ended: Ended) -> Response {
    let (heard, was_heard) = oneshot::channel();
    if say(pool, worker, Said::Ended { id, ended, heard }).is_err() {
        return gone();
    }
    match was_heard.await {
        Ok(true) => accepted(),
        Ok(false) => refuse(StatusCode::BAD_REQUEST, "InvalidRequestID"),
        Err(_) => gone(),
    }
}

async fn init_error(
    State(pool): State<Arc<Pool>>,
    Path(worker): Path<u64>,
    body: Bytes,
) -> Response {
    match say(&pool, worker, Said::InitError(body)) {
        Ok(()) => accepted(),
        Err(()) => gone(),
    }
}

fn say(pool: &Pool, worker: u64, said: Said) -> Result<(), ()> {
    pool.door(worker).ok_or(())?.send(said).map_err(|_| ())
}

fn accepted() -> Response {
    (StatusCode::ACCEPTED, Json(json!({ "status": "OK" }))).into_response()
}

/// There is no such process any more, so whoever asks is about to die.
fn gone() -> Response {
    refuse(StatusCode::GONE, "ProcessGone")
}

fn refuse(status: StatusCode, kind: &str) -> Response {
    (status, Json(json!({ "errorType": kind, "errorMessage": kind }))).into_response()
}
