//! What a request says: its key, whether it waits, its body, and where it comes from.
//!
//! Everything that can be refused is refused here, before anything is written.

use std::borrow::Cow;
use std::net::IpAddr;
use std::pin::pin;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue};

use futures_util::future::{Either, select};

use super::problem::Problem;
use crate::engine::Service;
use crate::error::Error;

/// The key of the request, if it names one: bare, or as the quoted string of the HTTP draft.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(header) = headers.get("idempotency-key") else { return Ok(None) };
    let Ok(key) = header.to_str() else {
        let key = String::from_utf8_lossy(header.as_bytes()).into_owned();
        return Err(Error::BadKey { key }.into());
    };
    let quoted = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
    Ok(Some(quoted.unwrap_or(key).to_owned()))
}

/// A key as [`key`] reads it again, also after clients have trimmed it.
pub(super) fn written(key: &str) -> Cow<'_, str> {
    let is_quoted = key.len() > 1 && key.starts_with('"') && key.ends_with('"');
    match is_quoted || key.trim() != key {
        true => Cow::Owned(format!("\"{key}\"")),
        false => Cow::Borrowed(key),
    }
}

/// Whether the asker wants a reply before there is a result.
pub(super) fn prefers_async(headers: &HeaderMap) -> bool {
    let preferences = headers.get_all("prefer").iter().filter_map(|header| header.to_str().ok());
    preferences
        .flat_map(|header| header.split([',', ';']))
        .any(|preference| preference.trim().eq_ignore_ascii_case("respond-async"))
}

/// The body, or `null` if there is none. Not read if it says that it is no JSON, or too large, nor for longer
/// than its asker would be kept waiting for a result.
pub(super) async fn json(request: Request, service: &Service) -> Result<Bytes, Problem> {
    let (limit, time) = (service.limits.body, service.limits.call_time);
    let headers = request.headers();
    if headers.get(CONTENT_TYPE).is_some_and(|kind| !is_json(kind)) {
        return Err(Problem::unsupported_media_type());
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > limit as u64) {
        return Err(Problem::body_too_large(limit));
    }
    let read = pin!(Bytes::from_request(request, &()));
    let Either::Left((read, _)) = select(read, service.outside.sleep(time)).await else {
        return Err(Problem::slow_body(time));
    };
    match read {
        Ok(body) if body.is_empty() => Ok(Bytes::from_static(b"null")),
        Ok(body) => Ok(body),
        Err(BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_))) => {
            Err(Problem::body_too_large(limit))
        }
        Err(rejection) => Err(Problem::unreadable_body(rejection.body_text())),
    }
}

fn is_json(kind: &HeaderValue) -> bool {
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")
}

/// Refuses changes that the page of another site makes a browser ask for: browsers say so in
/// `Sec-Fetch-Site`, older ones, and those that speak plain HTTP to another machine, in `Origin`.
pub(super) fn of_this_site(request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    if request.method().is_safe() {
        return Ok(());
    }
    let foreign = match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
        Some(site) => !matches!(site, b"same-origin" | b"none"),
        None => headers.get(ORIGIN).is_some_and(|origin| !is_host(origin, headers.get(HOST))),
    };
    if foreign { Err(Problem::cross_site()) } else { Ok(()) }
}

/// Refuses a request to a host that only this machine can reach, by a name that is not this machine's: a
/// page whose name was made to point here would count as of the same site.
pub(super) fn of_this_machine(request: &Request) -> Result<(), Problem> {
    let host = request.headers().get(HOST).map(|host| host.to_str().unwrap_or_default());
    let host = host.or_else(|| request.uri().authority().map(Authority::as_str));
    match host.is_none_or(is_loopback) {
        true => Ok(()),
        false => Err(Problem::foreign_host()),
    }
}

fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    match name.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => name.eq_ignore_ascii_case("localhost") || name.ends_with(".localhost"),
    }
}

fn is_host(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let host = host.and_then(|host| host.to_str().ok());
    origin.zip(host).is_some_and(|((_, origin), host)| origin.eq_ignore_ascii_case(host))
}
