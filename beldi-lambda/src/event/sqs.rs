//! Messages of SQS queues.

use std::collections::HashMap;

use serde::Deserialize;

use super::{Record, records, short};
use crate::failure::Failure;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    message_id: String,
    #[serde(rename = "eventSourceARN")]
    queue: String,
    body: String,
    #[serde(default)]
    attributes: HashMap<String, String>,
}

pub(super) fn read(payload: &str) -> Result<Vec<Record>, Failure> {
    let messages: Vec<Message> = records(payload, "messages of SQS")?;
    Ok(messages.into_iter().map(record).collect())
}

fn record(mut message: Message) -> Record {
    // Standard queues have groups too, which say nothing about order.
    let is_fifo = message.queue.ends_with(".fifo");
    Record {
        key: format!("sqs/{}/{}", short(&message.queue), message.message_id),
        identifier: message.message_id,
        origin: message.queue,
        detail_type: None,
        deduplication_id: message.attributes.remove("MessageDeduplicationId"),
        group: message.attributes.remove("MessageGroupId").filter(|_| is_fifo),
        input: Ok(message.body),
    }
}
