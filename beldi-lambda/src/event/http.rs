//! Requests of HTTP clients, as function URLs, API Gateways and load balancers wrap them, and the
//! replies as each of them wants it.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::{Fields, read};
use crate::failure::Failure;

/// What stands between a client and the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// A function URL, or an HTTP API with payload format 2.0.
    Url,
    /// A REST API, or an HTTP API with payload format 1.0.
    Rest,
    /// An application load balancer.
    LoadBalancer { many_values: bool },
}

/// A request, and who wants the reply.
#[derive(Debug)]
pub(crate) struct HttpEvent {
    pub(crate) front: Front,
    pub(crate) request: Request<Bytes>,
}

#[derive(Deserialize)]
struct Context {
    http: Option<Asked>,
    elb: Option<IgnoredAny>,
    stage: Option<String>,
}

#[derive(Deserialize)]
struct Asked {
    method: String,
}

/// What the three have in common, and what they call differently.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wrapped {
    http_method: Option<String>,
    path: Option<String>,
    raw_path: Option<String>,
    #[serde(default)]
    headers: Option<HashMap<String, Option<String>>>,
    #[serde(default)]
    multi_value_headers: Option<HashMap<String, Vec<String>>>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
    request_context: Context,
}

impl Front {
    /// Which one wrapped the request, if it is one.
    pub(super) fn of(fields: &Fields<'_>) -> Option<Self> {
        let context: Context = serde_json::from_str(fields.get("requestContext")?.get()).ok()?;
        let has = |name: &str| fields.get(name).is_some_and(|value| value.get() != "null");
        if context.elb.is_some() {
            return Some(Self::LoadBalancer { many_values: has("multiValueHeaders") });
        }
        match context.http {
            Some(_) => Some(Self::Url),
            None => has("httpMethod").then_some(Self::Rest),
        }
    }

    /// The reply, as it wants it. Bodies are JSON, so none is base64.
    pub(crate) fn wrap(self, reply: &Response<Bytes>) -> Value {
        let status = reply.status();
        let mut wrapped = json!({
            "statusCode": status.as_u16(),
            "body": String::from_utf8_lossy(reply.body()),
            "isBase64Encoded": false,
        });
        let many_values = match self {
            Self::Url => false,
            Self::Rest => true,
            Self::LoadBalancer { many_values } => {
                wrapped["statusDescription"] = Value::String(status.to_string());
                many_values
            }
        };
        if many_values {
            wrapped["multiValueHeaders"] = by_name(reply.headers(), |values| json!(values));
        } else {
            wrapped["headers"] = by_name(reply.headers(), |values| json!(values.join(", ")));
        }
        wrapped
    }
}

fn by_name(headers: &HeaderMap, shown: impl Fn(&[&str]) -> Value) -> Value {
    let values = |name: &HeaderName| -> Vec<&str> {
        headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
    };
    let all: Map<_, _> =
        headers.keys().map(|name| (name.to_string(), shown(&values(name)))).collect();
    Value::Object(all)
}

impl HttpEvent {
    pub(super) fn read(payload: &str, front: Front) -> Result<Self, Failure> {
        let wrapped: Wrapped = read(payload, "HTTP request")?;
        let context = wrapped.request_context;
        let method = context.http.map(|asked| asked.method).or(wrapped.http_method);
        let path = wrapped.raw_path.or(wrapped.path).unwrap_or_default();
        let path = match front {
            Front::Url => without_stage(&path, context.stage.as_deref()),
            Front::Rest | Front::LoadBalancer { .. } => &path,
        };
        let mut request = Request::builder()
            .method(&*method.unwrap_or_default())
            .uri(readable(path))
            .body(body(wrapped.body, wrapped.is_base64_encoded == Some(true))?)
            .map_err(|error| Failure::bad_event(format!("the HTTP request is none: {error}")))?;
        let many = wrapped.multi_value_headers.unwrap_or_default();
        let one = wrapped.headers.unwrap_or_default().into_iter();
        let one = one.filter_map(|(name, value)| Some((name, vec![value?])));
        *request.headers_mut() = headers(if many.is_empty() { one.collect() } else { many })?;
        Ok(Self { front, request })
    }
}

/// A stage that is not the default one stands before the path.
fn without_stage<'p>(path: &'p str, stage: Option<&str>) -> &'p str {
    let rest = stage.and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage));
    match rest {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

/// The path, with what cannot stand in one escaped: some fronts unescape it.
fn readable(path: &str) -> String {
    const UNREADABLE: &AsciiSet =
        &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'\\').add(b'^');
    const ESCAPED: &AsciiSet = &UNREADABLE.add(b'`').add(b'{').add(b'|').add(b'}');
    let path = utf8_percent_encode(path, ESCAPED).to_string();
    if path.starts_with('/') { path } else { format!("/{path}") }
}

fn body(body: Option<String>, is_base64: bool) -> Result<Bytes, Failure> {
    let body = body.unwrap_or_default();
    if !is_base64 {
        return Ok(body.into());
    }
    let decoded = STANDARD.decode(body);
    let decoded = decoded.map_err(|error| {
        Failure::bad_event(format!("the body is not base64, as it says: {error}"))
    })?;
    Ok(decoded.into())
}

/// All headers that are some, unless they are more than a request can have.
fn headers(named: HashMap<String, Vec<String>>) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for (name, values) in named {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
        for value in values.into_iter().filter_map(|value| HeaderValue::from_str(&value).ok()) {
            let appended = headers.try_append(&name, value);
            appended.map_err(|_| Failure::bad_event("the HTTP request has too many headers"))?;
        }
    }
    Ok(headers)
}
