//! Events of EventBridge, which come one by one.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Record, read as read_json};
use crate::failure::Failure;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Delivered {
    id: String,
    source: String,
    detail_type: String,
    detail: Box<RawValue>,
}

pub(super) fn read(payload: &str) -> Result<Record, Failure> {
    let event: Delivered = read_json(payload, "event of EventBridge")?;
    Ok(Record {
        key: format!("eventbridge/{}", event.id),
        identifier: event.id,
        origin: event.source,
        detail_type: Some(event.detail_type),
        deduplication_id: None,
        group: None,
        input: Ok(event.detail.get().to_owned()),
    })
}
