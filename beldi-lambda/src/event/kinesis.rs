//! Records of Kinesis streams.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{Record, records, short};
use crate::failure::Failure;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delivered {
    /// Shard and sequence number.
    #[serde(rename = "eventID")]
    event_id: String,
    #[serde(rename = "eventSourceARN")]
    stream: String,
    kinesis: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    partition_key: String,
    sequence_number: String,
    data: String,
}

pub(super) fn read(payload: &str) -> Result<Vec<Record>, Failure> {
    let delivered: Vec<Delivered> = records(payload, "records of Kinesis")?;
    Ok(delivered.into_iter().map(record).collect())
}

fn record(delivered: Delivered) -> Record {
    let Delivered { event_id, stream, kinesis } = delivered;
    Record {
        key: format!("kinesis/{}/{event_id}", short(&stream)),
        identifier: kinesis.sequence_number,
        origin: stream,
        detail_type: None,
        deduplication_id: None,
        group: Some(kinesis.partition_key),
        input: text(&kinesis.data),
    }
}

fn text(data: &str) -> Result<String, String> {
    let bytes =
        STANDARD.decode(data).map_err(|error| format!("the data is not base64: {error}"))?;
    String::from_utf8(bytes).map_err(|error| format!("the data is not UTF-8: {error}"))
}
