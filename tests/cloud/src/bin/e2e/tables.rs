//! What is in a service's table, as it is stored: read with the SDK, without beldi.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::DeserializeOwned;

use crate::Result;

type Row = HashMap<String, AttributeValue>;

/// The rows of a table.
#[derive(Debug)]
pub(crate) struct Rows(Vec<Row>);

impl Rows {
    pub(crate) async fn read(client: &Client, table: &str) -> Result<Self> {
        let pages = client.scan().table_name(table).consistent_read(true).into_paginator();
        Ok(Self(pages.items().send().collect::<Result<_, _>>().await?))
    }

    /// How many items somebody holds.
    pub(crate) fn locks(&self) -> usize {
        self.0.iter().filter(|row| row.contains_key("l")).count()
    }

    /// How many roots are in this state.
    pub(crate) fn roots(&self, state: &str) -> usize {
        self.intents().filter(|(_, row)| text(row, "state") == state).count()
    }

    /// How many roots were collected: something of each is left, to answer a late duplicate.
    pub(crate) fn collected(&self) -> usize {
        self.intents().filter(|(_, row)| row.contains_key("asked")).count()
    }

    /// The values of a table of the service, with their keys.
    pub(crate) fn values<T: DeserializeOwned>(&self, table: &str) -> Result<Vec<(String, T)>> {
        let partition = format!("table/{table}");
        let of_table = self.0.iter().filter(|row| text(row, "pk") == partition);
        let values = of_table.filter_map(|row| Some((text(row, "sk"), row.get("v")?)));
        values
            .map(|(key, value)| {
                Ok((key.to_owned(), serde_dynamo::from_attribute_value(value.clone())?))
            })
            .collect()
    }

    /// The intents, with their request keys.
    fn intents(&self) -> impl Iterator<Item = (&str, &Row)> {
        let intents = self.0.iter().filter(|row| text(row, "sk") == "intent");
        intents.filter_map(|row| Some((text(row, "pk").strip_prefix("root/")?, row)))
    }

    /// Attempts of all roots whose key begins like this.
    pub(crate) fn attempts(&self, prefix: &str) -> u64 {
        let intents = self.intents().filter(|(key, _)| key.starts_with(prefix));
        intents.filter_map(|(_, row)| row.get("attempts")?.as_n().ok()?.parse::<u64>().ok()).sum()
    }
}

fn text<'a>(row: &'a Row, name: &str) -> &'a str {
    row.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}
