//! A store in a table of DynamoDB, one for each service.
//!
//! * Every [`update`](Store::update) is one `UpdateItem`, every [`get`](Store::get) a strongly
//!   consistent `GetItem`, every [`delete`](Store::delete) one `DeleteItem`. A refusal brings the row
//!   along (`ReturnValuesOnConditionCheckFailure`). Neither transactions nor batches are used.
//! * Answers bring whole rows. Who writes an item sees by them which marks may go, without a request
//!   of its own, and who reads one needs all of it: value, lock and marks. A projection would change
//!   no price, which is by the size of the row.
//! * A [`query`](Store::query) is a strongly consistent `Query`. A page without rows may come with a
//!   place to go on, so only a page without one is the end.
//! * The due index is a global secondary index and lags behind ([`DynamoStore::index_lag`]). It is
//!   sparse: a row is in it while it has both attributes. All attributes are projected: the collectors
//!   decide on the rows of a page, so a projection of keys would cost a read for each. What that costs
//!   is a second write of rows in the index, and these are small: intents, locked heads, tombstones.
//! * Rows that are over vanish by `TTL` ([`EXPIRES`](super::EXPIRES)), which costs nothing.
//! * What fails for now is sent again by one loop of our own ([`patience`]), with the SDK's off.
//!
//! Reading order: [`schema`], [`codec`], [`expression`], [`errors`], [`patience`], [`provision`].

mod codec;
mod errors;
mod expression;
mod patience;
mod provision;
mod schema;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::StalledStreamProtectionConfig;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure as OnFailure,
};
use futures_util::future::BoxFuture;

use self::errors::Asked;
use self::expression::Expressions;
use self::patience::Patience;
use self::schema::{INDEX, Item, PARTITION, SORT};
use super::{
    Condition, DUE_ORDER, DUE_SHARD, DuePage, DueQuery, Key, MAX_PARTITION_KEY, MAX_ROW,
    MAX_SORT_KEY, Page, Query, Result, Row, Store, StoreError, Update, Updated,
};
use crate::outside::{Outside, RealOutside};

/// Rows in a table of DynamoDB. Feature `dynamodb`.
///
/// ```no_run
/// use beldi::store::DynamoStore;
///
/// # async fn example(config: aws_sdk_dynamodb::Config) -> beldi::Result<()> {
/// let client = aws_sdk_dynamodb::Client::from_conf(config);
/// let store = DynamoStore::new(client, "travel");
/// store.create_table().await?; // once; does nothing if the table is there
/// let host = beldi::App::new("travel").open(store)?;
/// # drop(host); Ok(()) }
/// ```
///
/// Of the client, region, endpoint, credentials and HTTP client are used; requests are repeated by
/// the store itself.
#[derive(Clone)]
pub struct DynamoStore {
    client: Client,
    table: String,
    patience: Patience,
    index_lag: Duration,
    allows_replicas: bool,
}

impl DynamoStore {
    /// The table's partition key, a text.
    pub const PARTITION_KEY: &str = schema::PARTITION;
    /// The table's sort key, a text.
    pub const SORT_KEY: &str = schema::SORT;
    /// The table's global secondary index, over [`DUE_SHARD`] and [`DUE_ORDER`].
    pub const INDEX: &str = schema::INDEX;

