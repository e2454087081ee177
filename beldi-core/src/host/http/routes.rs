//! One function a route.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::problem::{Problem, Shown};
use super::{Front, INSTANCE, asked, escaped};
use crate::engine::{self, Handler};
use crate::error::Reason;
use crate::host::call;
use crate::host::status::{self, InstanceState};

type Reply = Result<Response, Problem>;
type InPath = Result<Path<String>, PathRejection>;

/// `GET /`
pub(super) async fn service(State(front): State<Front>) -> Json<Value> {
    let service = &front.service;
    let ssfs: Vec<_> = service.ssfs().collect();
    Json(json!({ "service": service.name, "version": service.version, "ssfs": ssfs }))
}

/// `POST /{ssf}`
pub(super) async fn call(State(front): State<Front>, ssf: InPath, request: Request) -> Reply {
    let Path(ssf) = ssf?;
    let service = &front.service;
    let handler = service.handler(&ssf)?;
    let key = asked::key(request.headers())?;
    let prefers_async = asked::prefers_async(request.headers());
    let body = asked::json(request, service.limits.body).await?;
    let input = (handler.input_from_json)(&body)?;
    let request = call::request(service, handler.name, key, input)?;
    let key = request.key.clone();
    let reply =
        if prefers_async { begin(&front, request).await } else { run(&front, request).await };
    Ok(about(&key, reply))
}

/// Runs the request and waits for its output.
async fn run(front: &Front, request: engine::Request) -> Reply {
    let handler = *front.service.handler(&request.ssf)?;
    let place = front.place()?;
    let output = call::answer_apart(&front.service, request, place).await?;
    output_of(&handler, output).map(|output| Json(output).into_response())
}

/// Makes the request durable; the host's runner begins it.
async fn begin(front: &Front, request: engine::Request) -> Reply {
    let _place = front.place()?;
    call::register(&front.service, &request).await?;
    let applied = [("preference-applied", "respond-async")];
    Ok((applied, accepted(&request.key)).into_response())
}

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
    Ok(about(&key, resumed.map(|()| accepted(&key)).map_err(Problem::from)))
}

pub(super) async fn not_found() -> Problem {
    Problem::not_found()
}

pub(super) async fn method_not_allowed() -> Problem {
    Problem::method_not_allowed()
}

/// The output as JSON; `Err` of a fallible SSF is a problem of its own.
fn output_of(handler: &Handler, output: crate::Value) -> Result<Value, Problem> {
    let shown = (handler.output_to_json)(output);
    let mut output = shown.map_err(|reason| Problem::unreadable_output(&reason))?;
    if !handler.fallible {
        return Ok(output);
    }
    match output.get_mut("Err").map(Value::take) {
        Some(error) => Err(Problem::rejected(handler.name, error)),
        None => Ok(output.get_mut("Ok").map(Value::take).unwrap_or_default()),
    }
}

fn accepted(key: &str) -> Response {
    let location = format!("/instances/{}", escaped(key));
    (StatusCode::ACCEPTED, [(LOCATION, location)], Json(json!({ "key": key }))).into_response()
}

/// The reply, with the key of the instance it is about.
fn about(key: &str, reply: Reply) -> Response {
    let mut reply = reply.into_response();
    if let Ok(key) = HeaderValue::from_str(key) {
        reply.headers_mut().insert(INSTANCE, key);
    }
    reply
}
