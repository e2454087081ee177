//! The routes of single instances: for those who run the service, since a key is all they ask for.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::Front;
use super::problem::{Problem, Shown};
use super::routes::{InPath, Reply, about, output_of};
use crate::error::Reason;
use crate::host::status::{self, InstanceState};

/// `GET /instances/{key}`
pub(super) async fn instance(State(front): State<Front>, key: InPath) -> Reply {
    let Path(key) = key?;
    Ok(about(&key, look(&front, &key).await))
}

async fn look(front: &Front, key: &str) -> Reply {
    let service = &front.service;
    let found = status::read(service, key).await?;
    let output = found.result.map(|result| output_of(service.handler(&found.ssf)?, result));
    let (result, error) = match output.transpose() {
        Ok(result) => (result, None),
        Err(problem) => (None, Some(problem.into_shown())),
    };
    let (ssf, state) = (found.ssf, found.state);
    let (attempts, step, reason) = (found.attempts, found.step, found.reason);
    Ok(Json(Instance { key, ssf, state, attempts, step, result, error, reason }).into_response())
}

/// An instance as it is shown.
#[derive(Serialize)]
struct Instance<'a> {
    key: &'a str,
    ssf: String,
    state: InstanceState,
    attempts: u32,
    step: Option<String>,
    /// What a caller was or would be answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Shown>,
    /// Why it is parked, or why its last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

/// `POST /instances/{key}/resume`
pub(super) async fn resume(State(front): State<Front>, key: InPath) -> Reply {
    let Path(key) = key?;
    let resumed = status::resume(&front.service, &key).await;
    Ok(about(&key, resumed.map(|()| accepted(&front, &key)).map_err(Problem::from)))
}

fn accepted(front: &Front, key: &str) -> Response {
    let accepted = (StatusCode::ACCEPTED, Json(json!({ "key": key })));
    (front.location(key), accepted).into_response()
}