    /// A store in the table of this name. Sends nothing yet: see [`create_table`] and [`check_table`].
    ///
    /// [`create_table`]: Self::create_table
    /// [`check_table`]: Self::check_table
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        let config = client.config().to_builder();
        let config = config
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        Self {
            client: Client::from_conf(config.build()),
            table: table.into(),
            patience: Patience {
                outside: Arc::new(RealOutside),
                request_time: Duration::from_secs(4),
                try_time: Duration::from_secs(1),
            },
            index_lag: Duration::from_secs(5),
            allows_replicas: false,
        }
    }

    /// How long a request is repeated before the store counts as unavailable. Default: 4 s, which is
    /// what an attempt believes: it sends nothing again, and halts.
    #[must_use]
    pub fn request_time(mut self, time: Duration) -> Self {
        self.patience.request_time = time;
        self
    }

    /// How long one try of a request may take. Default: 1 s.
    #[must_use]
    pub fn try_time(mut self, time: Duration) -> Self {
        self.patience.try_time = time;
        self
    }

    /// How far the due index may lag behind the rows. Default: 5 s.
    ///
    /// The garbage collector waits that long before it believes the index. Mostly it lags by less than
    /// a second.
    #[must_use]
    pub fn index_lag(mut self, lag: Duration) -> Self {
        self.index_lag = lag;
        self
    }

    /// Takes a table that is replicated to other regions with eventual consistency, where the last writer wins:
    /// no other region may ever write it.
    #[must_use]
    pub fn allow_replicas(mut self) -> Self {
        self.allows_replicas = true;
        self
    }

    /// Where it waits and what it draws lots with.
    #[doc(hidden)]
    #[must_use]
    pub fn with_outside(mut self, outside: Arc<dyn Outside>) -> Self {
        self.patience.outside = outside;
        self
    }

    /// The table's name.
    pub fn table(&self) -> &str {
        &self.table
    }

    fn asked<'a>(&'a self, action: &'static str, key: Option<&'a Key>) -> Asked<'a> {
        Asked { action, table: &self.table, key }
    }

    async fn read(&self, key: &Key) -> Result<Option<Row>> {
        key.check()?;
        let send = async || {
            let request = self.client.get_item().table_name(&self.table);
            request.set_key(Some(schema::key(key))).consistent_read(true).send().await
        };
        let output = self.patience.ask(self.asked("GetItem", Some(key)), send).await?;
        output.item.map(row).transpose()
    }

    async fn change(&self, key: &Key, update: &Update) -> Result<Updated> {
        key.check()?;
        let size = expression::least_size(key, update);
        if size > MAX_ROW {
            return Err(StoreError::RowTooLarge { key: key.clone(), size: Some(size) });
        }
        let expressions = Expressions::of_update(key, update)?;
        let send = async || {
            let request = self.client.update_item().table_name(&self.table);
            let request = request
                .set_key(Some(schema::key(key)))
                .set_condition_expression(expressions.condition.clone())
                .set_update_expression(expressions.update.clone())
                .set_expression_attribute_names(expressions.names())
                .set_expression_attribute_values(expressions.values())
                .return_values(ReturnValue::AllNew)
                .return_values_on_condition_check_failure(OnFailure::AllOld);
            match request.send().await {
                Ok(output) => Ok(Ok(output.attributes.unwrap_or_default())),
                Err(error) => match error.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                        Ok(Err(refused.item.clone()))
                    }
                    _ => Err(error),
                },
            }
        };
        match self.patience.ask(self.asked("UpdateItem", Some(key)), send).await? {
            Ok(item) if item.is_empty() => Ok(Updated::Applied(Row::default())),
            Ok(item) => row(item).map(Updated::Applied),
            // An empty map is how some servers say that there is no row.
            Err(old) => {
                let old = old.filter(|item| !item.is_empty()).map(row);
                old.transpose().map(Updated::Refused)
            }
        }
    }

    async fn remove(&self, key: &Key, when: &Condition) -> Result<bool> {
        key.check()?;
        let expressions = Expressions::of_condition(key, when)?;
        let send = async || {
            let request = self.client.delete_item().table_name(&self.table);
            let request = request
                .set_key(Some(schema::key(key)))
                .set_condition_expression(expressions.condition.clone())
                .set_expression_attribute_names(expressions.names())
                .set_expression_attribute_values(expressions.values());
            match request.send().await {
                Ok(_) => Ok(true),
                Err(error) => match error.as_service_error() {
                    Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(false),
                    _ => Err(error),
                },
            }
        };
        self.patience.ask(self.asked("DeleteItem", Some(key)), send).await
    }

    /// The first page that has rows, or the last one.
    async fn page(
        &self,
        request: QueryFluentBuilder,
        mut start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>)> {
        loop {
            let send = async || {
                let request = request.clone().table_name(&self.table);
                request.set_exclusive_start_key(start.clone()).send().await
            };
            let output = self.patience.ask(self.asked("Query", None), send).await?;
            let items = output.items.unwrap_or_default();
            start = output.last_evaluated_key.filter(|key| !key.is_empty());
            if !items.is_empty() || start.is_none() {
                return Ok((items, start));
            }
        }
    }

    async fn range(&self, query: &Query) -> Result<Page> {
        let Some(start) = start_of(query) else { return Ok(Page::default()) };
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let mut condition = "#p = :p".to_owned();
        let mut request = self.client.query().consistent_read(true);
        if !query.prefix.is_empty() {
            condition.push_str(" AND begins_with(#s, :s)");
            request = request.expression_attribute_names("#s", SORT);
            request = request.expression_attribute_values(":s", text(&query.prefix));
        }
        let request = request
            .key_condition_expression(condition)
            .expression_attribute_names("#p", PARTITION)
            .expression_attribute_values(":p", text(&query.partition))
            .scan_index_forward(!query.descending)
            .limit(limit(query.limit));
        let (items, next) = self.page(request, start).await?;
        let rows = items.into_iter().map(codec::decode).collect::<Result<_>>()?;
        let next = next.and_then(|mut next| schema::take_key(&mut next)).map(|key| key.sort);
        Ok(Page { rows, next })
    }

    async fn due_range(&self, query: &DueQuery) -> Result<DuePage> {
        let is_over = query.after.as_ref().is_some_and(|(order, _)| *order > query.up_to);
        if query.shard.is_empty() || query.shard.len() > MAX_PARTITION_KEY || is_over {
            return Ok(DuePage::default());
        }
        let start =
            query.after.as_ref().map(|(order, key)| schema::place(&query.shard, *order, key));
        let request = self
            .client
            .query()
            .index_name(INDEX)
            .key_condition_expression("#d = :d AND #o <= :o")
            .expression_attribute_names("#d", DUE_SHARD)
            .expression_attribute_names("#o", DUE_ORDER)
            .expression_attribute_values(":d", AttributeValue::S(query.shard.clone()))
            .expression_attribute_values(":o", AttributeValue::N(query.up_to.to_string()))
            .limit(limit(query.limit));
        let (items, next) = self.page(request, start).await?;
        let rows = items.into_iter().filter_map(hint).collect();
        let place = |mut next: Item| {
            let order = match next.get(DUE_ORDER) {
                Some(AttributeValue::N(order)) => codec::order(order)?,
                _ => return None,
            };
            Some((order, schema::take_key(&mut next)?))
        };
        let next = next.map(|next| {
            place(next).ok_or_else(|| StoreError::Corrupt("a page of the due index".to_owned()))
        });
        Ok(DuePage { rows, next: next.transpose()? })
    }
}

