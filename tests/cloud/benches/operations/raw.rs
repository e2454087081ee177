//! The operations with the SDK alone, on a table without anything.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType,
};
use tokio::time::Instant;

use crate::{Operation, Result};

/// A table of values by key.
pub(crate) struct Raw {
    client: Client,
}

const TABLE: &str = "raw";
const KEY: &str = "key";
const VALUE: &str = "value";

impl Raw {
    pub(crate) async fn open(client: Client) -> Result<Self> {
        let key = KeySchemaElement::builder().attribute_name(KEY).key_type(KeyType::Hash);
        let text = AttributeDefinition::builder()
            .attribute_name(KEY)
            .attribute_type(ScalarAttributeType::S);
        client
            .create_table()
            .table_name(TABLE)
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(key.build()?)
            .attribute_definitions(text.build()?)
            .send()
            .await?;
        Ok(Self { client })
    }

    /// There is a value.
    pub(crate) async fn fill(&self, key: &str) -> Result<()> {
        self.put(key, None).await.map(drop)
    }

    pub(crate) async fn time(&self, operation: Operation, key: &str) -> Result<Duration> {
        let began = Instant::now();
        match operation {
            Operation::Read => {
                let get = self.client.get_item().table_name(TABLE).key(KEY, text(key));
                get.consistent_read(true).send().await?;
            }
            Operation::Write => assert!(self.put(key, None).await?),
            Operation::CondWriteTrue => assert!(self.put(key, Some("attribute_exists(#k)")).await?),
            Operation::CondWriteFalse => {
                assert!(!self.put(key, Some("attribute_not_exists(#k)")).await?);
            }
            // A function that is called is a function that is called.
            Operation::Call => {}
        }
        Ok(began.elapsed())
    }

    /// Whether the condition held.
    async fn put(&self, key: &str, when: Option<&str>) -> Result<bool> {
        let put = self.client.put_item().table_name(TABLE).item(KEY, text(key));
        let mut put = put.item(VALUE, text(crate::ours::VALUE));
        if let Some(condition) = when {
            put = put.condition_expression(condition).expression_attribute_names("#k", KEY);
        }
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.into_service_error() {
                refused if refused.is_conditional_check_failed_exception() => Ok(false),
                error => Err(error.into()),
            },
        }
    }
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}
