//! The table itself: made as beldi needs it, or looked at whether it is so.

use std::time::Duration;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, IndexStatus, KeySchemaElement, KeyType,
    MultiRegionConsistency, Projection, ProjectionType, ScalarAttributeType, TableDescription,
    TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};

use super::super::{DUE_ORDER, DUE_SHARD, EXPIRES, Result, StoreError};
use super::DynamoStore;
use super::schema::{INDEX, PARTITION, SORT};

/// The attributes of a key and of the index, and their kinds.
const ATTRIBUTES: [(&str, ScalarAttributeType); 4] = [
    (PARTITION, ScalarAttributeType::S),
    (SORT, ScalarAttributeType::S),
    (DUE_SHARD, ScalarAttributeType::S),
    (DUE_ORDER, ScalarAttributeType::N),
];
/// Between two looks at a table that is being made.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often to look before giving up: five minutes.
const LOOKS: u32 = 600;

impl DynamoStore {
    /// Creates the table, billed by request, with its index and its `TTL`, and waits until it can be used.
    /// A table that is there is only [checked](Self::check_table).
    ///
    /// # Errors
    ///
    /// [`StoreError::WrongTable`] if there is another table of that name, [`StoreError::Denied`],
    /// [`StoreError::Unavailable`].
    pub async fn create_table(&self) -> Result<()> {
        if self.describe().await?.is_none() {
            self.create().await?;
        }
        let table = self.wait().await?;
        if self.wrong_with(&table).is_empty() && !self.expires_by_ttl().await? {
            self.switch_ttl_on().await?;
        }
        self.check(&table).await
    }

    /// Looks whether the table is as beldi needs it.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoTable`]; [`StoreError::WrongTable`], with everything that is wrong, also if it is
    /// replicated to other regions with strong consistency, or with eventual consistency and nobody said that
    /// this is [allowed](Self::allow_replicas); [`StoreError::Denied`], [`StoreError::Unavailable`].
    pub async fn check_table(&self) -> Result<()> {
        match self.describe().await? {
            Some(table) => self.check(&table).await,
            None => Err(StoreError::NoTable { table: self.table.clone() }),
        }
    }

