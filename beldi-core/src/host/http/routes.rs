//! One function a route, of those that anybody may ask.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::problem::Problem;
use super::{Front, INSTANCE, asked};
use crate::engine::{self, Handler};
use crate::host::call;

pub(super) type Reply = Result<Response, Problem>;
pub(super) type InPath = Result<Path<String>, PathRejection>;

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
    // Before the body is read: who sends it slowly is one of those that wait.
    let place = front.place()?;
    let body = asked::json(request, service).await?;
    let input = (handler.input_from_json)(&body)?;
    let request = call::request_among(service, front.prefix, handler.name, key, input)?;
    let key = front.shown(&request.key).to_owned();
    let reply = if prefers_async {
        begin(&front, request).await
    } else {
        run(&front, request, place).await
    };
    Ok(about(&key, reply))
}

/// Runs the request and waits for its output.
async fn run(front: &Front, request: engine::Request, place: OwnedSemaphorePermit) -> Reply {
    let handler = *front.service.handler(&request.ssf)?;
    let output = call::answer_apart(&front.service, request, place).await;
    let output = output.map_err(|error| front.told(error))?;
    output_of(&handler, output).map(|output| Json(output).into_response())
}

/// Makes the request durable; the host's runner begins it.
async fn begin(front: &Front, request: engine::Request) -> Reply {
    call::register(&front.service, &request).await.map_err(|error| front.told(error))?;
    let applied = [("preference-applied", "respond-async")];
    let accepted = (StatusCode::ACCEPTED, Json(json!({ "key": front.shown(&request.key) })));
    Ok((applied, front.location(&request.key), accepted).into_response())
}

pub(super) async fn not_found() -> Problem {
    Problem::not_found()
}

pub(super) async fn method_not_allowed() -> Problem {
    Problem::method_not_allowed()
}

/// The output as JSON; `Err` of a fallible SSF is a problem of its own.
pub(super) fn output_of(handler: &Handler, output: crate::Value) -> Result<Value, Problem> {
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

/// The reply, with the key of the instance it is about.
pub(super) fn about(key: &str, reply: Reply) -> Response {
    let mut reply = reply.into_response();
    if let Ok(key) = HeaderValue::from_str(&asked::written(key)) {
        reply.headers_mut().insert(INSTANCE, key);
    }
    reply
}