/// Where a query starts: nowhere if no row can be in it, at the key otherwise, if there is one.
/// DynamoDB refuses a key that is not in the range, or is none.
fn start_of(query: &Query) -> Option<Option<Item>> {
    let can_be = |text: &str, most| !text.is_empty() && text.len() <= most;
    if !can_be(&query.partition, MAX_PARTITION_KEY) || query.prefix.len() > MAX_SORT_KEY {
        return None;
    }
    let Some(after) = &query.after else { return Some(None) };
    if can_be(after, MAX_SORT_KEY) && after.starts_with(&query.prefix) {
        return Some(Some(schema::key(&Key::new(&*query.partition, &**after))));
    }
    // It lies on one side of the range, or is no key but the prefix itself, before all keys.
    let is_before = after.is_empty() || *after < query.prefix;
    (is_before != query.descending).then_some(None)
}

/// A row of the index, or what can be read of it: a damaged one must not hide the others.
fn hint(mut item: Item) -> Option<(Key, Row)> {
    let key = schema::take_key(&mut item)?;
    let one = |(name, value)| codec::attributes(&key, Item::from([(name, value)]));
    let (read, damage): (Vec<_>, Vec<_>) = item.into_iter().map(one).partition(Result::is_ok);
    for damage in damage.into_iter().filter_map(Result::err) {
        tracing::error!(%damage, "a row of the due index is damaged");
    }
    let row = read.into_iter().flatten().flat_map(|row| row.0).collect();
    Some((key, Row(row)))
}

fn limit(limit: usize) -> i32 {
    i32::try_from(limit.max(1)).unwrap_or(i32::MAX)
}

fn row(item: Item) -> Result<Row> {
    codec::decode(item).map(|(_, row)| row)
}

impl Store for DynamoStore {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Row>>> {
        Box::pin(self.read(key))
    }

    fn update<'a>(&'a self, key: &'a Key, update: &'a Update) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(self.change(key, update))
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page>> {
        Box::pin(self.range(query))
    }

    fn due<'a>(&'a self, query: &'a DueQuery) -> BoxFuture<'a, Result<DuePage>> {
        Box::pin(self.due_range(query))
    }

    fn delete<'a>(&'a self, key: &'a Key, when: &'a Condition) -> BoxFuture<'a, Result<bool>> {
        Box::pin(self.remove(key, when))
    }

    fn is_patient(&self) -> bool {
        true
    }

    fn due_lag(&self) -> Duration {
        self.index_lag
    }

    fn expires(&self) -> bool {
        true
    }
}

impl fmt::Debug for DynamoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoStore").field("table", &self.table).finish_non_exhaustive()
    }
}