    async fn check(&self, table: &TableDescription) -> Result<()> {
        let mut wrong = self.wrong_with(table);
        if !self.expires_by_ttl().await? {
            wrong.push(format!("its time to live is not enabled on attribute `{EXPIRES}`"));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(StoreError::WrongTable { table: self.table.clone(), wrong })
    }

    async fn describe(&self) -> Result<Option<TableDescription>> {
        let send = async || self.client.describe_table().table_name(&self.table).send().await;
        match self.patience.ask(self.asked("DescribeTable", None), send).await {
            Ok(output) => Ok(output.table),
            Err(StoreError::NoTable { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn create(&self) -> Result<()> {
        let send = async || {
            let request = self.client.create_table().table_name(&self.table);
            let request = request
                .billing_mode(BillingMode::PayPerRequest)
                .set_attribute_definitions(Some(attributes()?))
                .set_key_schema(Some(keys(PARTITION, SORT)?))
                .global_secondary_indexes(index()?);
            match request.send().await {
                Ok(_) => Ok(()),
                Err(error) => match error.as_service_error() {
                    // Somebody else was faster, or this is a repetition.
                    Some(CreateTableError::ResourceInUseException(_)) => Ok(()),
                    _ => Err(error),
                },
            }
        };
        self.patience.ask(self.asked("CreateTable", None), send).await
    }

    /// Waits until the table and its index can be used.
    async fn wait(&self) -> Result<TableDescription> {
        for _ in 0..LOOKS {
            if let Some(table) = self.describe().await?
                && is_active(&table)
            {
                return Ok(table);
            }
            self.patience.outside.sleep(LOOK_EVERY).await;
        }
        let within = LOOK_EVERY * LOOKS;
        let why = format!("table `{}` did not become active within {within:?}", self.table);
        Err(StoreError::Unavailable(why))
    }

    async fn expires_by_ttl(&self) -> Result<bool> {
        let send =
            async || self.client.describe_time_to_live().table_name(&self.table).send().await;
        let output = self.patience.ask(self.asked("DescribeTimeToLive", None), send).await?;
        Ok(output.time_to_live_description.is_some_and(|ttl| {
            let on = [TimeToLiveStatus::Enabled, TimeToLiveStatus::Enabling];
            let status = ttl.time_to_live_status.as_ref();
            status.is_some_and(|status| on.contains(status))
                && ttl.attribute_name() == Some(EXPIRES)
        }))
    }

    async fn switch_ttl_on(&self) -> Result<()> {
        let send = async || {
            let ttl = TimeToLiveSpecification::builder().attribute_name(EXPIRES).enabled(true);
            let request = self.client.update_time_to_live().table_name(&self.table);
            request.time_to_live_specification(ttl.build()?).send().await
        };
        let asked = self.patience.ask(self.asked("UpdateTimeToLive", None), send).await;
        match asked {
            // It was switched on meanwhile, or to something else: the check tells.
            Ok(_) | Err(StoreError::Rejected { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Everything about a table that beldi cannot work with.
    fn wrong_with(&self, table: &TableDescription) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, kind) in ATTRIBUTES {
            let found =
                table.attribute_definitions().iter().find(|found| found.attribute_name == name);
            let found = found.map(|found| found.attribute_type.as_str());
            if found.is_some_and(|found| found != kind.as_str()) {
                wrong.push(format!("its attribute `{name}` is not of type {kind}"));
            }
        }
        if !is_key(table.key_schema(), PARTITION, SORT) {
            wrong.push(format!("its key is not `{PARTITION}` (HASH), `{SORT}` (RANGE)"));
        }
        wrong.extend(wrong_with_index(table));
        wrong.extend(self.wrong_with_replicas(table).map(str::to_owned));
        wrong
    }

    fn wrong_with_replicas(&self, table: &TableDescription) -> Option<&'static str> {
        if table.multi_region_consistency() == Some(&MultiRegionConsistency::Strong) {
            return Some(
                "it is replicated with strong consistency, and DynamoDB gives such tables no time to live (take \
                 its replicas away, or use another table)",
            );
        }
        let is_wrong = !table.replicas().is_empty() && !self.allows_replicas;
        is_wrong.then_some(
            "it is replicated to other regions, and conditions hold in one of them only (if no other \
             region ever writes it, say so with `DynamoStore::allow_replicas`)",
        )
    }
}

fn wrong_with_index(table: &TableDescription) -> Vec<String> {
    let mut indexes = table.global_secondary_indexes().iter();
    let Some(index) = indexes.find(|index| index.index_name() == Some(INDEX)) else {
        return vec![format!("it has no index `{INDEX}`")];
    };
    let mut wrong = Vec::new();
    if !is_key(index.key_schema(), DUE_SHARD, DUE_ORDER) {
        wrong.push(format!("the key of its index `{INDEX}` is not `{DUE_SHARD}`, `{DUE_ORDER}`"));
    }
    let projection = index.projection().and_then(|projection| projection.projection_type());
    if projection != Some(&ProjectionType::All) {
        wrong.push(format!("its index `{INDEX}` does not project all attributes"));
    }
    wrong
}

fn is_active(table: &TableDescription) -> bool {
    let is_ready = |status: Option<&IndexStatus>| {
        matches!(status, None | Some(IndexStatus::Active | IndexStatus::Updating))
    };
    matches!(table.table_status(), Some(TableStatus::Active | TableStatus::Updating))
        && table.global_secondary_indexes().iter().all(|index| is_ready(index.index_status()))
}

fn is_key(schema: &[KeySchemaElement], partition: &str, sort: &str) -> bool {
    let schema = schema.iter().map(|element| (&*element.attribute_name, &element.key_type));
    schema.eq([(partition, &KeyType::Hash), (sort, &KeyType::Range)])
}

fn keys(partition: &str, sort: &str) -> Result<Vec<KeySchemaElement>, BuildError> {
    let keys = [(partition, KeyType::Hash), (sort, KeyType::Range)];
    let element =
        |(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    keys.into_iter().map(element).collect()
}

fn attributes() -> Result<Vec<AttributeDefinition>, BuildError> {
    let definition = |(name, kind)| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build()
    };
    ATTRIBUTES.into_iter().map(definition).collect()
}

fn index() -> Result<GlobalSecondaryIndex, BuildError> {
    let all = Projection::builder().projection_type(ProjectionType::All).build();
    GlobalSecondaryIndex::builder()
        .index_name(INDEX)
        .set_key_schema(Some(keys(DUE_SHARD, DUE_ORDER)?))
        .projection(all)
        .build()
}
